import { forEachLimited } from '../core/limit.ts';
import { type DueKind, dueShards } from './due.ts';
import { keys } from './items.ts';
import type { Key, Table } from './table.ts';

/** Items that one worker takes on: what it does with them fits into a minute. */
const pageSize = 250;

/** Some of what is due: a page of one shard, oldest first. */
export interface DuePage {
  shard: number;
  /** Epoch milliseconds. */
  until: number;
  after?: Record<string, unknown>;
}

/** One run of a clock function: the dispatcher's, or with a `page` a worker's. */
export interface Tick {
  signal: AbortSignal;
  page?: DuePage;
  /** Starts a worker in a process of its own. Absent: this process does everything. */
  startWorker?: (page: DuePage) => Promise<void>;
}

/** What a tick found due, here and handed to workers, and how late the oldest item was before any work began. */
export interface DueReport {
  due: number;
  workers: number;
  oldestDueMs: number;
}

export interface DueOptions<T> {
  /** Given the oldest items of each shard before the work begins. */
  seen?: (items: T[]) => void;
  /** When an item is due anew after the clock was set back; what was planned by the wrong time would come days late. */
  dueAgain?: (item: T) => number | undefined;
}

/**
 * Works on what is due. A tick looks at every shard first; when there is more than one process can do in time, each shard goes to a
 * worker, which starts the next one for what lies behind its own page. So no shard waits for another one's backlog.
 */
export async function forEachDue<T extends Key & { dueAt?: number }>(
  table: Table,
  kind: DueKind,
  now: number,
  { signal, page, startWorker }: Tick,
  run: (items: T[]) => Promise<void>,
  { seen, dueAgain }: DueOptions<T> = {},
): Promise<DueReport> {
  const read = async (wanted: DuePage) => {
    const { items, next } = await readPage<T>(table, kind, wanted);
    return { items, next: next && { ...wanted, after: next } };
  };
  const handOver = async (next: DuePage): Promise<boolean> => {
    if (!startWorker) return false;
    // Where no worker can be had the work is done here.
    return startWorker(next).then(
      () => true,
      () => false,
    );
  };

  if (page) {
    const { items, next } = await read(page);
    const handed = next === undefined || (await handOver(next));
    await run(items);
    const rest =
      handed || !next || signal.aborted
        ? undefined
        : await forEachDue<T>(table, kind, now, { signal, page: next }, run);
    return { due: items.length + (rest?.due ?? 0), workers: next && handed ? 1 : 0, oldestDueMs: 0 };
  }

  if (dueAgain && (await wasSetBack(table, kind, now))) await planAgain(table, kind, now, dueAgain);
  const wanted = Array.from({ length: dueShards }, (_, shard): DuePage => ({ shard, until: now }));
  let pages = await Promise.all(wanted.map(async (each) => ({ page: each, ...(await read(each)) })));
  const oldest = pages.flatMap(({ items }) => items[0]?.dueAt ?? []);
  const report: DueReport = { due: 0, workers: 0, oldestDueMs: Math.max(0, ...oldest.map((at) => now - at)) };
  seen?.(pages.flatMap(({ items }) => items));
  if (startWorker && pages.reduce((sum, { items }) => sum + items.length, 0) > pageSize) {
    const busy = pages.filter(({ items }) => items.length > 0);
    const handed = await Promise.all(busy.map((each) => handOver(each.page)));
    report.workers = handed.filter(Boolean).length;
    pages = busy.filter((_, at) => !handed[at]);
  }
  while (pages.length > 0 && !signal.aborted) {
    const items = pages.flatMap((each) => each.items);
    report.due += items.length;
    await run(items);
    const next = pages.flatMap((each) => each.next ?? []);
    pages = await Promise.all(next.map(async (each) => ({ page: each, ...(await read(each)) })));
  }
  return report;
}

function readPage<T extends object>(table: Table, kind: DueKind, { shard, until, after }: DuePage) {
  const more = after && { after };
  return table.query<T>({ index: 'due', pk: `${kind}#${shard}`, to: until, limit: pageSize, ...more });
}

/** Clocks of two processes may differ by this much. */
const clockSkewMs = 60_000;

/** Notes the time of this tick; true when an earlier one had a later time. */
async function wasSetBack(table: Table, kind: DueKind, now: number): Promise<boolean> {
  const item = { ...keys.lastTick(kind), at: now };
  const noted = await table.put(item, 'attribute_not_exists(#pk) OR #at < :ahead', { ahead: now + clockSkewMs });
  if (noted.done) return false;
  await table.put(item);
  return true;
}

async function planAgain<T extends Key & { dueAt?: number }>(
  table: Table,
  kind: DueKind,
  now: number,
  dueAgain: (item: T) => number | undefined,
): Promise<void> {
  await forEachLimited(
    Array.from({ length: dueShards }, (_, shard) => shard),
    8,
    async (shard) => {
      for await (const items of table.pages<T>({ index: 'due', pk: `${kind}#${shard}`, from: now })) {
        for (const item of items) {
          const dueAt = dueAgain(item);
          const values = { dueAt, before: item.dueAt };
          const { pk, sk } = item;
          if (dueAt !== undefined) await table.update({ pk, sk }, 'SET #dueAt = :dueAt', values, '#dueAt = :before');
        }
      }
    },
  );
}
