import { vendorNames } from '../core/vendor.ts';
import type { Principal } from '../gateway/keys.ts';
import { mayRead } from '../gateway/scopes.ts';
import { type EventOwner, matchesConnection, matchesType, mayReadEvent } from './list.ts';
import type { SubscriptionItem } from './subscriptions.ts';

/** True when an event is for a subscription, its filter aside: type, connection, and what its maker may read. */
export function isFor(item: SubscriptionItem, event: EventOwner & { type: string; appendedAt: number }): boolean {
  return (
    item.state === 'active' &&
    // What happened before it was made is history.
    event.appendedAt >= item.createdAt &&
    item.types.some((pattern) => matchesType(pattern, event.type)) &&
    (item.connection === undefined || matchesConnection(item.connection, event)) &&
    mayReadEvent((vendor, connection) => mayRead(item.scopes, vendor, connection), event)
  );
}

/** True when a key may read everything that a subscription is sent. */
export function maySee(principal: Principal, item: SubscriptionItem): boolean {
  if (principal.keyId === item.keyId) return true;
  return reachOf(item).every(({ vendor, connection }) => mayRead(principal.scopes, vendor, connection));
}

/** The host of a target: what may be told of it to those who do not own it, since hook URLs are often secrets themselves. */
export function targetOf({ url }: SubscriptionItem): string {
  return URL.parse(url)?.host ?? '';
}

/** The connection that is named in what we tell of a subscription; without one only keys that read everything see it. */
export function aboutOf({ connection, types }: SubscriptionItem): { about?: { vendor: string; connection: string } } {
  const [first = '', second] = connection?.split('/') ?? [];
  if (second !== undefined) return { about: { vendor: first, connection: second } };
  const families = new Set(types.map((type) => type.split('.')[0]));
  const vendor = families.size === 1 ? vendorNames.find((name) => families.has(name)) : undefined;
  return vendor && first ? { about: { vendor, connection: first } } : {};
}

function reachOf({ scopes, connection, types }: SubscriptionItem): { vendor: string; connection: string }[] {
  const [first, second] = connection?.split('/') ?? [];
  const families = new Set(types.map((type) => type.split('.')[0] ?? '*'));
  const only = families.size === 1 ? [...families][0] : undefined;
  return scopes.map((scope) => {
    const [vendor = '*', name = '*'] = scope.split('/');
    const narrowed = second === undefined ? only : first;
    return {
      vendor: vendor === '*' && narrowed !== undefined && narrowed !== 'trunkline' ? narrowed : vendor,
      connection: name === '*' ? (second ?? first ?? '*') : name,
    };
  });
}

/** What of a key's scopes decides on reading: vendor and connection, not what may be done there. */
export function readScopes({ scopes }: Principal): string[] {
  return [
    ...new Set(
      scopes.filter((scope) => !scope.startsWith('trunkline/')).map((scope) => scope.split('/').slice(0, 2).join('/')),
    ),
  ].map((scope) => `${scope}/*`);
}
