import type { TrunklineEvent } from '../core/event-type.ts';
import { keys, logPosition } from '../store/items.ts';
import { type EventItem, findEvent, isKept, type LogServices, shownEvent } from './log.ts';
import { hookPrefix } from './own-events.ts';
import type { LogEntry } from './settle.ts';

/** Which events are asked for. */
export interface EventFilter {
  /** A type, `talk.*`, `talk.message.*` or `*`. */
  type?: string | undefined;
  /** A connection's slug, or `vendor/slug`. */
  connection?: string | undefined;
}

export interface EventQuery extends EventFilter {
  limit: number;
  /** Oldest first from the event after this one. */
  after?: string | undefined;
  /** Newest first from the event before this one. */
  before?: string | undefined;
  /** What the caller's key may read. */
  readable(vendor: string, connection: string): boolean;
  /** The connections that the key may read where its scopes name them all: then only their logs are read. */
  known?: readonly { vendor: string; connection: string }[] | undefined;
}

/** What says whose event it is: an own event is of the connection that it tells of. */
export interface EventOwner {
  vendor: string;
  connection: string;
  about?: { vendor: string; connection: string };
}

/** A hole in the numbers this young is an event about to appear; an older one was deleted after its time. */
const gapWaitMs = 60_000;
/** An answer's events together, in bytes: Lambda carries 6 MB. */
const answerBytes = 4_000_000;
const pageLength = 500;
/** Beyond this many single logs the log of all is read instead. */
const maxLogs = 12;

const ownVendor = 'trunkline';

export interface ListServices extends LogServices {
  /** Every vendor of this installation: a slug alone may be a connection of any of them. */
  vendorNames: readonly string[];
}

/** True when a type fits a pattern: the type itself, `talk.*`, `talk.message.*` or `*`. */
export function matchesType(pattern: string, type: string): boolean {
  return pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)));
}

/** True when an event's connection is the one meant by a slug or by `vendor/slug`. */
export function matchesConnection(wanted: string, event: EventOwner): boolean {
  const { vendor, connection } = event.about ?? event;
  const [first, second] = wanted.split('/');
  return second === undefined ? connection === first : vendor === first && connection === second;
}

/** True when a key may see an event: it may read the connection that the event tells of, or what comes through hooks. */
export function mayReadEvent(readable: EventQuery['readable'], event: EventOwner): boolean {
  const { vendor, connection } = event.about ?? event;
  if (vendor === ownVendor && connection.startsWith(hookPrefix)) return readable(ownVendor, 'hooks');
  return readable(vendor === ownVendor ? '*' : vendor, vendor === ownVendor ? '*' : connection);
}

/** The connections that a key's scopes name one by one; undefined where a scope means many. */
export function readableConnections(scopes: readonly string[]): { vendor: string; connection: string }[] | undefined {
  const named: { vendor: string; connection: string }[] = [];
  for (const scope of scopes) {
    const [vendor = '*', connection = '*'] = scope.split('/');
    if (vendor === ownVendor && connection !== 'hooks' && connection !== '*') continue;
    if (vendor === '*' || connection === '*' || vendor === ownVendor) return undefined;
    named.push({ vendor, connection });
  }
  return named;
}

/** The events of a query. A page may be shorter than its limit when the events are large. */
export async function listEvents(services: ListServices, query: EventQuery): Promise<TrunklineEvent[]> {
  const entries: LogEntry[] = [];
  const now = services.clock.now();
  for await (const entry of query.after === undefined ? newestFirst(services, query) : oldestFirst(services, query)) {
    if (!isKept(entry, now) || !fits(query, entry)) continue;
    entries.push(entry);
    if (entries.length >= query.limit) break;
  }
  const items = await services.table.getMany<EventItem>(entries.map(({ id }) => keys.event(id)));
  const events: TrunklineEvent[] = [];
  let bytes = 0;
  for (const item of items) {
    if (!item) continue;
    const event = await shownEvent(services.files, item);
    bytes += JSON.stringify(event).length;
    if (bytes > answerBytes && events.length > 0) break;
    events.push(event);
  }
  return events;
}

/** The places of all events stored since a time (epoch milliseconds), newest first. */
export async function* entriesSince(services: LogServices, from: number): AsyncGenerator<LogEntry> {
  for await (const entry of descending(services, keys.log(), undefined, pageLength)) {
    // Places are given a little later than events are stored, and not quite in the same order.
    if (entry.settledAt < from) return;
    if (entry.appendedAt >= from) yield entry;
  }
}

