import { createHash } from 'node:crypto';
import type { Item, Table } from './table.ts';

/** What the clock looks for. Each kind has its own partitions, so that one kind's backlog hides no other. */
export type DueKind = 'keepalive' | 'poll' | 'schedule' | 'timer';

const shards = 8;

/** The attributes that put an item into the sparse `due` index; `dueAt` is epoch milliseconds. */
export function due(kind: DueKind, id: string, dueAt: number): { duePk: string; dueAt: number } {
  const shard = (createHash('sha256').update(id).digest()[0] ?? 0) % shards;
  return { duePk: `${kind}#${shard}`, dueAt };
}

/** The items that are due by `until`, page by page, all shards in turn; reads nothing that is not due. */
export async function* dueItems<T extends object = Item>(
  table: Table,
  kind: DueKind,
  until: number,
  pageSize = 250,
): AsyncGenerator<T[]> {
  for (let shard = 0; shard < shards; shard++) {
    let after: Record<string, unknown> | undefined;
    do {
      const page: { items: T[]; next?: Record<string, unknown> } = await table.query<T>({
        index: 'due',
        pk: `${kind}#${shard}`,
        to: until,
        limit: pageSize,
        ...(after && { after }),
      });
      if (page.items.length > 0) yield page.items;
      after = page.next;
    } while (after);
  }
}
