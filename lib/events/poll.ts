import { createHash } from 'node:crypto';
import type { Connections } from '../connections/connections.ts';
import { HostLimit } from '../connections/host-limit.ts';
import { type CallScope, type CallServices, vendorCall } from '../connections/vendor-calls.ts';
import { backoff } from '../core/clock.ts';
import { GatewayError, undefinedIfNotFound } from '../core/errors.ts';
import type { EventSource } from '../core/event-type.ts';
import { forEachLimited } from '../core/limit.ts';
import { isReserved, monthEnd, pollPause, reservedReason } from '../core/quota.ts';
import type { Connection, EventCatalogue, EventfulVendor, VendorCall } from '../core/vendor.ts';
import { due } from '../store/due.ts';
import { keys } from '../store/items.ts';
import { type Lease, releaseLease, takeLease } from '../store/lease.ts';
import type { Key } from '../store/table.ts';
import { type DueReport, forEachDue, type Tick } from '../store/tick.ts';
import { newEvents } from './found.ts';
import { hasListener } from './has-listener.ts';
import { isWanted, type Listeners, type Listening } from './listening.ts';
import { appendEvents, type Cover } from './log.ts';
import { appendOwnEvent } from './own-events.ts';
import { type PollItem, planAllPolls } from './poll-plan.ts';
import { settleEvents } from './settle.ts';
import { waitersFor } from './waiters.ts';

export type PollServices = CallServices & { connections: Connections };

/** The outcome of one tick. */
export interface PollReport extends DueReport {
  polled: number;
  found: number;
  failed: number;
  /** Unexpected errors, each with its stack. */
  unexpected: string[];
}

/** The time limit of one poll; its lease lasts longer. */
const pollTimeMs = 25_000;
const leaseMs = 120_000;
/** The maximum number of polls per turn for a source that reports more events. */
const maxPolls = 10;
/** The interval at which connections are searched for unplanned sources. */
const planEveryMs = 10 * 60_000;
/** The longest backoff after failures. */
const maxPauseMs = 15 * 60_000;
/**
 * Sources become due slightly before their interval ends: ticks are a minute apart, and narrowly missing one would double the
 * interval.
 */
const headStartMs = 10_000;
/** The maximum cursor size in bytes. A cursor is stored in an item of at most 400 kB. */
const maxCursorBytes = 300_000;

/** Polls the event sources that are due. A source without listeners is not polled; without `listeners`, every source is. */
export async function pollEvents(
  services: PollServices,
  vendors: EventCatalogue,
  scope: CallScope & Tick,
  listeners?: Listeners,
): Promise<PollReport> {
  const counts: Counts = { polled: 0, found: 0, failed: 0, unexpected: [] };
  const turn: Turn = {
    ...scope,
    owner: services.random.bytes(9).toString('base64url'),
    ...(listeners && { listeners }),
  };
  // Sources that have just gained a listener are polled in this tick.
  if (!scope.pages) await planChanged(services, vendors, turn);
  const now = services.clock.now();
  const hosts = new HostLimit();
  const poll = async (items: PollItem[]) => {
    const byConnection = Object.values(Object.groupBy(items, ({ pk }) => pk));
    await Promise.all(
      byConnection.map(async (group = []) => {
        const vendor = group[0] && vendors[group[0].vendor];
        if (!vendor) return;
        await pollConnection(services, vendor, group, turn, hosts, counts).catch((error: unknown) => {
          counts.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
        });
      }),
    );
  };
  const report = await forEachDue(services.table, 'poll', now, scope, poll, { dueAgain: () => now });
  await planSometimes(services, vendors, { ...turn, ...(scope.pages && { pages: scope.pages }) });
  return { ...report, ...counts };
}

/**
 * Polls the sources of an event type now, at one connection or at all of the vendor's connections. When this resolves, the log
 * contains what has happened there. Polls sources that rest, too; skips those that are already being polled or were never planned.
 */
