import type { Principal } from '../../api/keys/key-check.ts';
import { GatewayError } from '../../core/errors.ts';
import { findEvent, isKept, type LogServices } from '../../events/log.ts';
import { mayReadEvent } from '../../events/reading.ts';
import { mergeNewest, newestListed, newestOf } from '../../store/due.ts';
import { keys, logPosition } from '../../store/items.ts';
import type { Table } from '../../store/table.ts';
import { type DeliveryItem, type DeliveryState, deliveryKey, deliveryStates } from './deliveries.ts';

export interface DeliveryQuery {
  subscription?: string | undefined;
  event?: string | undefined;
  state?: DeliveryState | undefined;
  limit: number;
  /** The id of a delivery; the list continues after it. */
  before?: string | undefined;
}

const pageLength = 200;
/** Items that are read of each list at a time, where several lists are merged. */
const mergedPageLength = 20;

/** The deliveries that a key may see, those of the newest events first. Reads on until it has found the requested number. */
export async function listDeliveries(
  services: LogServices,
  principal: Principal,
  query: DeliveryQuery,
  signal?: AbortSignal,
): Promise<DeliveryItem[]> {
  const now = services.clock.now();
  const found: DeliveryItem[] = [];
  // Those of one moment come from several lists, in any order.
  let sameMoment = new Map<string, DeliveryItem>();
  const flush = () => {
    found.push(...[...sameMoment.values()].sort(byPlace));
    sameMoment = new Map();
  };
  let time: number | undefined;
  for await (const item of candidates(services, query)) {
    if (signal?.aborted) {
      throw new GatewayError(
        'unavailable',
        'The list could not be read in time. Ask for less with subscription, event or state, or a smaller limit.',
      );
    }
    if (!fits(item, query) || !isKept(item, now) || !maySeeDelivery(principal, item)) continue;
    if (timeOf(item) !== time) {
      flush();
      if (found.length >= query.limit) break;
      time = timeOf(item);
    }
    sameMoment.set(item.id, item);
  }
  flush();
  return found.slice(0, query.limit);
}

/** True when a key may read the event of a delivery. */
export function maySeeDelivery({ scopes }: Pick<Principal, 'scopes'>, item: DeliveryItem): boolean {
  return mayReadEvent(scopes, item);
}

/** One subscription's deliveries by the time at which their events were stored, oldest first. Times are epoch milliseconds. */
export async function* deliveriesBetween(
  table: Table,
  subscriptionId: string,
  from: number,
  to: number,
): AsyncGenerator<DeliveryItem> {
  const range = { pk: keys.deliveries(subscriptionId), from: logPosition(from), to: logPosition(to + 1) };
  for await (const items of table.pages<DeliveryItem>({ ...range, limit: pageLength })) yield* items;
}

/** The deliveries that may match a query, newest first; read page by page, on demand. */
async function* candidates(services: LogServices, query: DeliveryQuery): AsyncGenerator<DeliveryItem> {
  const { table } = services;
  const { subscription, event, state, before } = query;
  const cursor = before === undefined ? undefined : deliveryKey(before)?.sk;
  const until = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number.parseInt(cursor, 10);
  if (event !== undefined) {
    const stored = await findEvent(services, event);
    if (stored) yield* ofStates(table, state, stored.appendedAt, Math.min(until, stored.appendedAt));
  } else if (subscription !== undefined && (state === undefined || state === 'delivered')) {
    const pk = keys.deliveries(subscription);
    yield* newestOf<DeliveryItem>(table, { pk, ...(cursor !== undefined && { to: cursor }) }, pageLength);
  } else {
    yield* ofStates(table, state, 0, until);
  }
}

/** The deliveries in a state, or in any, of events that were stored between two times, both inclusive. */
async function* ofStates(
  table: Table,
  state: DeliveryState | undefined,
  from: number,
  to: number,
): AsyncGenerator<DeliveryItem> {
  const lists = (state === undefined ? deliveryStates : [state]).map((each) =>
    newestListed<DeliveryItem>(table, `delivery-${each}`, from, to, mergedPageLength),
  );
  yield* mergeNewest(lists, timeOf);
}

function fits(item: DeliveryItem, { subscription, event, state, before }: DeliveryQuery): boolean {
  return (
    (subscription === undefined || item.subscriptionId === subscription) &&
    (event === undefined || item.eventId === event) &&
    // The index is eventually consistent with the table.
    (state === undefined || item.state === state) &&
    isBefore(item, before)
  );
}

/** When the event of a delivery was stored, in epoch milliseconds. */
function timeOf({ sk }: DeliveryItem): number {
  return Number.parseInt(sk, 10);
}

function byPlace(one: DeliveryItem, other: DeliveryItem): number {
  return one.sk === other.sk ? (one.pk < other.pk ? 1 : -1) : one.sk < other.sk ? 1 : -1;
}

function isBefore(item: DeliveryItem, before: string | undefined): boolean {
  const end = before === undefined ? undefined : deliveryKey(before);
  return !end || item.sk < end.sk || (item.sk === end.sk && item.pk < end.pk);
}
