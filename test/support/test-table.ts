import { afterAll, beforeAll } from 'vitest';
import { Table } from '../../lib/store/table.ts';
import { memorySecrets, processOf, startBackends, type TestClock } from './harness.ts';

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

/** Hands the tests of a file the services of a process over an embedded database. Call it at the top of the file. */
export function withTestServices(clock: TestClock, use: (services: ReturnType<typeof processOf>) => void): void {
  let services: ReturnType<typeof processOf>;
  let backends: Awaited<ReturnType<typeof startBackends>>;
  beforeAll(async () => {
    backends = await startBackends();
    services = processOf(backends.database, memorySecrets(), clock);
    use(services);
  });
  afterAll(async () => {
    services.close();
    await backends.stop();
  });
}