export async function pollTypeNow(
  services: PollServices,
  vendors: EventCatalogue,
  { type, connection }: { type: string; connection?: string | undefined },
  scope: CallScope,
): Promise<void> {
  const [first, second] = connection?.split('/') ?? [];
  const turn: Turn = { ...scope, owner: services.random.bytes(9).toString('base64url'), isNow: true };
  const hosts = new HostLimit();
  const counts: Counts = { polled: 0, found: 0, failed: 0, unexpected: [] };
  for (const vendor of Object.values(vendors)) {
    if (!vendor || (second !== undefined && first !== vendor.name)) continue;
    const sources = Object.entries(vendor.events).flatMap(([name, { types, poll }]) =>
      poll && Object.hasOwn(types, type) ? [name] : [],
    );
    if (sources.length === 0) continue;
    const slug = second ?? first;
    const names = slug === undefined ? (await services.connections.list(vendor.name)).map(({ name }) => name) : [slug];
    await forEachLimited(names, 8, async (name) => {
      const planned = await services.table.queryAll<PollItem>({
        pk: keys.polls(vendor.name, name),
        prefix: 'source#',
        consistent: true,
      });
      const items = planned.filter(({ source }) => sources.includes(source));
      if (items.length > 0) await pollConnection(services, vendor, items, turn, hosts, counts);
    });
  }
}

/** Periodically plans sources that have no plan. Runs after the polls, so that they do not wait for it. */
async function planSometimes(services: PollServices, vendors: EventCatalogue, turn: Turn & Tick) {
  const { pages, signal, owner, listeners } = turn;
  const now = services.clock.now();
  if (pages || signal.aborted) return;
  if (await takeLease(services.table, keys.pollPlan(), owner, now, planEveryMs))
    await planAllPolls(services, vendors, now, signal, listeners?.all);
}

interface PlanItem extends Key {
  /** The listeners that the current plan covers. */
  listeners?: string;
}

/** Plans the wanted sources after the listeners have changed. */
async function planChanged(
  services: PollServices,
  vendors: EventCatalogue,
  { signal, listeners }: Turn,
): Promise<void> {
  if (!listeners) return;
  const known = await services.table.get<PlanItem>(keys.pollPlan(), true);
  if (known?.listeners === listeners.version) return;
  await planAllPolls(services, vendors, services.clock.now(), signal, listeners.all);
  if (signal.aborted) return;
  await services.table.update(keys.pollPlan(), 'SET #listeners = :listeners', { listeners: listeners.version });
}

/** `isNow`: polls sources whether or not they are due, and settles the events found immediately. */
type Turn = CallScope & { owner: string; isNow?: true; listeners?: Listeners };
type Counts = Omit<PollReport, keyof DueReport>;

async function pollConnection(
  services: PollServices,
  vendor: EventfulVendor,
  items: PollItem[],
  turn: Turn,
  hosts: HostLimit,
  report: Counts,
): Promise<void> {
  const name = items[0]?.connection ?? '';
  const connection = await services.connections.find(vendor.name, name).catch(undefinedIfNotFound);
  const host = connection ? (vendor.connection.addresses(connection.settings)[0] ?? '') : '';
  await hosts.run(host, () => pollSources(services, vendor, connection, items, turn, report));
}

/** Polls the due sources of a connection; returns the last error. */
async function pollSources(
  services: PollServices,
  vendor: EventfulVendor,
  connection: Connection | undefined,
  items: PollItem[],
  turn: Turn,
  report: Counts,
): Promise<unknown> {
  if (turn.signal.aborted) return undefined;
  const name = items[0]?.connection ?? '';
  const most = vendor.concurrency.polls;
  const alone = keys.pollTurn(vendor.name, name);
  const lease =
    most === 1 ? await takeLease(services.table, alone, turn.owner, services.clock.now(), leaseMs) : undefined;
  if (most === 1 && !lease) return undefined;
  let problem: unknown;
  try {
    await forEachLimited(items, most, async (item) => {
      const declared = vendor.events[item.source];
      const source = declared?.poll;
      if (!connection || !source || connection.settings.pollEvents === false) {
        await services.table.update({ pk: item.pk, sk: item.sk }, 'REMOVE #duePk, #dueAt');
        return;
      }
      const isUnheard = turn.listeners && !isWanted(turn.listeners.all, declared, connection);
      if (isUnheard && !isWanted(await waitsFor(services, declared), declared, connection)) {
        // The cursor is kept: events in the meantime are found once the source has a listener.
        await services.table.update({ pk: item.pk, sk: item.sk }, 'SET #resting = :true REMOVE #duePk, #dueAt', {
          true: true,
        });
        return;
      }
      const signal = AbortSignal.any([turn.signal, AbortSignal.timeout(pollTimeMs)]);
      const call = vendorCall(services, vendor, connection, { requestId: turn.requestId, signal });
      problem = (await pollSource(services, vendor, source, item, call, turn, report)) ?? problem;
    });
  } finally {
    if (lease) await releaseLease(services.table, alone, lease);
  }
  return problem;
}

