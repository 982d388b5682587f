import type { Account } from '../account.ts';

/** `trunkline env`: what the commands of the documentation use, for `eval`. */
export function variables({ url, key }: Account): string {
  const values = { URL: url, KEY: key, AUTH: `Authorization: Bearer ${key}`, JSON: 'Content-Type: application/json' };
  return Object.entries(values)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`)
    .join('');
}
