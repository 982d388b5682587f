import { due, dueItems, shardsOf } from '../store/due.ts';
import type { Table } from '../store/table.ts';
import type { EventItem } from './log.ts';

/** An event that the table's stream has not brought through in this time is routed by the sweep, and again after each of these. */
const sweepAfterMs = 2 * 60_000;
/** Long enough for everything that is stored by now. */
const foreverMs = 365 * 24 * 60 * 60_000;

/** Marks an event as not routed yet. `settleEvents` takes the mark off; until then the sweep finds the event. */
export function unrouted(id: string, now: number): { duePk: string; dueAt: number } {
  return due('route', id, now + sweepAfterMs);
}

/** The events that were stored, or completed, and not routed within two minutes; with `all` also those that are younger. */
export async function* unroutedEvents(table: Table, now: number, all = false): AsyncGenerator<EventItem[]> {
  yield* dueItems<EventItem>(table, 'route', all ? now + foreverMs : now);
}

/** The same without an order, read at once: those that were stored a moment ago are among them. */
export async function allUnrouted(table: Table): Promise<EventItem[]> {
  const shards = Array.from({ length: shardsOf('route') }, (_, shard) =>
    table.queryAll<EventItem>({ index: 'due', pk: `route#${shard}` }),
  );
  return (await Promise.all(shards)).flat();
}

/** Lets the sweep come back to an event that could not be routed. */
export async function sweepLater(table: Table, { pk, sk, id }: EventItem, now: number): Promise<void> {
  await table.update({ pk, sk }, 'SET #duePk = :duePk, #dueAt = :dueAt', unrouted(id, now), 'attribute_exists(#duePk)');
}
