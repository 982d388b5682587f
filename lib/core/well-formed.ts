/**
 * The value with every half of a character (an unpaired surrogate) replaced by U+FFFD, which no store and no vendor takes otherwise.
 * A sender may give one as an escape of JSON, and cutting a text may leave one.
 */
export function wellFormed<Value>(value: Value): Value {
  // The copy has the same shape.
  return isWellFormed(value) ? value : (repaired(value) as Value);
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (!hasMembers(value)) return true;
  return Object.entries(value).every(([name, each]) => name.isWellFormed() && isWellFormed(each));
}

function repaired(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(repaired);
  if (!hasMembers(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name.toWellFormed(), repaired(each)]));
}

function hasMembers(value: unknown): value is object {
  return value !== null && typeof value === 'object' && !ArrayBuffer.isView(value);
}
