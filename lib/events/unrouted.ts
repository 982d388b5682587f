import { due, dueItems, shardsOf } from '../store/due.ts';
import type { Table } from '../store/table.ts';
import type { EventItem } from './event-item.ts';

/** An event that the table's stream has not delivered within this time is routed by the sweep, which repeats at this interval. */
const sweepAfterMs = 2 * 60_000;
/** Far enough ahead to include everything stored by now. */
const foreverMs = 365 * 24 * 60 * 60_000;

/** Marks an event as not routed yet. `settleEvents` removes the mark; until then the sweep finds the event. */
export function unrouted(id: string, now: number): { duePk: string; dueAt: number } {
  return due('route', id, now + sweepAfterMs);
}

/** The events that were stored or completed and not routed within two minutes; with `all`, younger ones too. */
export async function* unroutedEvents(table: Table, now: number, all = false): AsyncGenerator<EventItem[]> {
  yield* dueItems<EventItem>(table, 'route', all ? now + foreverMs : now);
}

/** The same, unordered, with those stored a moment ago. */
export async function allUnrouted(table: Table): Promise<EventItem[]> {
  const shards = Array.from({ length: shardsOf('route') }, (_, shard) =>
    table.queryAll<EventItem>({ index: 'due', pk: `route#${shard}` }),
  );
  return (await Promise.all(shards)).flat();
}

/** Reschedules an event that could not be routed for the sweep. */
export async function sweepLater(table: Table, { pk, sk, id }: EventItem, now: number): Promise<void> {
  await table.update({ pk, sk }, 'SET #duePk = :duePk, #dueAt = :dueAt', unrouted(id, now), 'attribute_exists(#duePk)');
}
