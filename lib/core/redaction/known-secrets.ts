/** Shorter values would be found in innocent text; they are masked by their names alone. */
const window = 6;

const multiplier = 31;
const leading = multiplier ** (window - 1);

/**
 * Finds registered values in texts in one pass, however many there are: a rolling hash over six characters says where one may
 * begin. At most `limit` values are held; the oldest half goes when there are more.
 */
export class KnownSecrets {
  readonly #limit: number;
  #spellings = new Map<string, readonly string[]>();
  #marks = new Uint8Array(65_536);
  #byHash = new Map<number, string[]>();

  constructor(limit = 5000) {
    this.#limit = limit;
  }

  /** Values held. */
  get size(): number {
    return this.#spellings.size;
  }

  /** Remembers a value in all the spellings that it has in logs: plain, in URLs, in forms, in JSON. */
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
    this.#marks = new Uint8Array(65_536);
    this.#byHash = new Map();
    for (const spellings of this.#spellings.values()) for (const spelling of spellings) this.#index(spelling);
  }
}

function slot(hash: number): number {
  return (hash ^ (hash >>> 16)) & 0xffff;
}

function encodings(value: string): string[] {
  const inJson = JSON.stringify(value).slice(1, -1);
  // A lone half of a surrogate pair cannot be percent-encoded.
  if (!value.isWellFormed()) return [inJson];
  return [inJson, encodeURIComponent(value), new URLSearchParams([['', value]]).toString().slice(1)];
}
