import type { Principal } from '../api/keys/key-check.ts';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { defined } from '../core/record.ts';
import { storeSecret } from '../core/rotated-secret.ts';
import { type SecretStore, subscriptionSecret } from '../core/secrets.ts';
import { newSigningSecret } from '../core/standard-webhooks.ts';
import { type LogServices, retentionMs } from '../events/log.ts';
import type { ReadableType } from '../events/reading.ts';
import { expiry, keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { completeTriggers, removeTriggers, triggered, triggersOf, triggerWrites } from '../store/triggers.ts';
import { maySee } from './reach.ts';
import type { SubscriptionItem } from './records.ts';

export type { SubscriptionItem } from './records.ts';

export interface SubscriptionServices extends LogServices {
  secrets: SecretStore;
  random: Random;
}

export interface NewSubscription {
  url: string;
  types: string[];
  connection?: string | undefined;
  filter?: string | undefined;
  description?: string | undefined;
}

/** The fields of a subscription that can be changed; null removes one. */
export interface SubscriptionChange {
  url?: string | undefined;
  types?: string[] | undefined;
  connection?: string | null | undefined;
  filter?: string | null | undefined;
  description?: string | null | undefined;
  enabled?: boolean | undefined;
}

/** Creates a subscription; its secret is returned only here. */
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
    ...defined({ connection, filter, description }),
    state: 'active',
    keyId: principal.keyId,
    scopes: [...principal.scopes],
    secretVersion: 1,
    createdAt: now,
    updatedAt: now,
  };
  const secret = newSigningSecret(services.random.bytes);
  await storeSecret(services.secrets, subscriptionSecret(id), 1, secret);
  await ensureTriggers(services.table);
  await services.table.transact([{ put: { ...item } }, ...triggerWrites('subscription', id, item.types)]);
  return { item, secret };
}

/** All subscriptions except removed ones. */
export function listSubscriptions(table: Table): Promise<SubscriptionItem[]> {
  return table.queryAll<SubscriptionItem>({ pk: keys.subscriptions(), consistent: true });
}

/** The subscriptions that an event of one of these types may match; `isFor` decides. */
export async function subscriptionsFor(table: Table, types: Iterable<string>): Promise<SubscriptionItem[]> {
  const triggers = new Set([...types].flatMap((type) => triggersOf({ type })));
  const source = { key: keys.subscription, all: () => listSubscriptions(table) };
  return (await Array.fromAsync(triggered<SubscriptionItem>(table, 'subscription', triggers, source))).flat();
}

/** A subscription; includes removed ones. */
export async function readSubscription(table: Table, id: string): Promise<SubscriptionItem | undefined> {
  return (
    (await table.get<SubscriptionItem>(keys.subscription(id), true)) ??
    (await table.get<SubscriptionItem>(keys.removedSubscription(id), true))
  );
}

function ensureTriggers(table: Table): Promise<void> {
  return completeTriggers(table, 'subscription', async () =>
    (await listSubscriptions(table)).map(({ id, types }) => ({ id, triggers: types })),
  );
}

/** A subscription that the key may see, or `not_found`. */
export async function findSubscription(
  table: Table,
  principal: Principal,
  id: string,
  known: readonly ReadableType[],
): Promise<SubscriptionItem> {
  const item = await readSubscription(table, id);
  if (item && item.state !== 'removed' && maySee(principal, item, known)) return item;
  throw new GatewayError(
    'not_found',
    `There is no subscription ${JSON.stringify(id.slice(0, 80))} that this key may see.`,
  );
}

/** Changes a subscription; enabling it resets how long it has failed. */
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
  const expression = `SET ${names(Object.keys(set), (name) => `#${name} = :${name}`)}${
    remove.length > 0 ? ` REMOVE ${names(remove, (name) => `#${name}`)}` : ''
  }`;
  await ensureTriggers(table);
  const key = keys.subscription(item.id);
  const types = rest.types ?? item.types;
  const changed = await table.transact([
    // Of two concurrent changes, the later must know which types it replaces.
    { update: { key, expression }, condition: '#types = :before', values: { ...set, before: item.types } },
    ...triggerWrites('subscription', item.id, types),
  ]);
  const now = await table.get<SubscriptionItem>(key, true);
  if (!now) throw new GatewayError('not_found', 'The subscription was removed meanwhile.');
  if (!changed.done)
    throw new GatewayError(
      'conflict',
      'Another request changed the subscription at the same time. Read it and try again.',
    );
  await removeTriggers(table, 'subscription', item.id, new Set(item.types).difference(new Set(now.types)));
  return now;
}

/** Removes a subscription with its secret; removing it again is not an error. Pending deliveries are not sent. */
export async function removeSubscription(
  services: { table: Table; secrets: SecretStore; clock: Clock },
  id: string,
  reason: string,
): Promise<void> {
  const { table, clock } = services;
  const item = await table.get<SubscriptionItem>(keys.subscription(id), true);
  if (item) {
    const now = clock.now();
    const expiresAt = expiry(now + retentionMs);
    await table.transact([
      {
        put: { ...item, ...keys.removedSubscription(id), state: 'removed', reason, updatedAt: now, expiresAt },
      },
      { delete: keys.subscription(id) },
      ...triggerWrites('subscription', id, []),
    ]);
    await removeTriggers(table, 'subscription', id, item.types);
  }
  await services.secrets.delete(subscriptionSecret(id));
}
