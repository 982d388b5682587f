import type { Principal } from '../api/key-check.ts';
import { mayRead } from '../api/scopes.ts';
import { mayReadEvent } from '../events/list.ts';
import { isKept, type LogServices } from '../events/log.ts';
import { keys, logPosition } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { type DeliveryItem, type DeliveryState, deliveryKey } from './deliveries.ts';
import { allSubscriptions } from './subscriptions.ts';

export interface DeliveryQuery {
  subscription?: string | undefined;
  event?: string | undefined;
  state?: DeliveryState | undefined;
  limit: number;
  /** The id of a delivery; the list continues after it. */
  before?: string | undefined;
}

const pageLength = 200;
/** The maximum number of deliveries of one subscription that a filter scans. */
const maxRead = 20_000;

/** The deliveries that a key may see, those of the newest events first. */
export async function listDeliveries(
  services: LogServices,
  principal: Principal,
  query: DeliveryQuery,
): Promise<DeliveryItem[]> {
  const ids =
    query.subscription === undefined
      ? (await allSubscriptions(services.table, services.clock)).map(({ id }) => id)
      : [query.subscription];
  const found = await Promise.all(ids.map((id) => ofSubscription(services, principal, id, query)));
  return found
    .flat()
    .sort((one, other) => (one.sk < other.sk ? 1 : one.sk > other.sk ? -1 : one.pk < other.pk ? 1 : -1))
    .filter((item) => isBefore(item, query.before))
    .slice(0, query.limit);
}

/** True when a key may read the event of a delivery. */
export function maySeeDelivery({ scopes }: Pick<Principal, 'scopes'>, item: DeliveryItem): boolean {
  return mayReadEvent((vendor, connection) => mayRead(scopes, vendor, connection), item);
}

/** One subscription's deliveries by the time at which their events were stored, oldest first. Times are epoch milliseconds. */
export async function* deliveriesBetween(
  table: Table,
  subscriptionId: string,
  from: number,
  to: number,
): AsyncGenerator<DeliveryItem> {
  let after: Record<string, unknown> | undefined;
  do {
    const page: { items: DeliveryItem[]; next?: Record<string, unknown> } = await table.query<DeliveryItem>({
      pk: keys.deliveries(subscriptionId),
      from: logPosition(from),
      to: logPosition(to + 1),
      limit: pageLength,
      ...(after && { after }),
    });
    yield* page.items;
    after = page.next;
  } while (after);
}

async function ofSubscription(
  { table, clock }: LogServices,
  principal: Principal,
  id: string,
  query: DeliveryQuery,
): Promise<DeliveryItem[]> {
  const end = query.before === undefined ? undefined : deliveryKey(query.before)?.sk;
  const found: DeliveryItem[] = [];
  let looked = 0;
  let after: Record<string, unknown> | undefined;
  do {
    const page: { items: DeliveryItem[]; next?: Record<string, unknown> } = await table.query<DeliveryItem>({
      pk: keys.deliveries(id),
      forward: false,
      limit: pageLength,
      ...(end !== undefined && { to: end }),
      ...(after && { after }),
    });
    for (const item of page.items) {
      const fits =
        (query.state === undefined || item.state === query.state) &&
        (query.event === undefined || item.eventId === query.event) &&
        isBefore(item, query.before) &&
        isKept(item, clock.now()) &&
        maySeeDelivery(principal, item);
      if (fits) found.push(item);
    }
    looked += page.items.length;
    after = page.next;
  } while (after && found.length < query.limit && looked < maxRead);
  return found;
}

function isBefore(item: DeliveryItem, before: string | undefined): boolean {
  const end = before === undefined ? undefined : deliveryKey(before);
  return !end || item.sk < end.sk || (item.sk === end.sk && item.pk < end.pk);
}