/** The waits of runs for events of a source: the automation of a run may have been changed or disabled since it started. */
async function waitsFor({ table, clock }: PollServices, { types }: EventSource): Promise<readonly Listening[]> {
  return (await Promise.all(Object.keys(types).map((type) => waitersFor(table, type, clock.now())))).flat();
}

async function pollSource(
  services: PollServices,
  vendor: EventfulVendor,
  source: NonNullable<EventSource['poll']>,
  item: PollItem,
  call: VendorCall,
  turn: Turn,
  report: Counts,
): Promise<unknown> {
  if (turn.signal.aborted) return undefined;
  const { table, clock } = services;
  const key = { pk: item.pk, sk: item.sk };
  const startedAt = clock.now();
  const lease = await takeLease<PollItem>(table, key, turn.owner, startedAt, leaseMs);
  // Another process is polling the source or has just polled it.
  if (!lease) return undefined;
  const isDue = lease.item.dueAt !== undefined && lease.item.dueAt <= startedAt;
  if (!isDue && !turn.isNow) return releaseLease(table, key, lease);
  try {
    let { cursor } = lease.item;
    const { resting, polledAt, since } = lease.item;
    const catchingUp = resting === true || cursor === undefined;
    const quota = await call.quota();
    if (quota && isReserved(quota)) return await holdForQuota(services, item, lease, startedAt);
    for (let polls = 1; ; polls++) {
      report.polled++;
      const result = await source.poll(cursor === undefined ? undefined : JSON.parse(cursor), call, {
        since,
        hasListener: (types) => hasListener(services, types),
      });
      const again = result.more === true && polls < maxPolls && !call.signal.aborted && !turn.signal.aborted;
      const quotaNow = await call.quota();
      const requests = Math.max(1, (quotaNow?.used ?? 0) - (quota?.used ?? 0));
      const spread = quotaNow ? pollPause(quotaNow, 0, requests, startedAt) : 0;
      const pause = Math.max(spread, result.nextIn ?? (result.more ? 0 : source.every - headStartMs));
      const next = again ? startedAt : startedAt + pause;
      const moved = JSON.stringify(result.cursor) ?? 'null';
      const bytes = Buffer.byteLength(moved);
      if (bytes > maxCursorBytes) throw new Error(`The cursor of ${item.pk} ${item.source} has ${bytes} bytes`);
      // Before it is stored as known, so that a crash in between reports it again.
      if (result.problem !== undefined && result.problem !== lease.item.unread)
        await reportUnread(services, item, result.problem);
      // Anything that predates the first poll is history.
      const events = cursor === undefined && !source.tellsSince ? [] : result.events;
      const stored = await appendEvents(
        services,
        (await newEvents(services, vendor, call.connection, events)).map((event) =>
          catchingUp ? { ...event, happenedAt: happenedAt(event, startedAt, polledAt ?? since ?? 0) } : event,
        ),
        coverOf(item, lease, {
          cursor: moved,
          again,
          next,
          now: clock.now(),
          behind: catchingUp && result.more === true,
          unread: result.problem,
        }),
      );
      if (!stored.covered) return undefined;
      report.found += stored.fresh.length;
      // They are settled early and routed as usual.
      if (turn.isNow) await settleEvents(services, stored.items, () => false);
      if (!again) return;
      cursor = moved;
    }
  } catch (error) {
    report.failed++;
    if (!(error instanceof GatewayError)) {
      report.unexpected.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    await postpone(services, item, lease, error, source.every);
    return error;
  }
}

/**
 * The time of an event that is found late because its source had no listener: the vendor's timestamp, or at the earliest the last
 * poll. Listeners created after that time treat it as history.
 */
function happenedAt({ timestamp }: { timestamp: string }, startedAt: number, before: number): number {
  const at = Date.parse(timestamp);
  return at < startedAt ? at : before;
}

interface Move {
  cursor: string;
  /** The source is polled again immediately. */
  again: boolean;
  next: number;
  now: number;
  /** Events from before the source had a listener are not read to the end. */
  behind: boolean;
  unread: string | undefined;
}

/**
 * The write that moves the cursor, and the same condition for the preceding events. It also ends the turn unless more events are
 * available immediately.
 */
function coverOf(item: PollItem, lease: Lease<PollItem>, move: Move): Cover {
  const { cursor, again, next, now, behind, unread } = move;
  const key: Key = { pk: item.pk, sk: item.sk };
  const condition = '#leaseFence = :fence';
  const expression = `SET #cursor = :cursor, #polledAt = :now, #failures = :zero, #duePk = :duePk, #dueAt = :dueAt${behind ? ', #resting = :behind' : ''}${unread === undefined ? '' : ', #unread = :unread'}
    REMOVE #problem${unread === undefined ? ', #unread' : ''}${behind ? '' : ', #resting'}${again ? '' : ', #leaseOwner, #leaseUntil'}`;
  const values = { cursor, now, behind, unread, zero: 0, fence: lease.fence, ...due('poll', dueName(item), next) };
  return {
    move: { update: { key, expression }, condition, values },
    guard: { check: key, condition, values: { fence: lease.fence } },
  };
}

/** Keeps what is left of a connection's quota for alarms: the source is polled again in the next month. */
async function holdForQuota(
  services: PollServices,
  item: PollItem,
  lease: Lease<PollItem>,
  now: number,
): Promise<undefined> {
  const reason = reservedReason(dueName(item), 'Events are polled again', now);
  if (reason !== lease.item.unread) await reportUnread(services, item, reason);
  await services.table.update(
    { pk: item.pk, sk: item.sk },
    'SET #unread = :reason, #duePk = :duePk, #dueAt = :dueAt REMOVE #leaseOwner, #leaseUntil',
    { reason, fence: lease.fence, ...due('poll', dueName(item), monthEnd(now)) },
    '#leaseFence = :fence',
  );
}

/** Reports to the operator, once, that part of a source is not read. */
async function reportUnread(services: PollServices, { vendor, connection, source }: PollItem, reason: string) {
  const about = { vendor, connection };
  await appendOwnEvent(services, {
    type: 'trunkline.polling.incomplete',
    id: `${vendor}/${connection}/${source}/${createHash('sha256').update(reason).digest('base64url')}`,
    data: { ...about, source, reason },
    about,
  });
}

/** Schedules another attempt: at the time the vendor names, otherwise with exponential backoff. The cursor does not move. */
async function postpone(
  services: PollServices,
  item: PollItem,
  lease: Lease<PollItem>,
  error: unknown,
  every: number,
): Promise<void> {
  const failures = (lease.item.failures ?? 0) + 1;
  const asked = error instanceof GatewayError ? (error.retryAfter ?? 0) * 1000 : 0;
  // A connection that needs manual attention is polled again as soon as it is changed.
  const needsPerson = error instanceof GatewayError && error.code === 'connection_needs_attention';
  const pause = needsPerson
    ? maxPauseMs
    : backoff(failures - 1, Math.min(every, maxPauseMs), maxPauseMs, services.random);
  await services.table.update(
    { pk: item.pk, sk: item.sk },
    `SET #failures = :failures, #problem = :problem, #duePk = :duePk, #dueAt = :dueAt REMOVE #leaseOwner, #leaseUntil`,
    {
      failures,
      problem: error instanceof GatewayError ? error.message : 'An unexpected error; see the log.',
      fence: lease.fence,
      ...due('poll', dueName(item), services.clock.now() + Math.max(asked, pause)),
    },
    '#leaseFence = :fence',
  );
}

function dueName(item: PollItem): string {
  return `${item.vendor}/${item.connection}`;
}
