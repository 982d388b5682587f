import type { Principal } from '../api/key-check.ts';
import { adminScope, mayRead } from '../api/scopes.ts';
import { type EventOwner, isHistory, matchesConnection, matchesType, mayReadEvent } from '../events/list.ts';
import { hookPrefix, type OwnEventType } from '../events/own-events.ts';
import type { SubscriptionItem } from './records.ts';

/** The fields that determine which events a subscription covers. */
export type Reach = { types: readonly string[]; connection?: string | undefined };

/** True when a subscription covers an event, apart from its filter: type, connection, and what its creator may read. */
export function isFor(
  item: SubscriptionItem,
  event: EventOwner & { type: string; appendedAt: number; happenedAt?: number },
): boolean {
  return item.state === 'active' && !isHistory(event, item.createdAt, item.updatedAt) && concerns(item, event);
}

/** The same, regardless of the subscription's state and age. */
export function concerns(item: SubscriptionItem, event: EventOwner & { type: string }): boolean {
  return (
    item.types.some((pattern) => matchesType(pattern, event.type)) &&
    (item.connection === undefined || matchesConnection(item.connection, event)) &&
    mayReadEvent((vendor, connection) => mayRead(item.scopes, vendor, connection), event)
  );
}

/** True when a key may read everything that a subscription receives. */
export function maySee(principal: Principal, item: SubscriptionItem): boolean {
  if (principal.keyId === item.keyId) return true;
  return pairsOf(item.scopes, item).every(({ vendor, connection }) => mayRead(principal.scopes, vendor, connection));
}

/** True when a key with these scopes may read at least part of what a subscription would receive. */
export function mayReceive(scopes: readonly string[], reach: Reach): boolean {
  return pairsOf(readScopes(scopes), reach).length > 0;
}

/** The host of a target: all that non-owners may see of it, since hook URLs are often secrets themselves. */
export function targetOf({ url }: SubscriptionItem): string {
  return URL.parse(url)?.host ?? '';
}

/** The connection that events about a subscription name; without one, only keys that can read everything see them. */
export function aboutOf(item: SubscriptionItem): { about?: { vendor: string; connection: string } } {
  const { vendors, connection } = bounds(item);
  const [vendor, another] = vendors ?? [];
  return vendor && another === undefined && connection ? { about: { vendor, connection } } : {};
}

/**
 * The parts of a key's scopes that determine read access: vendor and connection, not the permitted operations; and whether it
 * reads hooks.
 */
export function readScopes(scopes: readonly string[]): string[] {
  const places = scopes.filter((scope) => !scope.startsWith('trunkline/')).map((scope) => scope.split('/').slice(0, 2));
  const hooks = mayRead(scopes, 'trunkline', 'hooks') && !scopes.includes(adminScope) ? [hookScope] : [];
  return [...new Set(places.map((place) => `${place.join('/')}/*`)), ...hooks];
}

/** The scope with which a key sees what is received through hooks. */
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
  // Own events are about connections of every vendor.
  const all = families.has('*') || families.has('trunkline');
  const named = first !== undefined && second !== undefined ? [first] : undefined;
  const vendors = all
    ? named
    : [...families].flatMap((name) => (name && (named?.includes(name) ?? true) ? [name] : []));
  return { vendors, connection, hooks };
}

/** Vendor and connection of each scope, narrowed to the reach; `*` for all. */
function pairsOf(scopes: readonly string[], reach: Reach): { vendor: string; connection: string }[] {
  const { vendors, connection: only, hooks } = bounds(reach);
  return scopes.flatMap((scope) => {
    if (scope === hookScope) return hooks ? [{ vendor: 'trunkline', connection: 'hooks' }] : [];
    // Hooks alone: a key that can read everything can read them, too.
    if (hooks && vendors?.length === 0)
      return scope === adminScope ? [{ vendor: 'trunkline', connection: 'hooks' }] : [];
    const [vendor = '*', connection = '*'] = scope.split('/');
    if (only !== undefined && connection !== '*' && connection !== only) return [];
    const name = connection === '*' ? (only ?? '*') : connection;
    if (vendor !== '*') return (vendors?.includes(vendor) ?? true) ? [{ vendor, connection: name }] : [];
    return (vendors ?? ['*']).map((each) => ({ vendor: each, connection: name }));
  });
}
