/** Replaces a value that the owner of a hook redacts from its events. */
export const redactedValue = '[redacted]';

/** A copy of an event's data in which the values at the paths are masked; `*` stands for every member. */
export function redactPaths<Data extends object>(data: Data, paths: readonly string[]): Data {
  return paths.reduce((masked, path) => mask(masked, path.split('.')) as Data, data);
}

function mask(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return redactedValue;
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item, at) => (fits(step, String(at)) ? mask(item, rest) : item));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, fits(step, name) ? mask(member, rest) : member]),
  );
}

function fits(step: string, name: string): boolean {
  return step === '*' || step === name;
}
