import { KnownSecrets } from './known-secrets.ts';
import { isSecretName, mask, maskSecretText } from './secret-text.ts';

const maxDepth = 20;
const maxNodes = 20_000;

const known = new KnownSecrets();

/** Registers a credential, which is then masked in every text and spelling. Values under six characters are masked by name only. */
export function registerSecret(value: string): void {
  known.add(value);
}

/** Registers the values of secret names in an object, such as the keys and cookies of a session. */
export function registerSecrets(value: object): void {
  for (const [name, inner] of Object.entries(value)) {
    if (isSecretName(name)) for (const text of textsIn(inner)) registerSecret(text);
    else if (inner !== null && typeof inner === 'object') registerSecrets(inner);
  }
}

/** Every text in a value; the values of a cookie header are returned one by one. */
export function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    yield value;
    for (const cookie of value.matchAll(/(?:^|;\s*)[\w.-]+=([^;\s]{12,})/g)) yield cookie[1] ?? '';
  } else if (value !== null && typeof value === 'object') {
    for (const inner of Object.values(value)) yield* textsIn(inner);
  }
}

/** A text with every registered secret masked, in any spelling; words that only look like the name of one stay. */
export function maskKnown(text: string): string {
  return known.mask(text, mask);
}

/** A JSON value in which every registered secret is masked. */
export function maskKnownIn(value: unknown): unknown {
  return maskIn(value, maskKnown);
}

/** Masks the given values in a text, in any spelling; for secrets that one call was given and nobody else knows. */
export function maskerOf(values: readonly string[]): (text: string) => string {
  const given = new KnownSecrets();
  for (const value of values) given.add(value);
  return (text) => given.mask(text, mask);
}

/** A JSON value in which names and texts are masked. */
export function maskIn(value: unknown, masker: (text: string) => string): unknown {
  if (typeof value === 'string') return masker(value);
  if (Array.isArray(value)) return value.map((each) => maskIn(each, masker));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [masker(name), maskIn(inner, masker)]));
}

/** A text with the secrets in it masked, by name (`skey=…`, `"password":"…"`, `Authorization: …`) and by value. */
export function redactText(text: string): string {
  return known.mask(maskSecretText(text), mask);
}

/**
 * A copy of a value that is safe to log: the values of secret names, secrets inside texts and every registered secret are
 * masked. What needs no change is not copied. Errors become plain objects, bytes their number, big integers text.
 */
export function redact(value: unknown): unknown {
  return new Walk().visit(value, 0);
}

class Walk {
  #nodes = 0;

  visit(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return redactText(value);
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.#visitObject(value, depth);
      case 'function':
      case 'symbol':
        return undefined;
      default:
        return value;
    }
  }

  #visitObject(value: object, depth: number): unknown {
    if (value instanceof Date) return value;
    if (depth >= maxDepth || ++this.#nodes > maxNodes) return '[too deep or too large to log]';
    if (Array.isArray(value)) return this.#visitArray(value, depth);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Error) return this.#visitRecord(errorRecord(value), depth);
    if (value instanceof URL || value instanceof URLSearchParams) return redactText(String(value));
    if (value instanceof Map) return this.#visitRecord(Object.fromEntries(value), depth);
    if (value instanceof Set) return this.#visitArray([...value], depth);
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.visit(value.toJSON(), depth + 1);
    return this.#visitRecord(value as Record<string, unknown>, depth);
  }

  /** In a list the text after a secret name is masked: raw headers come as one flat list, or as pairs. */
  #visitArray(list: unknown[], depth: number): unknown[] {
    let copy: unknown[] | undefined;
    for (let index = 0; index < list.length; index++) {
      const item = list[index];
      const before = index > 0 ? list[index - 1] : undefined;
      const named = typeof item === 'string' && typeof before === 'string' && isSecretName(before);
      const safe = named ? mask : this.visit(item, depth + 1);
      if (safe !== item) copy ??= list.slice();
      if (copy !== undefined) copy[index] = safe;
    }
    return copy ?? list;
  }

  #visitRecord(record: Record<string, unknown>, depth: number): Record<string, unknown> {
    let copy: Record<string, unknown> | undefined;
    for (const key of Object.keys(record)) {
      const value = record[key];
      const safe = isSecretName(key) ? maskAll(value) : this.visit(value, depth + 1);
      if (safe === value) continue;
      copy ??= { ...record };
      copy[key] = safe;
    }
    return copy ?? record;
  }
}

/** Missing values and booleans reveal no secret, so they stay readable. */
function maskAll(value: unknown): unknown {
  return value === undefined || value === null || typeof value === 'boolean' || value === '' ? value : mask;
}

function errorRecord(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return { ...error, name, message, ...(stack && { stack }), ...(cause !== undefined && { cause }) };
}
