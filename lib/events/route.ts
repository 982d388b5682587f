import type { Starter } from '../core/durable.ts';
import type { TrunklineEvent } from '../core/event-type.ts';
import { conditionHolds } from './condition.ts';
import { type DeliveryItem, newDelivery, startDelivery } from './deliveries.ts';
import { type EventItem, shownEvent } from './log.ts';
import { settleEvents } from './settle.ts';
import { passes } from './subscription-filter.ts';
import { isFor } from './subscription-reach.ts';
import { listSubscriptions, type SubscriptionItem, type SubscriptionServices } from './subscriptions.ts';
import { reserveTurns } from './target-rate.ts';
import { completeWaiters, type WaiterServices, waitersFor } from './waiters.ts';

export interface RouteServices extends SubscriptionServices {
  starter: Starter;
}

/** What else an event sets going: the automations put theirs in. It may be called more than once for one event. */
export type StartRuns = (event: EventItem, shown: () => Promise<TrunklineEvent>) => Promise<void>;

export interface RouteReport {
  routed: number;
  deliveries: number;
  /** By event id, for those whose routing must be repeated. */
  failed: Map<string, unknown>;
}

const concurrency = 10;

/**
 * Sends events on their way: a place in the log, a delivery for each subscription that wants them, the runs that wait for them
 * and those that they start. May be repeated for the same events; every part of it happens once.
 */
export async function routeEvents(
  services: RouteServices,
  events: readonly EventItem[],
  startRuns: StartRuns,
): Promise<RouteReport> {
  const report: RouteReport = { routed: 0, deliveries: 0, failed: new Map() };
  if (events.length === 0) return report;
  await settleEvents(services, events);
  // Read after the events were stored, so that a subscription made before them is among these.
  const subscriptions = await listSubscriptions(services.table);
  const kit = waiterServices(services);
  const types = [...new Set(events.map(({ type }) => type))];
  const waiting = new Map(
    await Promise.all(
      types.map(async (type) => [type, await waitersFor(services.table, type, services.clock.now())] as const),
    ),
  );

  const wanted: { delivery: DeliveryItem; subscription: SubscriptionItem }[] = [];
  const routeOne = async (event: EventItem) => {
    const shown = remembered(() => shownEvent(services.files, event));
    // One road that is blocked closes no other. Runs come first: an alarm waits for no list of subscribers.
    const roads = [
      () => startRuns(event, shown),
      () => completeWaiters(kit, waiting.get(event.type) ?? [], event),
      async () => {
        for (const subscription of subscriptions) {
          if (!isFor(subscription, event) || !(await passes(services, subscription, shown))) continue;
          wanted.push({ delivery: newDelivery(event, subscription, 0, services.clock.now()), subscription });
        }
      },
    ];
    for (const road of roads) await road().catch((error: unknown) => report.failed.set(event.id, error));
    report.routed++;
  };
  const left = [...events];
  const worker = async () => {
    for (let event = left.shift(); event; event = left.shift()) await routeOne(event);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, left.length) }, worker));
  report.deliveries = await startAll(services, wanted, report);
  return report;
}

/** Stores and starts the deliveries that are new, each with its turn at the target. Answers how many were new. */
async function startAll(
  services: RouteServices,
  wanted: { delivery: DeliveryItem; subscription: SubscriptionItem }[],
  report: RouteReport,
): Promise<number> {
  const known = await services.table.getMany<DeliveryItem>(wanted.map(({ delivery }) => delivery));
  const byTarget = new Map<string, DeliveryItem[]>();
  let count = 0;
  for (const [index, { delivery, subscription }] of wanted.entries()) {
    const stored = known[index];
    if (stored && stored.state !== 'pending') continue;
    if (!stored) count++;
    byTarget.set(subscription.url, [...(byTarget.get(subscription.url) ?? []), stored ?? delivery]);
  }
  for (const [url, deliveries] of byTarget) {
    const unturned = deliveries.filter(({ notBefore }) => notBefore === undefined);
    const turns =
      unturned.length > 0 ? await reserveTurns(services.table, url, unturned.length, services.clock.now()) : undefined;
    for (const [index, delivery] of unturned.entries()) {
      if (turns) delivery.notBefore = turns.first + index * turns.spacing;
    }
    for (let at = 0; at < deliveries.length; at += concurrency) {
      await Promise.all(
        deliveries
          .slice(at, at + concurrency)
          .map((delivery) =>
            startDelivery(services, delivery).catch((error: unknown) => report.failed.set(delivery.eventId, error)),
          ),
      );
    }
  }
  return count;
}

/** What waiting runs are matched with. */
export function waiterServices(services: RouteServices): WaiterServices {
  return {
    ...services,
    shown: (event) => shownEvent(services.files, event),
    holds: (expression, input) => conditionHolds(expression, input, services.clock.now()).catch(() => false),
  };
}

function remembered<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
