import type { Random } from './clock.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** A random id of 16 characters in lower-case base32: 80 bits, safe in URLs, file names and DNS labels. */
export function newId(random: Random): string {
  return Array.from(random.bytes(16), (byte) => alphabet[byte % alphabet.length]).join('');
}
