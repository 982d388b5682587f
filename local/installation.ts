import { randomUUID } from 'node:crypto';
import type { SecretStore } from '../lib/core/secrets.ts';
import { keys } from '../lib/store/items.ts';
import type { Table } from '../lib/store/table.ts';

const secretName = 'trunkline/installation';

/**
 * Marks the database as that of these secrets. Throws if it belongs to another installation: each would process the other's hooks
 * and runs, and fail because it lacks their credentials.
 */
export async function claimDatabase(table: Table, secrets: SecretStore): Promise<void> {
  let owner = await secrets.read(secretName, true);
  if (owner === undefined) {
    owner = randomUUID();
    await secrets.write(secretName, owner);
  }
  const claimed = await table.put({ ...keys.installation(), owner }, 'attribute_not_exists(#pk) OR #owner = :owner', {
    owner,
  });
  if (claimed.done) return;
  throw new Error(
    'The database belongs to an installation with another data folder. Start with that folder (TRUNKLINE_DATA), or with a separate database (TRUNKLINE_DYNAMODB_ENDPOINT).',
  );
}
