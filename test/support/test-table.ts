import { afterAll, beforeAll } from 'vitest';
import { Table } from '../../lib/store/table.ts';
import { startBackends } from './harness.ts';

/** Hands the tests of a file the table of an embedded database. Call it at the top of the file. */
export function withTestTable(use: (table: Table) => void): void {
  let table: Table;
  let backends: Awaited<ReturnType<typeof startBackends>>;
  beforeAll(async () => {
    backends = await startBackends();
    table = new Table('trunkline', backends.database.client);
    use(table);
  });
  afterAll(async () => {
    table.destroy();
    await backends.stop();
  });
}
