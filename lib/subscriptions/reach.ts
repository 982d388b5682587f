import type { Principal } from '../api/keys/key-check.ts';
import { isHistory, matchesConnection, matchesType } from '../events/list.ts';
import {
  type EventOwner,
  mayReadAsMuch,
  mayReadEvent,
  mayReadType,
  ownVendor,
  type ReadableType,
  type Subject,
} from '../events/reading.ts';
import type { SubscriptionItem } from './records.ts';

/** The fields that determine which events a subscription covers. */
export type Reach = { types: readonly string[]; connection?: string | undefined };

/** True when a subscription covers an event, apart from its filter: type, connection, and what its creator may read. */
export function isFor(
  item: SubscriptionItem,
  event: EventOwner & { type: string; appendedAt: number; happenedAt?: number },
  now: number,
): boolean {
  return item.state === 'active' && !isHistory(event, item.createdAt, item.updatedAt, now) && concerns(item, event);
}

/** The same, regardless of the subscription's state and age. */
export function concerns(item: SubscriptionItem, event: EventOwner & { type: string }): boolean {
  return (
    item.types.some((pattern) => matchesType(pattern, event.type)) &&
    (item.connection === undefined || matchesConnection(item.connection, event)) &&
    mayReadEvent(item.scopes, event)
  );
}

/** True when a key may read everything that a subscription receives. */
export function maySee(principal: Principal, item: SubscriptionItem, known: readonly ReadableType[]): boolean {
  if (principal.keyId === item.keyId) return true;
  return known
    .filter(isMatched(item))
    .every((type) => mayReadAsMuch(principal.scopes, item.scopes, type, item.connection));
}

/** True when a key with these scopes may read at least part of what a subscription would receive. */
export function mayReceive(scopes: readonly string[], reach: Reach, known: readonly ReadableType[]): boolean {
  return known.filter(isMatched(reach)).some((type) => mayReadType(scopes, type, reach.connection));
}

/** The host of a target: all that non-owners may see of it, since hook URLs are often secrets themselves. */
export function targetOf({ url }: SubscriptionItem): string {
  return URL.parse(url)?.host ?? '';
}

/** The connection that events about a subscription name; without one, only keys that can read everything see them. */
export function aboutOf({ types, connection }: SubscriptionItem): { about?: Subject } {
  const [first, second] = connection?.split('/') ?? [];
  const families = new Set(types.map((type) => type.split('.')[0]));
  const [family = '*', another] = families;
  const vendor = second === undefined ? family : first;
  if (another !== undefined || first === undefined || vendor === undefined) return {};
  if (vendor === '*' || vendor === ownVendor) return {};
  return { about: { vendor, connection: second ?? first } };
}

function isMatched({ types }: Reach) {
  return ({ type }: ReadableType) => types.some((pattern) => matchesType(pattern, type));
}
