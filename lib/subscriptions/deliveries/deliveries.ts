import type { Starter } from '../../core/durable.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { type EventItem, type LogServices, retentionMs } from '../../events/log.ts';
import type { Subject } from '../../events/reading.ts';
import { due } from '../../store/due.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import type { SubscriptionItem } from '../subscriptions.ts';

/**
 * The states of a delivery: `pending` before the first attempt, `retrying` after a failed one. The other three are final:
 * `cancelled` when the subscription was removed or switched off, or the event has expired.
 */
export const deliveryStates = ['pending', 'retrying', 'delivered', 'given_up', 'cancelled'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** One request to a target. */
export interface Attempt {
  number: number;
  /** The turn of the execution in which it was made; a turn that is repeated after a crash sends nothing twice. */
  turn: number;
  /** Epoch milliseconds. */
  at: number;
  ms: number;
  status?: number;
  /** Why there is no status. */
  error?: string;
  /** The start of the response body, redacted. */
  excerpt?: string;
}

/** The delivery of one event to one subscription. Times are epoch milliseconds. */
export interface DeliveryItem extends Key {
  id: string;
  subscriptionId: string;
  eventId: string;
  eventType: string;
  vendor: TrunklineEvent['vendor'];
  connection: string;
  /** What a key must be able to read to see the event, and with it this delivery. */
  readBy?: string;
  about?: Subject;
  /** 0 for the first delivery, incremented with each replay. */
  replay: number;
  state: DeliveryState;
  reason?: string;
  attempts: Attempt[];
  /** The reserved turn at the target, so that it receives no more requests than it can handle. `turn`: that of the execution which reserved it. */
  reserved?: { at: number; spacing: number; turn?: number };
  nextAttemptAt?: number;
  createdAt: number;
  finishedAt?: number;
  /** On the first delivery: the number of replays. */
  replays?: number;
  /** When its turn last came while sending was paused. */
  pausedAt?: number;
  expiresAt: number;
  /** Its position in the list of deliveries in its state. */
  duePk?: string;
  dueAt?: number;
}

const idForm = /^dlv_([a-z2-7]{16})([0-9a-z]{9})([A-Za-z0-9_-]{27})(\d{1,6})$/;

/** A delivery's id contains its key, so that no index is needed to find it. */
export function deliveryId(subscriptionId: string, appendedAt: number, eventId: string, replay: number): string {
  const time = appendedAt.toString(36).padStart(9, '0');
  return `dlv_${subscriptionId.slice('sub_'.length)}${time}${eventId.slice('evt_'.length)}${replay}`;
}

/** The key contained in a delivery's id; undefined if it is not a delivery id. */
export function deliveryKey(id: string): Key | undefined {
  return deliveryKeys(id)?.delivery;
}

/** The keys of a delivery and of the subscription and event that it connects. */
export function deliveryKeys(id: string): { delivery: Key; subscription: Key; event: Key } | undefined {
  const [, subscription, time = '', event, replay] = idForm.exec(id) ?? [];
  if (subscription === undefined) return undefined;
  const [subscriptionId, eventId] = [`sub_${subscription}`, `evt_${event}`];
  return {
    delivery: keys.delivery(subscriptionId, Number.parseInt(time, 36), eventId, Number(replay)),
    subscription: keys.subscription(subscriptionId),
    event: keys.event(eventId),
  };
}

/** A delivery that is not stored yet. */
export function newDelivery(
  event: EventItem,
  subscription: SubscriptionItem,
  replay: number,
  now: number,
): DeliveryItem {
  const { readBy, about, appendedAt, vendor, connection } = event;
  return {
    ...keys.delivery(subscription.id, appendedAt, event.id, replay),
    id: deliveryId(subscription.id, appendedAt, event.id, replay),
    subscriptionId: subscription.id,
    eventId: event.id,
    eventType: event.type,
    vendor,
    connection,
    ...(readBy !== undefined && { readBy }),
    ...(about && { about }),
    replay,
    state: 'pending',
    attempts: [],
    createdAt: now,
    expiresAt: expiry(now + retentionMs),
    ...listedAs('pending', event.id, appendedAt),
  };
}

/** The position of a delivery in the list of those in a state, by the time of its event. */
export function listedAs(state: DeliveryState, eventId: string, appendedAt: number): { duePk: string; dueAt: number } {
  return due(`delivery-${state}`, eventId, appendedAt);
}

/** Stores a delivery once and starts it; its execution has its id as a name. If a start is interrupted between the two, a repeat completes it. */
export async function startDelivery(
  services: { table: Table; starter: Starter },
  delivery: DeliveryItem,
): Promise<void> {
  const stored = await services.table.put<DeliveryItem>(delivery, 'attribute_not_exists(#pk)');
  const known = stored.done ? delivery : stored.item;
  if (known?.state !== 'pending') return;
  await services.starter.startDelivery(delivery.id, { deliveryId: delivery.id });
}

export async function readDelivery(services: LogServices, id: string): Promise<DeliveryItem | undefined> {
  const key = deliveryKey(id);
  return key && services.table.get<DeliveryItem>(key, true);
}

/** Sends the event of a delivery again as a new delivery; it gets a new signature and keeps the event's id. */
export async function replayDelivery(
  services: LogServices & { starter: Starter },
  delivery: DeliveryItem,
  event: EventItem,
  subscription: SubscriptionItem,
): Promise<DeliveryItem> {
  const { table, clock } = services;
  const first = keys.delivery(delivery.subscriptionId, event.appendedAt, event.id, 0);
  const counted = await table.update<DeliveryItem>(first, 'ADD #replays :one', { one: 1 }, 'attribute_exists(#pk)');
  const replay = counted.done ? (counted.item.replays ?? 1) : delivery.replay + 1;
  const again = newDelivery(event, subscription, replay, clock.now());
  await startDelivery(services, again);
  return again;
}
