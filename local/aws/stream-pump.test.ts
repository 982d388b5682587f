import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamoDBStreamEvent } from 'aws-lambda';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Table } from '../../lib/store/table.ts';
import { startBackends } from '../../test/support/harness.ts';
import { until } from '../../test/support/until.ts';
import { type StreamPump, startStreamPump } from './stream-pump.ts';

const directory = mkdtempSync(join(tmpdir(), 'trunkline-pump-'));
let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
let seen: string[] = [];
let batches: number[] = [];
/** Ids whose handling fails so many times more. */
let failing = new Map<string, number>();
let givenUp: string[] = [];
let file = '';
let number = 0;

beforeAll(async () => {
  backends = await startBackends();
  table = new Table('trunkline', backends.database.client);
});
afterAll(async () => {
  table.destroy();
  await backends.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  [seen, batches, failing, givenUp] = [[], [], new Map(), []];
  file = join(directory, `position-${++number}.json`);
});

const idOf = (record: DynamoDBStreamEvent['Records'][number]) => record.dynamodb?.NewImage?.id?.S ?? '';
async function handler({ Records }: DynamoDBStreamEvent) {
  batches.push(Records.length);
  const batchItemFailures: { itemIdentifier: string }[] = [];
  for (const record of Records) {
    const id = idOf(record);
    const left = failing.get(id) ?? 0;
    failing.set(id, left - 1);
    if (left > 0) batchItemFailures.push({ itemIdentifier: record.dynamodb?.SequenceNumber ?? '' });
    else seen.push(id);
  }
  return { batchItemFailures };
}
const start = (options: Partial<Parameters<typeof startStreamPump>[0]> = {}): Promise<StreamPump> =>
  startStreamPump({
    ...backends.database,
    tableName: 'trunkline',
    handler,
    positionFile: file,
    retryDelays: [1, 1, 1],
    onGiveUp: (records) => givenUp.push(...records.map(idOf)),
    ...options,
  });
async function put(prefix: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  for (const id of ids) await table.put({ pk: `event#${id}`, sk: 'event', id });
  return ids;
}
/** Only the records of this test: without a stored position the pump starts with everything that the stream contains. */
const mine = (prefix: string) => seen.filter((id) => id.startsWith(prefix));

test('inserted events are delivered in order and in batches of at most a hundred; changes and other items are not', async () => {
  const pump = await start();
  const ids = await put('order', 250);
  await table.put({ pk: 'session#x', sk: 'session', id: 'order-session' });
  await table.update({ pk: 'event#order-0', sk: 'event' }, 'SET #position = :one', { one: 1 });
  await pump.drained();
  await pump.stop();
  expect(mine('order')).toEqual(ids);
  expect(Math.max(...batches)).toBeLessThanOrEqual(100);
});

test('after a restart it continues where it stopped; with a damaged position everything is delivered again, and nothing is omitted', async () => {
  const first = await start();
  const before = await put('restart-a', 5);
  await first.drained();
  await first.stop();
  const meanwhile = await put('restart-b', 5);
  seen = [];
  const second = await start();
  await second.drained();
  await second.stop();
  expect(seen).toEqual(meanwhile);
  writeFileSync(file, '{"torn');
  seen = [];
  const third = await start();
  await third.drained();
  await third.stop();
  expect(mine('restart')).toEqual([...before, ...meanwhile]);
});

test('failed records are delivered again, others are not, and those that keep failing are given up', async () => {
  await put('note', 1);
  const pump = await start();
  await pump.drained();
  seen = [];
  failing = new Map([
    ['fail-2', 2],
    ['fail-4', 99],
  ]);
  const ids = await put('fail', 6);
  await pump.drained();
  await pump.stop();
  expect([...mine('fail')].sort()).toEqual(ids.filter((id) => id !== 'fail-4'));
  expect(givenUp).toEqual(['fail-4']);
});

test('a handler that throws gets the batch again', async () => {
  let thrown = 0;
  const pump = await start({
    handler: async (event) => {
      if (++thrown < 3) throw new Error('Out of memory.');
      return handler(event);
    },
  });
  const ids = await put('throw', 3);
  await pump.drained();
  await pump.stop();
  expect(mine('throw')).toEqual(ids);
});

test('it stops in the middle of a failing batch, and that batch is the first of the next start', async () => {
  const clean = await start();
  await clean.drained();
  await clean.stop();
  const ids = await put('middle', 3);
  failing = new Map([['middle-1', 1]]);
  const pump = await start({ retryDelays: [60_000] });
  await until(() => mine('middle').length >= 2);
  await pump.stop();
  seen = [];
  const again = await start();
  await again.drained();
  await again.stop();
  expect(mine('middle')).toEqual(ids);
});
