import type { Starter } from '../core/durable.ts';
import { forEachLimited } from '../core/limit.ts';
import { once } from '../core/once.ts';
import { type EventItem, shownEvent, wholeEvent } from '../events/log.ts';
import { settleEvents } from '../events/settle.ts';
import { completeWaiters, type WaiterServices, waitersFor } from '../events/waiters.ts';
import { conditionHolds, falseIfItFails } from '../expressions/condition.ts';
import { type DeliveryItem, newDelivery, startDelivery } from './deliveries/deliveries.ts';
import { passes } from './filter.ts';
import { isFor } from './reach.ts';
import { type SubscriptionServices, subscriptionsFor } from './subscriptions.ts';

export interface RouteServices extends SubscriptionServices {
  vendorNames: readonly string[];
  starter: Starter;
}

/** Starts the runs that an event triggers. May be called more than once per event. */
export type StartRuns = (event: EventItem) => Promise<void>;

export interface RouteReport {
  routed: number;
  deliveries: number;
  /** By event id, for events whose routing must be repeated. */
  failed: Map<string, unknown>;
}

const concurrency = 10;

/**
 * Routes events: starts the runs that they trigger, completes the waits for them, starts a delivery for each matching
 * subscription, and assigns each a position in the log. Runs and deliveries come first, so that an alarm does not wait for the
 * log. May be repeated for the same events; every part happens once.
 */
export async function routeEvents(
  services: RouteServices,
  events: readonly EventItem[],
  startRuns: StartRuns,
): Promise<RouteReport> {
  const report: RouteReport = { routed: 0, deliveries: 0, failed: new Map() };
  if (events.length === 0) return report;
  const fail = (event: Pick<EventItem, 'id'>, error: unknown) => {
    if (!report.failed.has(event.id)) report.failed.set(event.id, error);
  };
  const failAll = (error: unknown) => {
    for (const event of events) fail(event, error);
    return undefined;
  };
  const types = [...new Set(events.map(({ type }) => type))];
  await forEachLimited(events, concurrency, async (event) => {
    await startRuns(event).catch((error: unknown) => fail(event, error));
    report.routed++;
  });

  const endWaits = async () => {
    const waiters = await waitersOf(services, types);
    await forEachLimited(events, concurrency, async (event) => {
      await completeWaiters(waiterServices(services), waiters.get(event.type) ?? [], event).catch((error: unknown) =>
        fail(event, error),
      );
    });
  };
  await endWaits().catch(failAll);

  // Read after the events were stored, so that subscriptions created before the events are included.
  const subscriptions = (await subscriptionsFor(services.table, types).catch(failAll)) ?? [];
  const wanted: DeliveryItem[] = [];
  await forEachLimited(events, concurrency, async (event) => {
    const shown = once(() => shownEvent(services.files, event));
    for (const subscription of subscriptions) {
      try {
        if (!isFor(subscription, event, services.clock.now()) || !(await passes(services, subscription, event, shown)))
          continue;
        wanted.push(newDelivery(event, subscription, 0, services.clock.now()));
      } catch (error) {
        fail(event, error);
      }
    }
  });
  report.deliveries = await startAll(services, wanted, fail).catch((error: unknown) => {
    failAll(error);
    return 0;
  });

  try {
    await settleEvents(services, events, ({ id }) => !report.failed.has(id));
    // A wait that started in the meantime has searched the log before these events were in it, or is among the waiters now.
    await endWaits();
  } catch (error) {
    failAll(error);
  }
  return report;
}

/** The runs that wait for events of the types. */
async function waitersOf(services: RouteServices, types: readonly string[]) {
  return new Map(
    await Promise.all(
      types.map(async (type) => [type, await waitersFor(services.table, type, services.clock.now())] as const),
    ),
  );
}

/** Stores and starts deliveries that are new or were not started. Returns how many were new. */
async function startAll(
  services: RouteServices,
  wanted: DeliveryItem[],
  fail: (event: Pick<EventItem, 'id'>, error: unknown) => void,
): Promise<number> {
  const known = await services.table.getMany<DeliveryItem>(wanted);
  const open = wanted.filter((_, index) => (known[index]?.state ?? 'pending') === 'pending');
  await forEachLimited(open, concurrency, async (delivery) => {
    await startDelivery(services, delivery).catch((error: unknown) => fail({ id: delivery.eventId }, error));
  });
  return known.filter((item) => item === undefined).length;
}

/** The input against which waiting runs are matched. */
export function waiterServices(services: RouteServices): WaiterServices {
  return {
    ...services,
    shown: (event) => wholeEvent(services.files, event),
    holds: (expression, input) =>
      conditionHolds(expression, input, services.clock.now(), 'waits').catch(falseIfItFails),
  };
}
