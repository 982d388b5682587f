import type { Operation } from '@aws-sdk/client-lambda';
import { due, dueItems } from '../../lib/store/due.ts';
import { expiry, keys } from '../../lib/store/items.ts';
import type { Item, Key, Table } from '../../lib/store/table.ts';

/** A durable execution as stored in the table. While it runs it is in the `due` index, so a restart finds it. Times are epoch milliseconds. */
export interface ExecutionItem extends Key {
  functionName: string;
  name: string;
  arn: string;
  /** JSON. */
  payload: string;
  state: 'running' | 'succeeded' | 'failed';
  /** JSON, or the error's sentence. */
  result?: string;
  startedAt: number;
  endedAt?: number;
  /** When its waiting or continuing was last stored. */
  storedAt?: number;
  /** Invocations in a row that broke down. */
  faults?: number;
  duePk?: string;
  dueAt?: number;
  expiresAt?: number;
}

interface OperationItem extends Key {
  operation: string;
}

/** How long a finished execution's name stays taken, in milliseconds. */
const retentionMs = 31 * 24 * 60 * 60_000;

/** Keeps executions and their operations in the one table. */
export class DurableStore {
  readonly #table: Table;

  constructor(table: Table) {
    this.#table = table;
  }

  /** Stores a new execution, or returns the existing one with the name. */
  async create(execution: ExecutionItem): Promise<{ made: boolean; execution: ExecutionItem }> {
    const item = { ...execution, ...due('timer', execution.pk, execution.startedAt) };
    const put = await this.#table.put<ExecutionItem>(item, 'attribute_not_exists(#pk)');
    return { made: put.done, execution: put.item ?? item };
  }

  read(pk: string): Promise<ExecutionItem | undefined> {
    return this.#table.get<ExecutionItem>({ pk, sk: 'execution' }, true);
  }

  /** Every execution that is not finished, with the time at which it continues. */
  async *unfinished(): AsyncGenerator<ExecutionItem> {
    for await (const page of dueItems<ExecutionItem>(this.#table, 'timer', Number.MAX_SAFE_INTEGER)) yield* page;
  }

  async operations(pk: string): Promise<Map<string, Operation>> {
    const items = await this.#table.queryAll<OperationItem>({ pk, prefix: 'operation#', consistent: true });
    return new Map(
      items.map(({ operation }) => {
        const revived = revive(operation);
        return [revived.Id ?? '', revived];
      }),
    );
  }

  async operation(pk: string, id: string): Promise<Operation | undefined> {
    const item = await this.#table.get<OperationItem>(keys.executionOperation(pk, id), true);
    return item && revive(item.operation);
  }

  /** Stores operations. Those of one call are stored in one transaction as far as it has room. */
  async save(pk: string, operations: readonly Operation[]): Promise<void> {
    const items = operations.map((operation) => itemOf(pk, operation));
    const [only] = items;
    if (only && items.length === 1) {
      await this.#table.put<OperationItem>(only);
      return;
    }
    let chunk: Item[] = [];
    let bytes = 0;
    const flush = async () => {
      if (chunk.length > 0) await this.#table.transact(chunk.map((put) => ({ put })));
      [chunk, bytes] = [[], 0];
    };
    for (const item of items) {
      if (chunk.length >= 100 || bytes + item.operation.length > 1_000_000) await flush();
      chunk.push(item);
      bytes += item.operation.length;
    }
    await flush();
  }

  /**
   * Stores the operation that ends a wait, and that the execution continues now. If this process dies before it continues, the
   * next one sees that. False if the execution has ended.
   */
  async resume(pk: string, operation: Operation, now: number): Promise<boolean> {
    const execution = {
      update: { key: { pk, sk: 'execution' }, expression: 'SET #duePk = :duePk, #dueAt = :dueAt, #storedAt = :now' },
      condition: '#state = :running',
      values: { ...due('timer', pk, now), running: 'running', now },
    };
    return (await this.#table.transact([{ put: itemOf(pk, operation) }, execution])).done;
  }

  /** Lets an execution rest until a time. */
  async suspend({ pk, sk }: Key, until: number, faults: number, now: number): Promise<void> {
    const expression = 'SET #duePk = :duePk, #dueAt = :dueAt, #faults = :faults, #storedAt = :now';
    await this.#table.update({ pk, sk }, expression, { ...due('timer', pk, until), faults, now });
  }

  /** Ends an execution and deletes its operations. */
  async finish(
    { pk, sk }: Key,
    state: 'succeeded' | 'failed',
    result: string | undefined,
    now: number,
    operations: Iterable<string>,
  ): Promise<void> {
    const removals = [...operations].map((id) => ({ delete: keys.executionOperation(pk, id) }));
    const end = {
      update: {
        key: { pk, sk },
        expression: `SET #state = :state, #endedAt = :now, #expiresAt = :expiresAt${
          result === undefined ? '' : ', #result = :result'
        } REMOVE #duePk, #dueAt`,
      },
      values: { state, now, expiresAt: expiry(now + retentionMs), result },
    };
    await this.#table.transact([end, ...removals.splice(0, 99)]);
    while (removals.length > 0) await this.#table.transact(removals.splice(0, 100));
  }
}

function itemOf(pk: string, operation: Operation) {
  return { ...keys.executionOperation(pk, operation.Id ?? ''), operation: JSON.stringify(operation) };
}

function revive(text: string): Operation {
  // Written by `save`; only its times are more than JSON.
  return JSON.parse(text, (name, value: unknown) =>
    name.endsWith('Timestamp') && typeof value === 'string' ? new Date(value) : value,
  ) as Operation;
}
