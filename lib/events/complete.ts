import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.ts';
import type { Table } from '../store/table.ts';
import type { EventItem } from './event-item.ts';
import { unrouted } from './unrouted.ts';

/** What one source knows of a fact. */
export interface Version {
  timestamp: string;
  data: Record<string, unknown>;
  partial?: true | undefined;
}

/**
 * Merges what two sources know about one fact, in any order. The source with complete data has precedence; the other supplies
 * values that are null or missing there.
 */
export function merge(stored: Version, given: Version): Version {
  const [first, second] = stored.partial && !given.partial ? [given, stored] : [stored, given];
  const known = Object.entries(first.data).filter(([, value]) => value !== null);
  return { ...first, data: { ...first.data, ...second.data, ...Object.fromEntries(known) } };
}

/**
 * Completes a stored event with data from another source. If this adds to its data, the table's stream routes the event again:
 * runs whose condition did not hold are evaluated again, and nothing that was done is repeated.
 */
export async function completeEvent(
  { table, clock }: { table: Table; clock: Clock },
  stored: EventItem,
  given: EventItem,
): Promise<void> {
  // Data that is too long for the table is kept as first reported.
  if (stored.data === undefined || given.data === undefined) return;
  if (stored.data === given.data && (!stored.partial || given.partial)) return;
  const before: Version = { ...stored, data: JSON.parse(stored.data) };
  const after = merge(before, { ...given, data: JSON.parse(given.data) });
  const adds = !isDeepStrictEqual(after.data, before.data);
  if (!adds && after.timestamp === stored.timestamp) return;
  const changes = [
    '#data = :data',
    '#timestamp = :timestamp',
    ...(given.own ? ['#own = :own'] : []),
    ...(adds ? ['#completedAt = :now', '#duePk = :duePk', '#dueAt = :dueAt'] : []),
  ];
  const written = await table.update<EventItem>(
    { pk: stored.pk, sk: stored.sk },
    `SET ${changes.join(', ')}${after.partial ? '' : ' REMOVE #partial'}`,
    {
      data: JSON.stringify(after.data),
      timestamp: after.timestamp,
      own: true,
      now: clock.now(),
      ...unrouted(stored.id, clock.now()),
      before: stored.data,
    },
    '#data = :before',
  );
  if (!written.done && written.item) await completeEvent({ table, clock }, written.item, given);
}
