import { futureFrom } from '../core/clock.ts';
import type { TrunklineEvent } from '../core/event-type.ts';
import { keys, logPosition } from '../store/items.ts';
import { type EventItem, findEvent, isKept, type LogServices, shownEvent } from './log.ts';
import { type EventOwner, mayReadEvent, ownVendor } from './reading.ts';
import type { LogEntry } from './settle.ts';

/** The query parameters of an event list. */
export interface EventFilter {
  /** A type, `talk.*`, `talk.message.*` or `*`. */
  type?: string | undefined;
  /** A connection's slug, or `vendor/slug`. */
  connection?: string | undefined;
}

export interface EventQuery extends EventFilter {
  limit: number;
  /** Returns events after this one, oldest first. */
  after?: string | undefined;
  /** Returns events before this one, newest first. */
  before?: string | undefined;
  /** The scopes of the caller's key, or of the run that reads. */
  scopes: readonly string[];
  /** The connections that the key may read, if its scopes name all of them: then only their logs are read. */
  known?: readonly { vendor: string; connection: string }[] | undefined;
  /** All existing event types, used to resolve a pattern or a key's vendors to types. */
  types?: readonly { type: string; vendor: string }[];
  /** The vendors whose connections the key may read, if its scopes name all of them. */
  vendors?: readonly string[] | undefined;
}

/**
 * A gap in the sequence numbers that is younger than this is an event about to appear; an older gap is an event deleted after its
 * retention period.
 */
const gapWaitMs = 60_000;
/** The maximum total size of the events in one response, in bytes: Lambda's limit is 6 MB. */
const answerBytes = 4_000_000;
const pageLength = 500;
/** Above this number of connection or type logs, the log of all events is read instead. */
const maxConnectionLogs = 12;
const maxTypeLogs = 60;

export interface ListServices extends LogServices {
  /** All vendors of this installation: a slug alone can name a connection of any of them. */
  vendorNames: readonly string[];
}

/** True when a type matches a pattern: the type itself, `talk.*`, `talk.message.*` or `*`. */
export function matchesType(pattern: string, type: string): boolean {
  return pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)));
}

/**
 * True when an event is older than a listener that was created, and last changed, at these times. An event that was found late
 * because its source had no listener is compared with the change that made the source wanted. Vendors report times in whole
 * seconds. A listener that seems to come from the future was made before its clock was set back: nothing is history to it.
 */
export function isHistory(
  { appendedAt, happenedAt }: { appendedAt: number; happenedAt?: number },
  createdAt: number,
  changedAt: number,
  now: number,
): boolean {
  if (createdAt >= futureFrom(now)) return false;
  if (happenedAt === undefined) return appendedAt < createdAt;
  return happenedAt < Math.floor(changedAt / 1000) * 1000;
}

/** True when an event's connection matches a slug or `vendor/slug`. */
export function matchesConnection(wanted: string, event: EventOwner): boolean {
  const { vendor, connection } = event.about ?? event;
  const [first, second] = wanted.split('/');
  return second === undefined ? connection === first : vendor === first && connection === second;
}

/** The vendors that a key's scopes name; undefined if a scope covers all vendors. */
export function readableVendors(scopes: readonly string[]): string[] | undefined {
  const vendors = scopes.map((scope) => scope.split('/')[0] ?? '*');
  return vendors.includes('*') ? undefined : [...new Set(vendors)];
}

/** The connections that a key's scopes name individually; undefined if a scope covers several. */
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

/** Returns the events that match a query. A page may be shorter than its limit when the events are large. */
export async function listEvents(services: ListServices, query: EventQuery): Promise<TrunklineEvent[]> {
  const entries = query.after === undefined ? await newest(services, query) : await afterEvent(services, query);
  const items = await services.table.getMany<EventItem>(entries.map(({ id }) => keys.event(id)));
  const events: TrunklineEvent[] = [];
  let bytes = 0;
  for (const item of items) {
    if (!item) continue;
    const event = await shownEvent(services.files, item);
    bytes += Buffer.byteLength(JSON.stringify(event));
    if (bytes > answerBytes && events.length > 0) break;
    events.push(event);
  }
  return events;
}

