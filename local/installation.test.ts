import { expect, test } from 'vitest';
import type { Table } from '../lib/store/table.ts';
import { memorySecrets } from '../test/support/harness.ts';
import { withTestTable } from '../test/support/test-table.ts';
import { claimDatabase } from './installation.ts';

let table: Table;
withTestTable((made) => {
  table = made;
});

test('a database refuses the secrets of another installation, and accepts its own', async () => {
  const [mine, other] = [memorySecrets(), memorySecrets()];
  await claimDatabase(table, mine);
  await claimDatabase(table, mine);
  await expect(claimDatabase(table, other)).rejects.toThrow('belongs to an installation with another data folder');
  for (const [name, value] of mine.values) await other.write(name, value);
  await claimDatabase(table, other);
});
