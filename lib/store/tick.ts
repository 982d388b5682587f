import { type DueKind, dueShards } from './due.ts';
import type { Table } from './table.ts';

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

/**
 * Works on what is due. A tick looks at every shard first; when there is more than one process can do in time, each shard goes to a
 * worker, which starts the next one for what lies behind its own page. So no shard waits for another one's backlog. `seen` is
 * given the oldest items of each shard before the work begins.
 */
export async function forEachDue<T extends object>(
  table: Table,
  kind: DueKind,
  now: number,
  { signal, page, startWorker }: Tick,
  run: (items: T[]) => Promise<void>,
  seen: (items: T[]) => void = () => undefined,
): Promise<DueReport> {
  type Due = T & { dueAt?: number };
  const read = async (wanted: DuePage) => {
    const { items, next } = await readPage<Due>(table, kind, wanted);
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

  const wanted = Array.from({ length: dueShards }, (_, shard): DuePage => ({ shard, until: now }));
  let pages = await Promise.all(wanted.map(async (each) => ({ page: each, ...(await read(each)) })));
  const oldest = pages.flatMap(({ items }) => items[0]?.dueAt ?? []);
  const report: DueReport = { due: 0, workers: 0, oldestDueMs: Math.max(0, ...oldest.map((at) => now - at)) };
  seen(pages.flatMap(({ items }) => items));
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
