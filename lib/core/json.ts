/** JSON that cannot be parsed. The message contains the position and nothing of the text, which may be secret. */
export class JsonError extends SyntaxError {
  override name = 'JsonError';
  /** Offset in the text, where it is known. */
  readonly position: number | undefined;

  constructor(reason: string, position?: number) {
    super(position === undefined ? reason : `${reason} at position ${position}`);
    this.position = position;
  }
}

/** Arrays and objects inside each other, at most. */
const maxDepth = 200;
/**
 * Values in one text, at most: its commas and opening brackets. Each value takes some 60 to 100 bytes in memory, though it may have
 * only two in the text.
 */
export const maxJsonValues = 1_000_000;

/**
 * Reads JSON without loss: an integer beyond ±(2^53−1) becomes a string of its decimal digits, every other value is what
 * `JSON.parse` makes of it. Keys named `__proto__` are left out. Throws `JsonError`, also for more than 200 levels and for more than
 * a million values.
 */
export function parseJson(text: string): unknown {
  // A shorter text is too short for that many pairs of brackets.
  if (text.length > 2 * maxDepth) refuseExcess(text);
  try {
    return needsCare(text) ? (JSON.parse(text, keepExact as Reviver) as unknown) : JSON.parse(text);
  } catch (error) {
    throw new JsonError('Not valid JSON', positionOf(error, text));
  }
}

/**
 * Parses JSON that lacks commas between members or values, or has one too many before a closing bracket, as ProPTT2 responses do.
 * Anything else throws the `JsonError` of `parseJson`.
 */
export function parseLenientJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    const repaired = repairCommas(text);
    if (repaired === undefined) throw error;
    try {
      return parseJson(repaired);
    } catch {
      throw error;
    }
  }
}

/** TypeScript's library lacks the third argument of Node 24, which contains the digits as written. */
type Reviver = (this: unknown, key: string, value: unknown) => unknown;

function keepExact(this: unknown, key: string, value: unknown, context: { source?: string }): unknown {
  if (key === '__proto__') return undefined;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    const { source = '' } = context;
    return /^-?\d+$/.test(source) ? source : value;
  }
  return value;
}

/** Only 16 digits in a row can be an integer that is too large, and only these can spell the forbidden key. */
function needsCare(text: string): boolean {
  return /\d{16}|__proto__|\\u00(?:5[fF]|70|72|6[fF]|74)/.test(text);
}

/** Whether an answer is JSON with more values than fit into memory. `bytes` are UTF-8. */
export function hasTooManyValues(bytes: Uint8Array): boolean {
  // A shorter text is too short for that many.
  if (bytes.length <= maxJsonValues) return false;
  const first = bytes.find((byte) => byte > 0x20 && byte < 0x80);
  if (first !== 0x5b && first !== 0x7b) return false;
  let values = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes[at];
    if (code === 0x22) isInString = !isInString;
    else if (code === 0x5c) at++;
    else if (!isInString && (code === 0x2c || code === 0x5b || code === 0x7b)) values++;
  }
  return values > maxJsonValues;
}

function refuseExcess(text: string): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at);
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > maxDepth) throw new JsonError(`JSON with more than ${maxDepth} levels`, at);
      values++;
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    } else if (code === 0x2c) {
      values++;
    }
    if (values > maxJsonValues) throw new JsonError(`JSON with more than ${maxJsonValues} values`, at);
  }
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === 0x5c) before--;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}

function positionOf(error: unknown, text: string): number | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  if (error.message.includes('end of JSON input')) return text.length;
  const found = /position (\d+)/.exec(error.message)?.[1];
  return found === undefined ? undefined : Number(found);
}

const token = /\s+|"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gsy;

function repairCommas(text: string): string | undefined {
  const parts: string[] = [];
  let pendingComma = false;
  let afterValue = false;
  let at = 0;
  for (const [part] of text.matchAll(token)) {
    at += part.length;
    const first = part.charAt(0);
    if (first.trim() === '') {
      parts.push(part);
      continue;
    }
    const closes = first === '}' || first === ']';
    if (first === ',') {
      if (!afterValue || pendingComma) return undefined;
      pendingComma = true;
      continue;
    }
    const opensValue = !closes && first !== ':';
    if (opensValue && (pendingComma || afterValue)) parts.push(',');
    if (first === ':' && pendingComma) return undefined;
    pendingComma = false;
    parts.push(part);
    afterValue = closes || (opensValue && first !== '{' && first !== '[');
  }
  return at === text.length && !pendingComma ? parts.join('') : undefined;
}
