import { afterAll, beforeAll, expect, test } from 'vitest';
import { Table } from '../lib/store/table.ts';
import { memorySecrets, startBackends } from '../test/support/harness.ts';
import { claimDatabase } from './installation.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
beforeAll(async () => {
  backends = await startBackends();
  table = new Table('trunkline', backends.database.client);
});
afterAll(async () => {
  table.destroy();
  await backends.stop();
});

test('a database is refused to the secrets of another installation, and open to the same ones', async () => {
  const [mine, other] = [memorySecrets(), memorySecrets()];
  await claimDatabase(table, mine);
  await claimDatabase(table, mine);
  await expect(claimDatabase(table, other)).rejects.toThrow('belongs to an installation with another data folder');
  for (const [name, value] of mine.values) await other.write(name, value);
  await claimDatabase(table, other);
});
