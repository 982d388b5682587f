import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startBackends } from '../../test/support/harness.ts';
import { due } from './due.ts';
import { Table } from './table.ts';
import { type DuePage, forEachDue, type Tick } from './tick.ts';

interface Waiting {
  pk: string;
  sk: string;
  duePk?: string;
  dueAt?: number;
}

const now = 1_000_000;
let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
let done: string[];
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(() => {
  table = new Table('trunkline', backends.database.client);
  done = [];
});
afterEach(async () => {
  await run({ signal: new AbortController().signal }, Number.MAX_SAFE_INTEGER);
  table.destroy();
});

/** Items that are due in this order, with ids that spread over the shards or, with a shard's name, share it. */
async function wait(names: readonly string[], shard?: string): Promise<void> {
  for (let at = 0; at < names.length; at += 50) {
    await table.transact(
      names.slice(at, at + 50).map((name, index) => ({
        put: { pk: 'waiting', sk: name, ...due('schedule', shard ?? name, now - names.length + at + index) },
      })),
    );
  }
}

const run = (tick: Tick, until = now) =>
  forEachDue<Waiting>(table, 'schedule', until, tick, async (items) => {
    await Promise.all(
      items.map(async ({ pk, sk }) => {
        done.push(sk);
        await table.delete({ pk, sk });
      }),
    );
  });
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const open = () => new AbortController().signal;

test('due items are processed once, others stay, and the age of the oldest is measured before the work', async () => {
  await wait(['a', 'b', 'c']);
  await table.put({ pk: 'waiting', sk: 'later', ...due('schedule', 'later', now + 1) });
  expect(await run({ signal: open() })).toEqual({ due: 3, workers: 0, oldestDueMs: 3 });
  expect(done.sort()).toEqual(['a', 'b', 'c']);
  expect(await run({ signal: open() })).toEqual({ due: 0, workers: 0, oldestDueMs: 0 });
});

test('a backlog in one shard does not delay the others', async () => {
  const backlog = names('slow', 600);
  await wait(backlog, 'one');
  await wait(['quick']);
  const controller = new AbortController();
  await forEachDue<Waiting>(table, 'schedule', now, { signal: controller.signal }, async (items) => {
    done.push(...items.map(({ sk }) => sk));
    // The time is over after the first round.
    controller.abort();
  });
  expect(done).toContain('quick');
  expect(done.length).toBeLessThan(600);
});

test('more than one process can do goes to workers, page by page, and each item to one of them', async () => {
  const all = names('item', 900);
  await wait(all.slice(0, 600), 'one');
  await wait(all.slice(600));
  const pages: (readonly DuePage[])[] = [];
  const startWorker = async (some: readonly DuePage[]) => void pages.push(structuredClone(some));
  const report = await run({ signal: open(), startWorker });
  expect(report).toMatchObject({ due: 0, workers: pages.length });
  expect(pages.length).toBeLessThan(6);
  for (let next = pages.shift(); next; next = pages.shift()) await run({ signal: open(), startWorker, pages: next });
  expect(done.sort()).toEqual(all.sort());
});

test('what was planned by a clock that was two days ahead is due again once the clock is right', async () => {
  const dueAgain = () => now + 120_000;
  const tickAt = (at: number) =>
    forEachDue<Waiting>(
      table,
      'poll',
      at,
      { signal: open() },
      async (items) => {
        for (const item of items) {
          done.push(item.sk);
          await table.put({ ...item, ...due('poll', item.sk, at + 60_000) });
        }
      },
      { dueAgain },
    );
  await table.put({ pk: 'waiting', sk: 'polled', ...due('poll', 'polled', now) });
  await tickAt(now);
  const ahead = now + 2 * 24 * 60 * 60_000;
  await tickAt(ahead);
  await tickAt(now + 60_000);
  expect(done).toEqual(['polled', 'polled']);
  await tickAt(now + 120_000);
  expect(done).toEqual(['polled', 'polled', 'polled']);
});

test('where no worker can be started, the work is done here', async () => {
  const all = names('item', 400);
  await wait(all.slice(0, 300), 'one');
  await wait(all.slice(300));
  const startWorker = async () => {
    throw new Error('throttled');
  };
  expect(await run({ signal: open(), startWorker })).toMatchObject({ due: 400, workers: 0 });
  await wait(all, 'one');
  await run({
    signal: open(),
    startWorker,
    pages: [{ shard: Number(due('schedule', 'one', 0).duePk.split('#')[1]), until: now }],
  });
  expect(done.sort()).toEqual([...all, ...all].sort());
});
