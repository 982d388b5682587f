import { hash } from 'node:crypto';
import { adminKeySecret, type SecretStore } from '../../core/secrets.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';

interface AdminKeyItem extends Key {
  hash: string;
}

/**
 * Puts the hash of the admin key into the table, where every function compares keys with it; none of them may read the key itself. A
 * changed secret counts with the next call.
 */
export async function publishAdminKey({ table, secrets }: { table: Table; secrets: SecretStore }): Promise<void> {
  const value = await secrets.read(adminKeySecret, true);
  const key = keys.adminKey();
  const stored = await readAdminKeyHash(table);
  if (value === undefined) {
    if (stored !== undefined) await table.delete(key);
    return;
  }
  const hash = hashOf(`tl_${value}`);
  if (hash !== stored) await table.put<AdminKeyItem>({ ...key, hash });
}

/** The hash of the admin key; undefined before it was published for the first time. */
export async function readAdminKeyHash(table: Table): Promise<string | undefined> {
  return (await table.get<AdminKeyItem>(keys.adminKey(), true))?.hash;
}

/** What is stored of a key's secret. */
export function hashOf(secret: string): string {
  return hash('sha256', secret, 'base64url');
}