/** The log positions of all events stored since a time (epoch milliseconds), newest first. */
export async function* entriesSince(services: LogServices, from: number): AsyncGenerator<LogEntry> {
  for await (const entry of read(services, keys.log(), { forward: false, pageSize: pageLength })) {
    // Positions are assigned slightly after events are stored, and not in exactly the same order.
    if (entry.settledAt < from) return;
    if (entry.appendedAt >= from) yield entry;
  }
}

/** The log positions of the events of a type stored since a time (epoch milliseconds), newest first; reads no further back. */
export async function* entriesOfTypeSince(
  services: LogServices,
  type: string,
  since: number,
): AsyncGenerator<LogEntry> {
  for await (const entry of read(services, keys.typeLog(type), { forward: false, pageSize: pageLength })) {
    if (entry.settledAt < since) return;
    if (entry.appendedAt >= since && isKept(entry, services.clock.now())) yield entry;
  }
}

/** The log positions of the events of a type that match, stored since a time (epoch milliseconds), oldest first. */
export async function entriesMatching(
  services: LogServices,
  query: Pick<EventQuery, 'connection' | 'scopes'> & { type: string },
  since: number,
): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  for await (const entry of entriesOfTypeSince(services, query.type, since)) if (fits(query, entry)) found.push(entry);
  return found.reverse();
}

function fits(query: Omit<EventQuery, 'limit'>, entry: LogEntry): boolean {
  return (
    (query.type === undefined || matchesType(query.type, entry.type)) &&
    (query.connection === undefined || matchesConnection(query.connection, entry)) &&
    mayReadEvent(query.scopes, entry)
  );
}

/** The last position assigned in the log. */
export async function lastPosition({ table }: LogServices): Promise<number> {
  return (await table.get<{ last: number }>(keys.logCounter(), true))?.last ?? 0;
}

/** Returns the events after a given event, oldest first. */
async function afterEvent(services: ListServices, query: EventQuery): Promise<LogEntry[]> {
  const start = query.after === undefined ? undefined : await findEvent(services, query.after);
  // The event has no position yet, so no event has a position after it.
  if (start && start.position === undefined) return [];
  // An unknown event is older than all events that are retained.
  return collect(services, query, oldestFirst(services, query, start?.position));
}

async function* oldestFirst(
  services: ListServices,
  query: EventQuery,
  position: number | undefined,
): AsyncGenerator<LogEntry> {
  const logs = typeLogsOf(query) ?? connectionLogsOf(services, query);
  if (!logs) return yield* entriesAfter(services, position);
  // Only the log of all events is gapless, so only it shows which events are about to appear. Older events have all appeared.
  const complete = await completePosition(services);
  const from = position ?? 0;
  if (from < complete) {
    const page = { forward: true, pageSize: pageSizeOf(query), from, to: complete };
    yield* merged(
      logs.map((pk) => read(services, pk, page)),
      (one, other) => one.position < other.position,
    );
  }
  yield* entriesAfter(services, Math.max(from, complete));
}

/** The highest position up to which no event is about to appear. */
async function completePosition(services: LogServices): Promise<number> {
  const now = services.clock.now();
  for await (const entry of read(services, keys.log(), { forward: false, pageSize: pageLength }))
    if (now - entry.settledAt >= gapWaitMs) return entry.position;
  return 0;
}

/** The log after a position, oldest first, up to the first gap. */
export async function* entriesAfter(services: LogServices, position: number | undefined): AsyncGenerator<LogEntry> {
  let last = position;
  const query = { pk: keys.log(), from: logPosition(last ?? 0), limit: pageLength, consistent: true };
  for await (const entries of services.table.pages<LogEntry>(query)) {
    for (const entry of entries) {
      const hole = last !== undefined && entry.position !== last + 1;
      if (hole && services.clock.now() - entry.settledAt < gapWaitMs) return;
      last = entry.position;
      yield entry;
    }
  }
}

