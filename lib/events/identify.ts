import type { Clock } from '../core/clock.ts';
import type { FoundEvent } from '../core/event-type.ts';
import type { Connection, VendorEvents } from '../core/vendor.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { retentionMs } from './log.ts';

/** What is known about a subject, as stored in the table. */
interface SubjectItem extends Key {
  /** JSON. */
  known: string;
  /** Incremented with every change. */
  version: number;
  expiresAt: number;
}

/** The maximum number of attempts at a change when another source changes the same subject concurrently. */
const maxAttempts = 20;

/** Gives each unidentified fact the id that its vendor finds for it, in the order in which the source reports the facts. */
export async function identifyEvents(
  services: { table: Table; clock: Clock },
  vendor: Pick<VendorEvents, 'identify'>,
  connection: Pick<Connection, 'vendor' | 'name'>,
  found: readonly FoundEvent[],
): Promise<FoundEvent[]> {
  const { identify } = vendor;
  if (!identify || found.every(({ unidentified }) => unidentified === undefined)) return [...found];
  const subjects = Map.groupBy(
    found.filter(({ unidentified }) => unidentified !== undefined),
    ({ unidentified }) => unidentified?.subject ?? '',
  );
  const identified = new Map<FoundEvent, FoundEvent | undefined>();
  for (const [subject, events] of subjects) {
    const key = keys.subject(connection.vendor, connection.name, subject);
    const results = await changeSubject(services, key, events, identify);
    for (const [index, event] of events.entries()) identified.set(event, results[index]);
  }
  return found.flatMap((event) => (event.unidentified ? (identified.get(event) ?? []) : event));
}

async function changeSubject(
  { table, clock }: { table: Table; clock: Clock },
  key: Key,
  events: readonly FoundEvent[],
  identify: NonNullable<VendorEvents['identify']>,
): Promise<(FoundEvent | undefined)[]> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const item = await table.get<SubjectItem>(key, true);
    let known: unknown = item && JSON.parse(item.known);
    const results = events.map((event) => {
      const next = identify(known, event);
      known = next.known;
      return next.event;
    });
    const text = JSON.stringify(known);
    const next = { known: text, version: (item?.version ?? 0) + 1, expiresAt: expiry(clock.now() + retentionMs) };
    const written =
      text === item?.known ||
      (
        await table.put<SubjectItem>({ ...key, ...next }, 'attribute_not_exists(#pk) OR #version = :version', {
          version: item?.version ?? 0,
        })
      ).done;
    if (written) return results;
  }
  throw new Error(`The subject ${key.pk} changes all the time`);
}
