/** Shorter values would match innocent text, so they are masked only by their names. */
const window = 6;

/** The size of the hash table: much larger than the number of spellings, so that most positions of a text need one look-up. */
const slots = 262_144;

const multiplier = 31;
const leading = multiplier ** (window - 1);

/**
 * Finds registered values in texts in one pass, however many there are: a rolling hash over six characters says where one may
 * begin. At most `limit` values are held; the oldest half goes when there are more.
 */
export class KnownSecrets {
  readonly #limit: number;
  #spellings = new Map<string, readonly string[]>();
  #marks = new Uint8Array(slots);
  #byHash = new Map<number, string[]>();

  constructor(limit = 5000) {
    this.#limit = limit;
  }

  /** The number of registered values. */
  get size(): number {
    return this.#spellings.size;
  }

  /** Registers a value in every spelling that logs contain: plain, in URLs, forms and JSON, in Base64 and in hex. */
  add(value: string): void {
    if (value.length < window || this.#spellings.has(value)) return;
    if (this.#spellings.size >= this.#limit) this.#dropOldest();
    const spellings = [...new Set([value, ...encodings(value)])];
    this.#spellings.set(value, spellings);
    for (const spelling of spellings) this.#index(spelling);
  }

  /** The text with every registered value replaced. */
  mask(text: string, replacement: string): string {
    if (text.length < window || this.#spellings.size === 0) return text;
    let masked = '';
    let copied = 0;
    let hash = 0;
    for (let at = 0; at < text.length; at++) {
      if (at >= window) hash -= Math.imul(text.charCodeAt(at - window), leading);
      hash = (Math.imul(hash, multiplier) + text.charCodeAt(at)) | 0;
      const start = at - window + 1;
      if (start < copied || this.#marks[slot(hash)] === 0) continue;
      const found = this.#byHash.get(hash)?.find((secret) => text.startsWith(secret, start));
      if (found === undefined) continue;
      masked += text.slice(copied, start) + replacement;
      copied = start + found.length;
    }
    return copied === 0 ? text : masked + text.slice(copied);
  }

  #index(spelling: string): void {
    let hash = 0;
    for (let at = 0; at < window; at++) hash = (Math.imul(hash, multiplier) + spelling.charCodeAt(at)) | 0;
    this.#marks[slot(hash)] = 1;
    const same = this.#byHash.get(hash) ?? [];
    same.push(spelling);
    // The longest first, so that a value which begins with another one is masked whole.
    same.sort((one, other) => other.length - one.length);
    this.#byHash.set(hash, same);
  }

  #dropOldest(): void {
    this.#spellings = new Map([...this.#spellings].slice(Math.ceil(this.#limit / 2)));
    this.#marks = new Uint8Array(slots);
    this.#byHash = new Map();
    for (const spellings of this.#spellings.values()) for (const spelling of spellings) this.#index(spelling);
  }
}

function slot(hash: number): number {
  return (hash ^ (hash >>> 16)) & (slots - 1);
}

function encodings(value: string): string[] {
  const inJson = JSON.stringify(value).slice(1, -1);
  // A lone half of a surrogate pair cannot be percent-encoded.
  if (!value.isWellFormed()) return [inJson];
  const hex = Buffer.from(value, 'utf8').toString('hex');
  return [
    inJson,
    encodeURIComponent(value),
    new URLSearchParams([['', value]]).toString().slice(1),
    hex,
    hex.toUpperCase(),
    ...base64Forms(value),
  ];
}

/**
 * What a value looks like inside Base64, wherever it starts: on its own, or after a user name and a colon. Where it begins between
 * two characters, those at its ends carry something else as well and are left out.
 */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  const forms = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
  });
  const urls = forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
  return [...forms, ...urls].filter((form) => form.length >= 8);
}
