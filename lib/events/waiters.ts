import type { Pause } from '../api/pause/pause.ts';
import { adminScope } from '../api/scopes.ts';
import type { Starter } from '../core/durable.ts';
import { forEachLimited } from '../core/limit.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { entriesMatching, isHistory, type ListServices, matchesConnection } from './list.ts';
import { type EventItem, findEvent, isKept } from './log.ts';
import { resumption } from './own-event-types.ts';
import { mayReadEvent } from './reading.ts';
import { allUnrouted } from './unrouted.ts';

/**
 * What a run waits for: the first event of a type that happens at or after `since` (epoch milliseconds) and meets the condition.
 */
export interface Wanted {
  callbackId: string;
  /** Distinguishes several waits of one callback, which completes with the first. */
  alternative?: number;
  /** One type, without a wildcard. */
  type: string;
  /** A connection's slug, or `vendor/slug`. */
  connection?: string;
  /** JSONata over `event` and the bindings; plain JSON. */
  condition?: { expression: string; bindings: Record<string, unknown> };
  /** What the run may read. */
  scopes: readonly string[];
  /** A second key that must be able to read the event, too. */
  alsoScopes?: readonly string[];
  since: number;
  /** The id of an event that does not count, although it happened at `since`: that which started the run. */
  except?: string | undefined;
  until: number;
}

interface WaiterItem extends Key, Omit<Wanted, 'condition'> {
  /** JSON, because bindings may hold values that the table cannot store. */
  condition?: string;
  expiresAt: number;
}

export interface WaiterServices extends ListServices {
  starter: Starter;
  /** Whether a JSONata expression is true for an input; one that fails is not. Throws if no process could evaluate it. */
  holds(expression: string, input: Record<string, unknown>): Promise<boolean>;
  shown(event: EventItem): Promise<object>;
}

/** How many waits are ended at once: after a pause, thousands wait for the same event. */
const concurrency = 20;

/** The result that a completed wait receives. */
export interface WaitedEvent {
  eventId: string;
}

/**
 * Registers what a run waits for; call it from `waitFor`. Also searches the events between `since` and now: an event gets its log
 * position before its waiters are read, so it is either found here or completes the wait itself. Returns true when it was found.
 */
export async function registerWaiter(services: WaiterServices, wanted: Wanted): Promise<boolean> {
  const item = await storeWaiter(services.table, wanted);
  const event = await findOccurred(services, wanted);
  if (event) await complete(services, item, event);
  return event !== undefined;
}

/**
 * Ends a wait when sending is resumed after a pause; call it from `waitFor`. The pause is removed in the transaction that
 * appends the event: either the event completes this wait, or the pause is no longer found here.
 */
export async function registerResumption(
  { table, starter, pause }: { table: Table; starter: Starter; pause: Pause },
  callbackId: string,
  pausedSince: number,
  until: number,
): Promise<void> {
  const scopes = [adminScope];
  const { pk, sk } = await storeWaiter(table, { callbackId, type: resumption, scopes, since: pausedSince, until });
  if (await pause.current()) return;
  await starter.complete(callbackId, {});
  await table.delete({ pk, sk });
}

async function storeWaiter(table: Table, { condition, ...wanted }: Wanted): Promise<WaiterItem> {
  const item: WaiterItem = {
    ...keys.waiter(wanted.type, wanted.callbackId, wanted.alternative ?? 0),
    ...wanted,
    ...(condition && { condition: JSON.stringify(condition) }),
    expiresAt: expiry(wanted.until + 24 * 60 * 60_000),
  };
  await table.put<WaiterItem>(item);
  return item;
}

/** The first event in the log that a run waits for; searches back to `since` regardless of how many events followed. */
export async function findOccurred(
  services: Omit<WaiterServices, 'starter'>,
  wanted: Omit<Wanted, 'callbackId' | 'alternative'>,
): Promise<EventItem | undefined> {
  const { type, connection, scopes, since } = wanted;
  for (const { id } of await entriesMatching(services, { type, connection, scopes }, since)) {
    const event = await findEvent(services, id);
    if (event && (await meets(services, wanted, event))) return event;
  }
  // An event that was stored a moment ago may have no position in the log yet.
  for (const event of await allUnrouted(services.table)) if (await meets(services, wanted, event)) return event;
  return undefined;
}

/** The waiters for events of a type, except expired ones. */
export async function waitersFor(table: Table, type: string, now: number): Promise<WaiterItem[]> {
  const items = await table.queryAll<WaiterItem>({ pk: keys.waiters(type), consistent: true });
  return items.filter((item) => isKept(item, now) && item.until > now);
}

/** Completes the waits that an event matches. */
export async function completeWaiters(
  services: WaiterServices,
  waiters: readonly WaiterItem[],
  event: EventItem,
): Promise<void> {
  await forEachLimited(waiters, concurrency, async (waiter) => {
    if (await meets(services, waiter, event)) await complete(services, waiter, event);
  });
}

async function meets(
  services: Omit<WaiterServices, 'starter'>,
  waiter: Omit<Wanted, 'callbackId' | 'alternative' | 'condition'> & { condition?: string | Wanted['condition'] },
  event: EventItem,
): Promise<boolean> {
  if (event.type !== waiter.type || event.id === waiter.except || event.appendedAt > waiter.until) return false;
  if (isHistory(event, waiter.since, waiter.since, services.clock.now())) return false;
  if (waiter.connection !== undefined && !matchesConnection(waiter.connection, event)) return false;
  if (!mayReadEvent(waiter.scopes, event)) return false;
  if (waiter.alsoScopes && !mayReadEvent(waiter.alsoScopes, event)) return false;
  if (waiter.condition === undefined) return true;
  const { expression, bindings } =
    // Written by `registerWaiter`.
    typeof waiter.condition === 'string'
      ? (JSON.parse(waiter.condition) as NonNullable<Wanted['condition']>)
      : waiter.condition;
  return services.holds(expression, { ...bindings, event: await services.shown(event) });
}

async function complete(services: WaiterServices, waiter: WaiterItem, event: EventItem): Promise<void> {
  await services.starter.complete(waiter.callbackId, { eventId: event.id } satisfies WaitedEvent);
  await services.table.delete({ pk: waiter.pk, sk: waiter.sk });
}
