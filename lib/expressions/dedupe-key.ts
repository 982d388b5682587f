/**
 * The text by which an evaluated dedupe key distinguishes events; undefined if the value is missing or an empty text: that is not
 * a key.
 */
export function dedupeKeyOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
