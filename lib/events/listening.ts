import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { EventSource } from '../core/event-type.ts';
import { LruMap } from '../core/lru-map.ts';
import { defined } from '../core/record.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { TriggerKind } from '../store/triggers.ts';
import { matchesConnection, matchesType } from './list.ts';
import { mayReadEvent } from './reading.ts';

/** A consumer of events: an automation, a subscription, or a client that has read the list recently. */
export interface Listening {
  /** A type, or a pattern of types. */
  type: string;
  /** A connection's slug, or `vendor/slug`; absent means all. */
  connection?: string | undefined;
  /** What the listener may read; absent means everything. */
  scopes?: readonly string[];
  /** Requests every event of every connection, which does not justify spending calls from a limited budget. */
  casual?: boolean;
}

/** All listeners, and a string that changes whenever they do. */
export interface Listeners {
  all: readonly Listening[];
  version: string;
}

interface ReaderItem extends Key {
  type?: string;
  connection?: string;
  keptUntil: number;
  expiresAt: number;
}

/** How long a client that has read the list counts as a listener. */
const readerMs = 60 * 60_000;
/** The minimum interval at which a process notes the same reader. */
const noteEveryMs = 10 * 60_000;
const maxNoted = 1_000;

const noted = new WeakMap<Table, LruMap<string, number>>();

/** Notes that a client reads the events of a type or connection, so that their sources are polled for the next hour. */
export async function noteReader(
  { table, clock }: { table: Table; clock: Clock },
  { type, connection }: { type?: string | undefined; connection?: string | undefined },
): Promise<void> {
  const now = clock.now();
  const name = JSON.stringify([type ?? null, connection ?? null]);
  const known = noted.get(table) ?? new LruMap<string, number>(maxNoted);
  noted.set(table, known);
  if (now - (known.get(name) ?? 0) < noteEveryMs) return;
  const digest = createHash('sha256').update(name).digest('base64url').slice(0, 22);
  await table.put<ReaderItem>({
    ...keys.eventReader(digest),
    ...defined({ type, connection }),
    keptUntil: now + readerMs,
    expiresAt: expiry(now + readerMs),
  });
  known.set(name, now);
}

/** The clients that have read the list within the last hour. */
export async function recentReaders(table: Table, now: number): Promise<Listening[]> {
  const items = await table.queryAll<ReaderItem>({ pk: keys.eventReaders(), consistent: true });
  return items
    .filter(({ keptUntil }) => keptUntil > now)
    .map(({ type = '*', connection }) => ({
      type,
      connection,
      casual: type === '*' && connection === undefined,
    }));
}

/** Whether any listener wants what a source of a connection may find. */
export function isWanted(
  listeners: readonly Listening[],
  source: EventSource,
  { vendor, name }: { vendor: string; name: string },
): boolean {
  const types = Object.entries(source.types);
  const owner = { vendor, connection: name };
  const isReadable = (scopes: Listening['scopes'], readBy: string) =>
    scopes === undefined || mayReadEvent(scopes, { ...owner, readBy });
  return listeners.some(
    ({ type, connection, scopes, casual }) =>
      types.some(([each, { readBy }]) => matchesType(type, each) && isReadable(scopes, readBy)) &&
      (connection === undefined || matchesConnection(connection, owner)) &&
      !(casual && source.poll?.metered),
  );
}

interface Remembered {
  version: number | undefined;
  listening: readonly Listening[];
}

const remembered = new WeakMap<Table, Map<TriggerKind, Remembered>>();

/** The listeners of a kind, read again only when one of them has changed. */
export async function rememberedListening(
  table: Table,
  kind: TriggerKind,
  load: () => Promise<Listening[]>,
): Promise<{ listening: readonly Listening[]; version: number | undefined }> {
  const item = await table.get<{ version?: number }>(keys.triggerVersion(kind), true);
  const version = item?.version;
  const ofTable = remembered.get(table) ?? new Map<TriggerKind, Remembered>();
  remembered.set(table, ofTable);
  const known = ofTable.get(kind);
  if (known && known.version === version && version !== undefined) return known;
  const fresh = { version, listening: await load() };
  ofTable.set(kind, fresh);
  return fresh;
}