/** The newest matching events, read from the logs that contain the fewest others. */
async function newest(services: ListServices, query: EventQuery): Promise<LogEntry[]> {
  let to: number | undefined;
  if (query.before !== undefined) {
    const end = await findEvent(services, query.before);
    if (!end) return [];
    if (end.position !== undefined) to = end.position - 1;
  }
  const choices = [typeLogsOf(query), connectionLogsOf(services, query)].filter((logs) => logs !== undefined);
  const ways = choices.length > 0 ? choices : [[keys.log()]];
  const page = { forward: false, pageSize: pageSizeOf(query), ...(to !== undefined && { to }) };
  const done = new AbortController();
  // A type can be rare at a busy connection, and a connection quiet within a busy type: the shorter read is used.
  const collecting = ways.map((logs) =>
    collect(
      services,
      query,
      merged(
        logs.map((pk) => read(services, pk, page)),
        (one, other) => one.position > other.position,
      ),
      done.signal,
    ),
  );
  try {
    return await Promise.race(collecting);
  } finally {
    done.abort();
    await Promise.allSettled(collecting);
  }
}

/** The matching entries, up to the limit. */
async function collect(
  services: ListServices,
  query: EventQuery,
  entries: AsyncGenerator<LogEntry>,
  signal?: AbortSignal,
): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  const now = services.clock.now();
  for await (const entry of entries) {
    if (signal?.aborted) break;
    if (!isKept(entry, now) || !fits(query, entry)) continue;
    found.push(entry);
    if (found.length >= query.limit) break;
  }
  return found;
}

function pageSizeOf({ limit }: EventQuery): number {
  return Math.min(pageLength, Math.max(limit, 50));
}

/** The entries of one log, page by page; `from` is exclusive and `to` is inclusive. */
async function* read(
  services: LogServices,
  pk: string,
  page: { forward: boolean; pageSize: number; from?: number; to?: number },
): AsyncGenerator<LogEntry, void> {
  const { forward, pageSize, from, to } = page;
  const query = {
    pk,
    forward,
    limit: pageSize,
    consistent: true,
    // BETWEEN includes both bounds.
    ...(from !== undefined && { from: logPosition(to === undefined ? from : from + 1) }),
    ...(to !== undefined && { to: logPosition(to) }),
  };
  for await (const entries of services.table.pages<LogEntry>(query)) yield* entries;
}

/** Merges sorted logs into one and removes duplicates. */
async function* merged(
  logs: readonly AsyncGenerator<LogEntry>[],
  isBefore: (one: LogEntry, other: LogEntry) => boolean,
): AsyncGenerator<LogEntry> {
  const heads = await Promise.all(logs.map((log) => log.next()));
  let last: number | undefined;
  for (;;) {
    let best = -1;
    for (const [index, head] of heads.entries()) {
      const first = heads[best];
      if (!head.done && (!first || first.done || isBefore(head.value, first.value))) best = index;
    }
    const head = heads[best];
    const log = logs[best];
    if (!head || head.done || !log) return;
    if (head.value.position !== last) yield head.value;
    last = head.value.position;
    heads[best] = await log.next();
  }
}

/** The logs of the requested types; undefined if the types are unknown or too many. */
function typeLogsOf({ type, types, vendors }: EventQuery): string[] | undefined {
  if (type !== undefined && !type.endsWith('*')) return [keys.typeLog(type)];
  if (!types || ((type === undefined || type === '*') && !vendors)) return undefined;
  const wanted = types.filter(
    (each) =>
      (type === undefined || matchesType(type, each.type)) &&
      // Own events can be about connections of any vendor.
      (!vendors || each.vendor === ownVendor || vendors.includes(each.vendor)),
  );
  return wanted.length > maxTypeLogs ? undefined : wanted.map((each) => keys.typeLog(each.type));
}

/** The logs of the requested connections; undefined if they are not named or too many. */
function connectionLogsOf(
  { vendorNames }: ListServices,
  { type, connection, known }: EventQuery,
): string[] | undefined {
  const family = type?.split('.')[0];
  const vendors = [...vendorNames, ownVendor].filter((name) => !family || family === '*' || family === name);
  const [first, second] = connection?.split('/') ?? [];
  const wanted = first === undefined ? known : vendorNames.map((vendor) => ({ vendor, connection: second ?? first }));
  if (!wanted) return undefined;
  const named = wanted.flatMap((each) => [
    each,
    // Own events about a connection are in a log under Trunkline's own name.
    { vendor: ownVendor, connection: each.connection },
  ]);
  const logs = new Set(
    named
      .filter(({ vendor }) => vendors.some((name) => name === vendor))
      .map((each) => keys.connectionLog(each.vendor, each.connection)),
  );
  return logs.size > maxConnectionLogs ? undefined : [...logs];
}
