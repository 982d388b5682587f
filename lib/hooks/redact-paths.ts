/** Replaces a value that the owner of a hook redacts from its events. */
export const redactedValue = '[redacted]';

/**
 * A copy of an event's data in which the values at the paths are masked, or replaced by what `replace` returns; `*` stands for every
 * member.
 */
export function redactPaths<Data extends object>(
  data: Data,
  paths: readonly string[],
  replace: (value: unknown) => unknown = () => redactedValue,
): Data {
  return paths.reduce((masked, path) => at(masked, path.split('.'), replace) as Data, data);
}

function at(value: unknown, [step, ...rest]: readonly string[], replace: (value: unknown) => unknown): unknown {
  if (step === undefined) return replace(value);
  if (value === null || typeof value !== 'object') return value;
  const inside = (name: string, member: unknown) => (fits(step, name) ? at(member, rest, replace) : member);
  if (Array.isArray(value)) return value.map((item, index) => inside(String(index), item));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inside(name, member)]));
}

function fits(step: string, name: string): boolean {
  return step === '*' || step === name;
}