/** The places of the events of a query that were stored since a time (epoch milliseconds), oldest first; reads no further back. */
export async function entriesMatching(
  services: ListServices,
  query: Omit<EventQuery, 'limit' | 'after' | 'before'>,
  since: number,
): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  for await (const entry of newestFirst(services, { ...query, limit: pageLength })) {
    // Places are given a little later than events are stored, and not quite in the same order.
    if (entry.settledAt < since) break;
    if (entry.appendedAt >= since && isKept(entry, services.clock.now()) && fits({ ...query, limit: 0 }, entry))
      found.push(entry);
  }
  return found.reverse();
}

function fits(query: EventQuery, entry: LogEntry): boolean {
  return (
    (query.type === undefined || matchesType(query.type, entry.type)) &&
    (query.connection === undefined || matchesConnection(query.connection, entry)) &&
    mayReadEvent(query.readable, entry)
  );
}

/** The last place in the log that was given. */
export async function lastPosition({ table }: LogServices): Promise<number> {
  return (await table.get<{ last: number }>(keys.logCounter(), true))?.last ?? 0;
}

/** The log after an event, oldest first. */
async function* oldestFirst(services: LogServices, query: EventQuery): AsyncGenerator<LogEntry> {
  const start = query.after === undefined ? undefined : await findEvent(services, query.after);
  // It has no place yet, so nothing has a place after it.
  if (start && start.position === undefined) return;
  // One that is not known any more is older than all that are kept.
  yield* entriesAfter(services, start?.position);
}

/** The log after a place, oldest first, as far as nothing is missing in between. */
export async function* entriesAfter(services: LogServices, position: number | undefined): AsyncGenerator<LogEntry> {
  let last = position;
  let after: Record<string, unknown> | undefined;
  do {
    const page: { items: LogEntry[]; next?: Record<string, unknown> } = await services.table.query<LogEntry>({
      pk: keys.log(),
      from: logPosition(last ?? 0),
      limit: pageLength,
      consistent: true,
      ...(after && { after }),
    });
    for (const entry of page.items) {
      const hole = last !== undefined && entry.position !== last + 1;
      if (hole && services.clock.now() - entry.settledAt < gapWaitMs) return;
      last = entry.position;
      yield entry;
    }
    after = page.next;
  } while (after);
}

async function* newestFirst(services: ListServices, query: EventQuery): AsyncGenerator<LogEntry> {
  let top: number | undefined;
  if (query.before !== undefined) {
    const end = await findEvent(services, query.before);
    if (!end) return;
    if (end.position !== undefined) top = end.position - 1;
  }
  const logs = logsOf(services, query).map((pk) =>
    descending(services, pk, top, Math.min(pageLength, Math.max(query.limit, 50))),
  );
  const heads = await Promise.all(logs.map((log) => log.next()));
  for (;;) {
    let newest = -1;
    for (const [index, head] of heads.entries()) {
      const best = heads[newest];
      if (!head.done && (!best || best.done || head.value.position > best.value.position)) newest = index;
    }
    const head = heads[newest];
    const log = logs[newest];
    if (!head || head.done || !log) return;
    yield head.value;
    heads[newest] = await log.next();
  }
}

async function* descending(
  services: LogServices,
  pk: string,
  top: number | undefined,
  pageSize: number,
): AsyncGenerator<LogEntry, void> {
  let after: Record<string, unknown> | undefined;
  do {
    const page: { items: LogEntry[]; next?: Record<string, unknown> } = await services.table.query<LogEntry>({
      pk,
      forward: false,
      limit: pageSize,
      consistent: true,
      ...(top !== undefined && { to: logPosition(top) }),
      ...(after && { after }),
    });
    yield* page.items;
    after = page.next;
  } while (after);
}

/** The logs to be merged: those of the connections in question where they are few, else the log of all. */
function logsOf({ vendorNames }: ListServices, { type, connection, known }: EventQuery): string[] {
  const family = type?.split('.')[0];
  const vendors = [...vendorNames, ownVendor].filter((name) => !family || family === '*' || family === name);
  const [first, second] = connection?.split('/') ?? [];
  const wanted = first === undefined ? known : vendorNames.map((vendor) => ({ vendor, connection: second ?? first }));
  if (!wanted) return [keys.log()];
  const named = wanted.flatMap((each) => [
    each,
    // What we ourselves tell of a connection lies under our own name.
    { vendor: ownVendor, connection: each.connection },
  ]);
  const logs = new Set(
    named
      .filter(({ vendor }) => vendors.some((name) => name === vendor))
      .map((each) => keys.connectionLog(each.vendor, each.connection)),
  );
  return logs.size > maxLogs ? [keys.log()] : [...logs];
}
