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

/** One run of a clock function: the dispatcher's, or with `pages` a worker's. */
export interface Tick {
  signal: AbortSignal;
  pages?: readonly DuePage[];
  /** Starts a worker in a separate process. If absent, this process does everything. */
  startWorker?: (pages: readonly DuePage[]) => Promise<void>;
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
  /** When an item is due again after the clock was set back. Items scheduled by the wrong time would be days late. */
  dueAgain?: (item: T) => number | undefined;
}

/**
 * Processes what is due. A tick reads every shard first. When there is more than one process can do in time, each shard goes to a
 * worker, which starts the next one for the items after its own page. So no shard waits for another one's backlog.
 */
export async function forEachDue<T extends Key & { dueAt?: number }>(
  table: Table,
  kind: DueKind,
  now: number,
  { signal, pages, startWorker }: Tick,
  run: (items: T[]) => Promise<void>,
  { seen, dueAgain }: DueOptions<T> = {},
): Promise<DueReport> {
  const readAll = (wanted: readonly DuePage[]) =>
    Promise.all(
      wanted.map(async (page) => {
        const { items, next } = await readPage<T>(table, kind, page);
        return { page, items, next: next && { ...page, after: next } };
      }),
    );
  // If no worker can be started, the work is done here.
  const handOver = async (wanted: readonly DuePage[]): Promise<boolean> => {
    if (!startWorker) return false;
    return startWorker(wanted).then(
      () => true,
      () => false,
    );
  };

  const report: DueReport = { due: 0, workers: 0, oldestDueMs: 0 };
  if (!pages && dueAgain && (await wasSetBack(table, kind, now))) await planAgain(table, kind, now, dueAgain);
  let read = await readAll(pages ?? Array.from({ length: dueShards }, (_, shard) => ({ shard, until: now })));
  if (!pages) {
    const oldest = read.flatMap(({ items }) => items[0]?.dueAt ?? []);
    report.oldestDueMs = Math.max(0, ...oldest.map((at) => now - at));
    seen?.(read.flatMap(({ items }) => items));
    const groups = groupsOf(read);
    const handed =
      groups.length > 1 ? await Promise.all(groups.map((group) => handOver(group.map(({ page }) => page)))) : [];
    report.workers = handed.filter(Boolean).length;
    read = groups.filter((_, at) => !handed[at]).flat();
  }
  while (read.length > 0) {
    const items = read.flatMap((each) => each.items);
    const behind = read.flatMap((each) => each.next ?? []);
    report.due += items.length;
    // Items after the pages of this process do not wait for them.
    const handed = await Promise.all(behind.map((next) => handOver([next])));
    report.workers += handed.filter(Boolean).length;
    await run(items);
    if (signal.aborted) break;
    read = await readAll(behind.filter((_, at) => !handed[at]));
  }
  return report;
}

/** Groups shards until they hold a page of items, so that there are no more workers than the work needs. */
function groupsOf<T extends { items: readonly unknown[] }>(read: readonly T[]): T[][] {
  const groups: T[][] = [];
  let size = pageSize;
  for (const each of read) {
    if (each.items.length === 0) continue;
    if (size + each.items.length > pageSize) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(each);
    size += each.items.length;
  }
  return groups;
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
