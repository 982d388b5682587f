import type { Principal } from '../api/key-check.ts';
import { adminScope, mayRead } from '../api/scopes.ts';
import { type EventOwner, isHistory, matchesConnection, matchesType, mayReadEvent } from '../events/list.ts';
import { hookPrefix, type OwnEventType } from '../events/own-events.ts';
import type { SubscriptionItem } from './subscriptions.ts';

/** What says which events a subscription is about. */
export type Reach = { types: readonly string[]; connection?: string | undefined };

/** True when an event is for a subscription, its filter aside: type, connection, and what its maker may read. */
export function isFor(
  item: SubscriptionItem,
  event: EventOwner & { type: string; appendedAt: number; happenedAt?: number },
): boolean {
  return item.state === 'active' && !isHistory(event, item.createdAt, item.updatedAt) && concerns(item, event);
}

/** The same whatever the subscription's state and age. */
export function concerns(item: SubscriptionItem, event: EventOwner & { type: string }): boolean {
  return (
    item.types.some((pattern) => matchesType(pattern, event.type)) &&
    (item.connection === undefined || matchesConnection(item.connection, event)) &&
    mayReadEvent((vendor, connection) => mayRead(item.scopes, vendor, connection), event)
  );
}

/** True when a key may read everything that a subscription is sent. */
export function maySee(principal: Principal, item: SubscriptionItem): boolean {
  if (principal.keyId === item.keyId) return true;
  return pairsOf(item.scopes, item).every(({ vendor, connection }) => mayRead(principal.scopes, vendor, connection));
}

/** True when a key with these scopes may read at least something of what a subscription would be sent. */
export function mayReceive(scopes: readonly string[], reach: Reach): boolean {
  return pairsOf(readScopes(scopes), reach).length > 0;
}

/** The host of a target: what may be told of it to those who do not own it, since hook URLs are often secrets themselves. */
export function targetOf({ url }: SubscriptionItem): string {
  return URL.parse(url)?.host ?? '';
}

/** The connection that is named in what we tell of a subscription; without one only keys that read everything see it. */
export function aboutOf(item: SubscriptionItem): { about?: { vendor: string; connection: string } } {
  const { vendors, connection } = bounds(item);
  const [vendor, another] = vendors ?? [];
  return vendor && another === undefined && connection ? { about: { vendor, connection } } : {};
}

/** What of a key's scopes decides on reading: vendor and connection, not what may be done there; and whether it reads hooks. */
export function readScopes(scopes: readonly string[]): string[] {
  const places = scopes.filter((scope) => !scope.startsWith('trunkline/')).map((scope) => scope.split('/').slice(0, 2));
  const hooks = mayRead(scopes, 'trunkline', 'hooks') && !scopes.includes(adminScope) ? [hookScope] : [];
  return [...new Set(places.map((place) => `${place.join('/')}/*`)), ...hooks];
}

/** What lets a key see what comes through hooks. */
const hookScope = 'trunkline/hooks/read';
const hookType: OwnEventType = 'trunkline.hook.received';

/** The vendors (undefined for all) and the connection that a reach covers, and whether it covers hooks. */
function bounds({ types, connection: wanted }: Reach): {
  vendors: readonly string[] | undefined;
  connection: string | undefined;
  hooks: boolean;
} {
  const [first, second] = wanted?.split('/') ?? [];
  const connection = second ?? first;
  const hooks = types.some((pattern) => matchesType(pattern, hookType)) && (connection?.startsWith(hookPrefix) ?? true);
  const families = new Set(types.filter((type) => type !== hookType).map((type) => type.split('.')[0]));
  // Our own events tell of connections of every vendor.
  const all = families.has('*') || families.has('trunkline');
  const named = first !== undefined && second !== undefined ? [first] : undefined;
  const vendors = all
    ? named
    : [...families].flatMap((name) => (name && (named?.includes(name) ?? true) ? [name] : []));
  return { vendors, connection, hooks };
}

/** Vendor and connection of each scope, narrowed to what the reach leaves over; `*` for all. */
function pairsOf(scopes: readonly string[], reach: Reach): { vendor: string; connection: string }[] {
  const { vendors, connection: only, hooks } = bounds(reach);
  return scopes.flatMap((scope) => {
    if (scope === hookScope) return hooks ? [{ vendor: 'trunkline', connection: 'hooks' }] : [];
    // Hooks alone: whoever reads everything reads them, too.
    if (hooks && vendors?.length === 0)
      return scope === adminScope ? [{ vendor: 'trunkline', connection: 'hooks' }] : [];
    const [vendor = '*', connection = '*'] = scope.split('/');
    if (only !== undefined && connection !== '*' && connection !== only) return [];
    const name = connection === '*' ? (only ?? '*') : connection;
    if (vendor !== '*') return (vendors?.includes(vendor) ?? true) ? [{ vendor, connection: name }] : [];
    return (vendors ?? ['*']).map((each) => ({ vendor: each, connection: name }));
  });
}
