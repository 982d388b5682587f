import { createHash } from 'node:crypto';
import type { Item, Query, Table } from './table.ts';

/** Kinds of due work. Each has its own partitions, so that the backlog of one does not delay another. */
export type DueKind = 'keepalive' | 'poll' | 'schedule' | 'timer' | 'route';

/** Partitions of each kind: one takes 1,000 writes a second, and each may get its own worker. */
export const dueShards = 64;
const listedShards = 8;

/** Items that are not waiting but listed by time: the runs, and the deliveries, in a state. They share the index, in separate partitions. */
export type ListedKind = `run-${string}` | `delivery-${string}`;

/** How many partitions a kind has: few where every one of them is read at once. */
export function shardsOf(kind: DueKind | ListedKind): number {
  return /^(run-|delivery-|route$)/.test(kind) ? listedShards : dueShards;
}

/** The attributes that put an item into the sparse `due` index. Items of one `id` share a partition; `dueAt` is epoch milliseconds. */
export function due(kind: DueKind | ListedKind, id: string, dueAt: number): { duePk: string; dueAt: number } {
  const shard = (createHash('sha256').update(id).digest()[0] ?? 0) % shardsOf(kind);
  return { duePk: `${kind}#${shard}`, dueAt };
}

/** The items that are due by `until`, page by page, all shards in turn; reads nothing that is not due. */
export async function* dueItems<T extends object = Item>(
  table: Table,
  kind: DueKind | ListedKind,
  until: number,
): AsyncGenerator<T[]> {
  for (let shard = 0; shard < shardsOf(kind); shard++) {
    yield* table.pages<T>({ index: 'due', pk: `${kind}#${shard}`, to: until });
  }
}

/** The listed items between two times (epoch milliseconds, both inclusive), newest first. */
export async function* newestListed<T extends { dueAt?: number } & object>(
  table: Table,
  kind: ListedKind,
  from: number,
  to: number,
  pageSize: number,
): AsyncGenerator<T> {
  const lists = Array.from({ length: listedShards }, (_, shard) =>
    newestOf<T>(table, { index: 'due', pk: `${kind}#${shard}`, from, to }, pageSize),
  );
  yield* mergeNewest(lists, (item) => item.dueAt ?? 0);
}

/** The items of a query, newest first, read page by page on demand. */
export async function* newestOf<T extends object>(table: Table, query: Query, pageSize: number): AsyncGenerator<T> {
  for await (const items of table.pages<T>({ ...query, forward: false, limit: pageSize })) yield* items;
}

/** Merges lists that are each sorted newest first. */
export async function* mergeNewest<T>(
  lists: readonly AsyncGenerator<T>[],
  timeOf: (item: T) => number,
): AsyncGenerator<T> {
  const heads = await Promise.all(lists.map((list) => list.next()));
  for (;;) {
    let newest = -1;
    for (const [index, head] of heads.entries()) {
      const best = heads[newest];
      if (!head.done && (!best || best.done || timeOf(head.value) > timeOf(best.value))) newest = index;
    }
    const head = heads[newest];
    const list = lists[newest];
    if (!head || head.done || !list) return;
    yield head.value;
    heads[newest] = await list.next();
  }
}

/** The oldest listed items between two times (epoch milliseconds, both inclusive), at most that many of each partition. */
export async function oldestListed<T extends object>(
  table: Table,
  kind: ListedKind,
  from: number,
  to: number,
  perShard: number,
): Promise<T[]> {
  const pages = await Promise.all(
    Array.from({ length: listedShards }, (_, shard) =>
      table.query<T>({ index: 'due', pk: `${kind}#${shard}`, from, to, limit: perShard }),
    ),
  );
  return pages.flatMap(({ items }) => items);
}

/** When the oldest item of a kind was due, in epoch milliseconds; undefined when there is none. */
export async function oldestDue(table: Table, kind: DueKind): Promise<number | undefined> {
  const pages = await Promise.all(
    Array.from({ length: shardsOf(kind) }, (_, shard) =>
      table.query<{ dueAt: number }>({ index: 'due', pk: `${kind}#${shard}`, limit: 1 }),
    ),
  );
  const times = pages.flatMap(({ items }) => items.map(({ dueAt }) => dueAt));
  return times.length > 0 ? Math.min(...times) : undefined;
}
