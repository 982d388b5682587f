import { hash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { TrunklineEvent } from '../core/event-type.ts';
import type { FileStore } from '../core/files.ts';
import { maskIn } from '../core/redaction/redact.ts';
import { maskSealed } from '../core/redaction/secret-text.ts';
import { readFileText, storeText } from '../store/blobs.ts';
import { expiry, keys } from '../store/items.ts';
import type { Item, Table, Write } from '../store/table.ts';
import { completeEvent } from './complete.ts';
import type { EventItem } from './event-item.ts';
import type { Subject } from './reading.ts';
import { unrouted } from './unrouted.ts';

export type { EventItem } from './event-item.ts';

export interface LogServices {
  table: Table;
  files: FileStore;
  clock: Clock;
}

/** An event to be appended. `id` is the source's own, unique within vendor, connection and type; `timestamp` is ISO 8601. */
export interface NewEvent extends Omit<TrunklineEvent, 'id'> {
  id: string;
  /** What a key must be able to read to see it, as its type declares (`EventType.readBy`). */
  readBy: string;
  /** For an own event: the connection it is about, whose readers may see it. */
  about?: Subject;
  /** The hook that received it. */
  hook?: string;
  /** An account of this installation did it. */
  own?: true;
  /** The source does not know all of the fact. */
  partial?: true;
  /** When it happened, if it was found late because its source had no listener; epoch milliseconds. */
  happenedAt?: number;
}

/**
 * A write that joins the transaction of the last events (such as moving a cursor), and a condition for the transactions before
 * it.
 */
export interface Cover {
  move: Write;
  guard: Write;
}

export interface Appended {
  /** The id of each given event, in their order. */
  ids: string[];
  /** Those that were not in the log before. */
  fresh: string[];
  /** The same events as they are now stored in the table. */
  items: EventItem[];
  /** False when the cover was rejected: some of the events may then be stored, and a repeat finds them again. */
  covered: boolean;
}

/** How long an event is kept, in milliseconds. */
export const retentionMs = 30 * 24 * 60 * 60_000;
/** DynamoDB accepts up to 100 writes and 4 MB per transaction; one write is the cover's. */
const chunkLength = 99;
const chunkBytes = 3_000_000;

/** The id of a fact, the same from every source. It contains no full stop, since signatures join their parts with full stops. */
export function eventId(event: { vendor: string; connection: string; type: string; id: string }): string {
  const { vendor, connection, type, id } = event;
  const digest = hash('sha256', JSON.stringify([vendor, connection, type, id]), 'base64url');
  return `evt_${digest.slice(0, 27)}`;
}

/**
 * Stores events that are not in the log yet; stored events are completed with missing data, whichever source reported them first.
 * With a cover, the events and its write are stored together. If several transactions are needed, the cover's write is in the
 * last one: after a crash in between, a repeat stores the rest and then writes it.
 */
export async function appendEvents(
  services: LogServices,
  events: readonly NewEvent[],
  cover?: Cover,
): Promise<Appended> {
  const ids = events.map(eventId);
  const items = new Map<string, EventItem>();
  for (const [order, event] of events.entries()) {
    const id = ids[order] ?? '';
    if (!items.has(id)) items.set(id, await itemOf(services, event, id, order));
  }
  const fresh = cover
    ? await appendCovered(services, [...items.values()], cover)
    : await appendFreely(services, [...items.values()]);
  const stored = new Set(fresh);
  return {
    ids,
    fresh: [...stored],
    items: [...items.values()].filter(({ id }) => stored.has(id)),
    covered: fresh !== undefined,
  };
}

/** The event with a given id; undefined if it does not exist or has expired. */
export async function findEvent(services: LogServices, id: string): Promise<EventItem | undefined> {
  const item = await services.table.get<EventItem>(keys.event(id), true);
  return item && isKept(item, services.clock.now()) ? item : undefined;
}

/** True while an item has not expired, whether or not DynamoDB has deleted it yet. */
export function isKept(item: { expiresAt: number }, now: number): boolean {
  return item.expiresAt > now / 1000;
}

/** An event in its public form, for the list, the stream and deliveries: sealed values are masked. */
export async function shownEvent(files: FileStore, item: EventItem): Promise<TrunklineEvent> {
  const event = await wholeEvent(files, item);
  // Nearly every event has none.
  return item.hook === undefined ? event : { ...event, data: maskIn(event.data, maskSealed) as TrunklineEvent['data'] };
}

/** An event as automations see it: they pass sealed values on. */
export async function wholeEvent(files: FileStore, item: EventItem): Promise<TrunklineEvent> {
  const { id, type, timestamp, vendor, connection, dataFile } = item;
  const text = dataFile === undefined ? (item.data ?? '{}') : await readFileText(files, dataFile);
  // Written by `itemOf`.
  return { id, type, timestamp, vendor, connection, data: JSON.parse(text) as Record<string, unknown> };
}

async function itemOf(services: LogServices, event: NewEvent, id: string, order: number): Promise<EventItem> {
  const now = services.clock.now();
  const { type, timestamp, vendor, connection, data, readBy, about, hook, own, partial, happenedAt } = event;
  const { text, file } = await storeText(services.files, JSON.stringify(data), `events/${id}`);
  return {
    ...keys.event(id),
    id,
    type,
    timestamp,
    vendor,
    connection,
    ...(file === undefined ? { data: text } : { dataFile: file }),
    readBy,
    ...(about && { about }),
    ...(hook !== undefined && { hook }),
    ...(own && { own }),
    ...(partial && { partial }),
    ...(happenedAt !== undefined && { happenedAt }),
    appendedAt: now,
    order,
    expiresAt: expiry(now + retentionMs),
    ...unrouted(id, now),
  };
}

async function appendFreely(services: LogServices, items: EventItem[]): Promise<string[]> {
  const fresh: string[] = [];
  for (let at = 0; at < items.length; at += 25) {
    const stored = await Promise.all(
      items.slice(at, at + 25).map(async (item) => {
        const written = await services.table.put<EventItem>(item, 'attribute_not_exists(#pk)');
        if (!written.done && written.item) await completeEvent(services, written.item, item);
        return written.done ? item.id : [];
      }),
    );
    fresh.push(...stored.flat());
  }
  return fresh;
}

/** Completes events that were stored before, ahead of the cursor, so that a repeat after a crash does it again. */
async function completeStored(services: LogServices, items: readonly EventItem[]): Promise<void> {
  const stored = await services.table.getMany<EventItem>(items);
  for (const [index, item] of items.entries()) {
    const before = stored[index];
    if (before) await completeEvent(services, before, item);
  }
}

/** The ids that were new; undefined once the cover was rejected. */
async function appendCovered(services: LogServices, items: EventItem[], cover: Cover): Promise<string[] | undefined> {
  const { table } = services;
  const fresh: string[] = [];
  const chunks = chunked(items);
  for (const [index, chunk] of chunks.entries()) {
    const last = index === chunks.length - 1;
    let wanted = chunk;
    for (;;) {
      if (wanted.length === 0 && last) {
        const { update, values, condition } = cover.move;
        // Most polls find nothing; a plain write costs half as much as a transaction.
        if (update)
          return (await table.update(update.key, update.expression, values, condition)).done ? fresh : undefined;
      }
      const puts = wanted.map((item) => ({ put: item as EventItem & Item, condition: 'attribute_not_exists(#pk)' }));
      const { done, refused } = await table.transact([...puts, last ? cover.move : cover.guard]);
      if (done) break;
      if (refused.includes(wanted.length)) return undefined;
      // Another source reported some of them before: the transaction is repeated without those.
      await completeStored(
        services,
        wanted.filter((_, at) => refused.includes(at)),
      );
      wanted = wanted.filter((_, at) => !refused.includes(at));
    }
    fresh.push(...wanted.map(({ id }) => id));
  }
  return fresh;
}

function chunked(items: EventItem[]): EventItem[][] {
  const chunks: EventItem[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item));
    const current = chunks.at(-1) ?? [];
    if (current.length >= chunkLength || (current.length > 0 && bytes + size > chunkBytes)) {
      chunks.push([item]);
      bytes = size;
    } else {
      current.push(item);
      bytes += size;
    }
  }
  return chunks;
}
