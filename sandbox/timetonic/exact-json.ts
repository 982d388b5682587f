/**
 * Writes JSON in which a bigint becomes a number with all its digits, and a Map becomes an object in its own order (plain objects
 * would sort ids that look like numbers).
 */
export function exactJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return object([...value]);
  if (Array.isArray(value)) return `[${value.map((item) => exactJson(item ?? null)).join(',')}]`;
  if (value !== null && typeof value === 'object') return object(Object.entries(value));
  return JSON.stringify(value ?? null);
}

function object(entries: [unknown, unknown][]): string {
  const written = entries.filter(([, item]) => item !== undefined);
  return `{${written.map(([key, item]) => `${JSON.stringify(String(key))}:${exactJson(item)}`).join(',')}}`;
}

/** Parses JSON and keeps integers beyond 2^53 as bigint. Throws a SyntaxError for anything other than JSON. */
export function parseExact(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? 0)
      : value;
  return JSON.parse(text, revive);
}

/** A decimal string as the number that goes into an answer. */
export function raw(digits: string): bigint {
  return BigInt(digits);
}

/** A decimal string with or without fraction as the number that goes into an answer. */
export function rawNumber(text: string): bigint | number {
  return /^-?\d+$/.test(text) ? BigInt(text) : Number(text);
}
