import type { Starter } from '../core/durable.ts';
import { entriesSince } from '../events/list.ts';
import { type EventItem, isKept, shownEvent } from '../events/log.ts';
import { keys } from '../store/items.ts';
import {
  type DeliveryItem,
  type DeliveryState,
  newDelivery,
  replayDelivery,
  startDelivery,
} from './deliveries/deliveries.ts';
import { deliveriesBetween } from './deliveries/list.ts';
import { passes } from './filter.ts';
import { concerns } from './reach.ts';
import type { SubscriptionItem, SubscriptionServices } from './subscriptions.ts';

export interface ReplayServices extends SubscriptionServices {
  starter: Starter;
}

/** Selects which of a subscription's events are sent again. Times are epoch milliseconds, of when the event was stored. */
export interface ReplayRange {
  from: number;
  to: number;
  /** Repeats deliveries in one of these states; of several for one event, the last counts. */
  states: readonly DeliveryState[];
  /** Also includes events that were never delivered: the subscription was disabled or did not exist yet. */
  missing: boolean;
}

/** The maximum number per request; to replay more, a caller continues from where it ended. */
const maxReplays = 1000;

export interface ReplayReport {
  deliveries: string[];
  /** Set when there is more: where to continue, in epoch milliseconds. */
  nextFrom?: number;
}

/** Resends a range of a subscription's events, oldest first. */
export async function replayRange(
  services: ReplayServices,
  subscription: SubscriptionItem,
  range: ReplayRange,
): Promise<ReplayReport> {
  const seen = new Set<string>();
  const wanted: { eventId: string; delivery?: DeliveryItem }[] = [];
  for await (const delivery of lastDeliveries(services, subscription.id, range)) {
    seen.add(delivery.eventId);
    if (range.states.includes(delivery.state)) wanted.push({ eventId: delivery.eventId, delivery });
    if (!range.missing && wanted.length > maxReplays) break;
  }
  if (range.missing) {
    for await (const entry of entriesSince(services, range.from)) {
      if (entry.appendedAt > range.to || seen.has(entry.id) || !concerns(subscription, entry)) continue;
      wanted.push({ eventId: entry.id });
    }
  }
  const found = await services.table.getMany<EventItem>(wanted.map(({ eventId }) => keys.event(eventId)));
  const ready = wanted
    .flatMap(({ delivery }, index) => {
      const event = found[index];
      return event && isKept(event, services.clock.now()) ? [{ event, delivery }] : [];
    })
    .sort((one, other) => one.event.appendedAt - other.event.appendedAt);
  const deliveries: string[] = [];
  for (const { event, delivery } of ready.slice(0, maxReplays)) {
    const id = await again(services, subscription, event, delivery);
    if (id !== undefined) deliveries.push(id);
  }
  const nextFrom = ready[maxReplays]?.event.appendedAt;
  return { deliveries, ...(nextFrom !== undefined && { nextFrom }) };
}

/** The last delivery of each event: the replays of an event follow each other. */
async function* lastDeliveries(
  services: ReplayServices,
  subscriptionId: string,
  { from, to }: ReplayRange,
): AsyncGenerator<DeliveryItem> {
  let last: DeliveryItem | undefined;
  for await (const item of deliveriesBetween(services.table, subscriptionId, from, to)) {
    if (last && last.eventId !== item.eventId) {
      yield last;
      last = undefined;
    }
    if (!last || last.replay < item.replay) last = item;
  }
  if (last) yield last;
}

async function again(
  services: ReplayServices,
  subscription: SubscriptionItem,
  event: EventItem,
  delivery: DeliveryItem | undefined,
): Promise<string | undefined> {
  if (delivery) return (await replayDelivery(services, delivery, event, subscription)).id;
  if (!(await passes(services, subscription, event, () => shownEvent(services.files, event)))) return undefined;
  const first = newDelivery(event, subscription, 0, services.clock.now());
  await startDelivery(services, first);
  return first.id;
}
