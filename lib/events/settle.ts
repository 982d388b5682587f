import type { Clock, Random } from '../core/clock.ts';
import { keys } from '../store/items.ts';
import type { Item, Key, Table, Write } from '../store/table.ts';
import type { EventItem } from './log.ts';

/** An event's place in the log: small, so that filters read little. */
export interface LogEntry extends Key {
  position: number;
  id: string;
  type: string;
  vendor: string;
  connection: string;
  about?: { vendor: string; connection: string };
  appendedAt: number;
  settledAt: number;
  expiresAt: number;
}

/** Three writes an event and one for the counter, within the 100 of a transaction. */
const chunkLength = 33;
const maxAttempts = 40;

/**
 * Gives events their places in the log, once and for ever: consecutive numbers from a counter that moves in the same
 * transaction. So whoever sees a number and the one before it has missed nothing in between, whatever writers stalled or
 * raced (`docs/decisions/007-event-order.md`). Events that have a place already keep it.
 */
export async function settleEvents(
  services: { table: Table; clock: Clock; random: Random },
  events: readonly EventItem[],
): Promise<void> {
  const inOrder = [...events].sort((a, b) => a.appendedAt - b.appendedAt || a.order - b.order);
  for (let at = 0; at < inOrder.length; at += chunkLength) {
    await settleChunk(services, inOrder.slice(at, at + chunkLength));
  }
}

async function settleChunk(
  services: { table: Table; clock: Clock; random: Random },
  events: EventItem[],
): Promise<void> {
  const { table, clock, random } = services;
  let left = events;
  for (let attempt = 0; left.length > 0; attempt++) {
    const counter = await table.get<{ last: number }>(keys.logCounter(), true);
    const last = counter?.last ?? 0;
    const now = clock.now();
    const { done, refused } = await table.transact([
      {
        update: { key: keys.logCounter(), expression: 'SET #last = :next' },
        condition: counter ? '#last = :last' : 'attribute_not_exists(#last)',
        values: { next: last + left.length, last },
      },
      ...left.flatMap((event, index) => placed(event, last + 1 + index, now)),
    ]);
    if (done) return;
    // The writes of an event are three: the first of them is refused when it has its place, or is gone.
    left = left.filter((_, index) => !refused.includes(1 + index * 3));
    if (attempt >= maxAttempts) throw new Error(`${left.length} events found no place in the log`);
    if (refused.includes(0)) await clock.sleep(random.number() * Math.min(200, 5 * 2 ** attempt));
  }
}

function placed(event: EventItem, position: number, settledAt: number): Write[] {
  const { id, type, vendor, connection, about, appendedAt, expiresAt } = event;
  const entry = { position, id, type, vendor, connection, about, appendedAt, settledAt, expiresAt };
  const put = (key: Key): Write => ({ put: { ...key, ...entry } satisfies Item });
  return [
    {
      update: { key: keys.event(id), expression: 'SET #position = :position' },
      condition: 'attribute_exists(#pk) AND attribute_not_exists(#position)',
      values: { position },
    },
    put(keys.logEntry(position)),
    put(keys.connectionLogEntry(vendor, connection, position)),
  ];
}
