import type { Principal } from '../api/key-check.ts';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { storeSecret } from '../core/rotated-secret.ts';
import { type SecretStore, subscriptionSecret } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import { isKept, type LogServices, retentionMs } from '../events/log.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { maySee, readScopes } from './reach.ts';

export interface SubscriptionServices extends LogServices {
  secrets: SecretStore;
  random: Random;
}

/** A subscription as it lies in the table. Times are epoch milliseconds. */
export interface SubscriptionItem extends Key {
  id: string;
  url: string;
  /** Types, `talk.*`, `*`. */
  types: string[];
  /** A connection's slug, or `vendor/slug`. */
  connection?: string;
  /** JSONata over `event`; only a true one is delivered. */
  filter?: string;
  description?: string;
  /** `disabled`: switched off by us after long failure, with a reason. `removed`: kept for its deliveries alone. */
  state: 'active' | 'paused' | 'disabled' | 'removed';
  reason?: string;
  /** The key that made it; its scopes bound what is delivered. */
  keyId: string;
  scopes: string[];
  /** Counts the secrets; a cached one with another number is read again. */
  secretVersion: number;
  /** Since when nothing has been accepted. */
  failingSince?: number;
  /** Why the filter could not be evaluated the last time. */
  filterProblem?: string;
  createdAt: number;
  updatedAt: number;
  expiresAt?: number;
}

export interface NewSubscription {
  url: string;
  types: string[];
  connection?: string | undefined;
  filter?: string | undefined;
  description?: string | undefined;
}

/** What of a subscription may be changed; null removes. */
export interface SubscriptionChange {
  url?: string | undefined;
  types?: string[] | undefined;
  connection?: string | null | undefined;
  filter?: string | null | undefined;
  description?: string | null | undefined;
  enabled?: boolean | undefined;
}

/** Makes a subscription; its secret is shown this once. */
export async function createSubscription(
  services: SubscriptionServices,
  principal: Principal,
  wanted: NewSubscription,
): Promise<{ item: SubscriptionItem; secret: string }> {
  const { url, types, connection, filter, description } = wanted;
  const now = services.clock.now();
  const id = `sub_${newId(services.random)}`;
  const item: SubscriptionItem = {
    ...keys.subscription(id),
    id,
    url,
    types,
    ...(connection !== undefined && { connection }),
    ...(filter !== undefined && { filter }),
    ...(description !== undefined && { description }),
    state: 'active',
    keyId: principal.keyId,
    scopes: readScopes(principal.scopes),
    secretVersion: 1,
    createdAt: now,
    updatedAt: now,
  };
  const secret = newSigningSecret(services.random.bytes);
  await storeSecret(services.secrets, subscriptionSecret(id), 1, secret);
  await services.table.put<SubscriptionItem>(item);
  return { item, secret };
}

/** All subscriptions but the removed ones. */
export async function listSubscriptions(table: Table): Promise<SubscriptionItem[]> {
  const items = await table.queryAll<SubscriptionItem>({ pk: keys.subscriptions(), consistent: true });
  return items.filter(({ state }) => state !== 'removed');
}

/** Those removed within the last 30 days, too: their deliveries can still be looked at. */
export async function allSubscriptions(table: Table, clock: Clock): Promise<SubscriptionItem[]> {
  const items = await table.queryAll<SubscriptionItem>({ pk: keys.subscriptions(), consistent: true });
  return items.filter(({ expiresAt }) => expiresAt === undefined || isKept({ expiresAt }, clock.now()));
}

export function readSubscription(table: Table, id: string): Promise<SubscriptionItem | undefined> {
  return table.get<SubscriptionItem>(keys.subscription(id), true);
}

/** A subscription that the key may see, or `not_found`. */
export async function findSubscription(table: Table, principal: Principal, id: string): Promise<SubscriptionItem> {
  const item = await readSubscription(table, id);
  if (item && item.state !== 'removed' && maySee(principal, item)) return item;
  throw new GatewayError(
    'not_found',
    `There is no subscription ${JSON.stringify(id.slice(0, 80))} that this key may see.`,
  );
}

/** Changes a subscription; switching it on forgets how long it had failed. */
export async function changeSubscription(
  table: Table,
  clock: Clock,
  item: SubscriptionItem,
  change: SubscriptionChange,
): Promise<SubscriptionItem> {
  const { enabled, ...rest } = change;
  const set: Record<string, unknown> = { updatedAt: clock.now() };
  const remove: string[] = [];
  for (const [name, value] of Object.entries(rest)) {
    if (value === null) remove.push(name);
    else if (value !== undefined) set[name] = value;
  }
  if (enabled !== undefined) {
    set.state = enabled ? 'active' : 'paused';
    remove.push('reason', 'failingSince');
  }
  if (rest.filter !== undefined) remove.push('filterProblem');
  const names = (list: string[], form: (name: string) => string) => list.map(form).join(', ');
  const changed = await table.update<SubscriptionItem>(
    keys.subscription(item.id),
    `SET ${names(Object.keys(set), (name) => `#${name} = :${name}`)}${
      remove.length > 0 ? ` REMOVE ${names(remove, (name) => `#${name}`)}` : ''
    }`,
    { ...set, removed: 'removed' },
    '#state <> :removed',
  );
  if (!changed.done) throw new GatewayError('not_found', 'The subscription was removed meanwhile.');
  return changed.item;
}

/** Removes a subscription with its secret; removing it again is no error. What waits to be delivered is not. */
export async function removeSubscription(
  services: { table: Table; secrets: SecretStore; clock: Clock },
  id: string,
  reason: string,
): Promise<void> {
  await services.table.update(
    keys.subscription(id),
    'SET #state = :removed, #reason = :reason, #updatedAt = :now, #expiresAt = :expiresAt',
    { removed: 'removed', reason, now: services.clock.now(), expiresAt: expiry(services.clock.now() + retentionMs) },
    'attribute_exists(#pk) AND #state <> :removed',
  );
  await services.secrets.delete(subscriptionSecret(id));
}
