/** What an evaluated dedupe key tells events apart by; undefined where it found nothing, or an empty text: that is no key. */
export function dedupeKeyOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
