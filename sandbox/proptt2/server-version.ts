const numbers = new Map<string, number>();

/** Whether a server version (`9.0.1`) has what the document requires (`3.1.2`, `2.0.x`); an `x` counts as 0. */
export function hasVersion(version: string, required: string): boolean {
  return versionNumber(version) >= versionNumber(required);
}

function versionNumber(version: string): number {
  const known = numbers.get(version);
  if (known !== undefined) return known;
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const number = (major * 1000 + minor) * 1000 + patch;
  // Versions come from settings that anyone may change at run time, so the cache must not grow with them.
  if (numbers.size > 100) numbers.clear();
  numbers.set(version, number);
  return number;
}
