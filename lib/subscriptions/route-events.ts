import type { Starter } from '../core/durable.ts';
import { forEachLimited } from '../core/limit.ts';
import { type EventItem, shownEvent } from '../events/log.ts';
import { settleEvents } from '../events/settle.ts';
import { completeWaiters, type WaiterServices, waitersFor } from '../events/waiters.ts';
import { conditionHolds } from '../expressions/condition.ts';
import { type DeliveryItem, newDelivery, startDelivery } from './deliveries.ts';
import { passes } from './filter.ts';
import { isFor } from './reach.ts';
import { type SubscriptionServices, subscriptionsFor } from './subscriptions.ts';

export interface RouteServices extends SubscriptionServices {
  vendorNames: readonly string[];
  starter: Starter;
}

/** What else an event sets going: the automations put theirs in. It may be called more than once for one event. */
export type StartRuns = (event: EventItem) => Promise<void>;

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
  const kit = waiterServices(services);
  const types = [...new Set(events.map(({ type }) => type))];
  const subscriptions = await subscriptionsFor(services.table, types);
  const waiting = new Map(
    await Promise.all(
      types.map(async (type) => [type, await waitersFor(services.table, type, services.clock.now())] as const),
    ),
  );

  const wanted: DeliveryItem[] = [];
  const routeOne = async (event: EventItem) => {
    const shown = remembered(() => shownEvent(services.files, event));
    // One road that is blocked closes no other. Runs come first: an alarm waits for no list of subscribers.
    const roads = [
      () => startRuns(event),
      () => completeWaiters(kit, waiting.get(event.type) ?? [], event),
      async () => {
        for (const subscription of subscriptions) {
          if (!isFor(subscription, event) || !(await passes(services, subscription, shown))) continue;
          wanted.push(newDelivery(event, subscription, 0, services.clock.now()));
        }
      },
    ];
    for (const road of roads) await road().catch((error: unknown) => report.failed.set(event.id, error));
    report.routed++;
  };
  await forEachLimited(events, concurrency, routeOne);
  report.deliveries = await startAll(services, wanted, report);
  return report;
}

/** Stores and starts the deliveries that are not known yet, or were not started. Answers how many were new. */
async function startAll(services: RouteServices, wanted: DeliveryItem[], report: RouteReport): Promise<number> {
  const known = await services.table.getMany<DeliveryItem>(wanted);
  const open = wanted.filter((_, index) => (known[index]?.state ?? 'pending') === 'pending');
  await forEachLimited(open, concurrency, async (delivery) => {
    await startDelivery(services, delivery).catch((error: unknown) => report.failed.set(delivery.eventId, error));
  });
  return known.filter((item) => item === undefined).length;
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
