import type { Clock, Random } from '../core/clock.ts';
import { keys } from '../store/items.ts';
import type { Item, Key, Table, Write } from '../store/table.ts';
import type { EventItem } from './log.ts';
import type { Subject } from './reading.ts';

/** An event's entry in the log. It is small, so that filters read little. */
export interface LogEntry extends Key {
  position: number;
  id: string;
  type: string;
  vendor: string;
  connection: string;
  readBy?: string;
  about?: Subject;
  appendedAt: number;
  settledAt: number;
  expiresAt: number;
}

/** Each event takes four writes and the counter one, within the limit of 100 per transaction. */
const writesPerEvent = 4;
const chunkLength = 24;
const maxAttempts = 40;

/**
 * Assigns events their permanent positions in the log: consecutive numbers from a counter that moves in the same transaction. A
 * reader that sees a number and its predecessor has therefore missed nothing in between, even if writers stalled or raced
 * (`docs/decisions/007-event-order.md`). Events that already have a position keep it. Fully routed events are removed from the
 * sweep's list.
 */
export async function settleEvents(
  services: { table: Table; clock: Clock; random: Random },
  events: readonly EventItem[],
  isRouted: (event: EventItem) => boolean = () => true,
): Promise<void> {
  const inOrder = [...events].sort((a, b) => a.appendedAt - b.appendedAt || a.order - b.order);
  for (let at = 0; at < inOrder.length; at += chunkLength) {
    await settleChunk(services, inOrder.slice(at, at + chunkLength), isRouted);
  }
}

async function settleChunk(
  services: { table: Table; clock: Clock; random: Random },
  events: EventItem[],
  isRouted: (event: EventItem) => boolean,
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
      ...left.flatMap((event, index) => placed(event, last + 1 + index, now, isRouted(event))),
    ]);
    if (done) return;
    // The first write of an event is rejected when the event already has a position or no longer exists.
    const wasRefused = (index: number) => refused.includes(1 + index * writesPerEvent);
    await Promise.all(
      left.filter((event, index) => wasRefused(index) && isRouted(event)).map((event) => unmark(table, event)),
    );
    left = left.filter((_, index) => !wasRefused(index));
    if (attempt >= maxAttempts) throw new Error(`${left.length} events got no position in the log`);
    if (refused.includes(0)) await clock.sleep(random.number() * Math.min(200, 5 * 2 ** attempt));
  }
}

function placed(event: EventItem, position: number, settledAt: number, routed: boolean): Write[] {
  const { id, type, vendor, connection, readBy, about, appendedAt, expiresAt } = event;
  const entry = { position, id, type, vendor, connection, readBy, about, appendedAt, settledAt, expiresAt };
  const put = (key: Key): Write => ({ put: { ...key, ...entry } satisfies Item });
  return [
    {
      update: {
        key: keys.event(id),
        expression: `SET #position = :position${routed ? ' REMOVE #duePk, #dueAt' : ''}`,
      },
      condition: 'attribute_exists(#pk) AND attribute_not_exists(#position)',
      values: { position },
    },
    put(keys.logEntry(position)),
    put(keys.connectionLogEntry(vendor, connection, position)),
    put(keys.typeLogEntry(type, position)),
  ];
}

/** Removes a settled event from the sweep's list, unless another source has added to it in the meantime. */
async function unmark(table: Table, { id, completedAt }: EventItem): Promise<void> {
  const same = completedAt === undefined ? 'attribute_not_exists(#completedAt)' : '#completedAt = :completedAt';
  await table.update(keys.event(id), 'REMOVE #duePk, #dueAt', { completedAt }, `attribute_exists(#duePk) AND ${same}`);
}
