import type { LogServices } from '../events/log.ts';
import { appendOwnEvent } from '../events/own-events.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { triggerWrites } from '../store/triggers.ts';
import { aboutOf, targetOf } from './reach.ts';
import type { SubscriptionItem } from './subscriptions.ts';

/** How long a target may accept nothing before its subscription is disabled, in milliseconds. */
const failureGraceMs = 5 * 24 * 60 * 60_000;

/** Notes that an attempt failed. After days without a success, the subscription is disabled and an event reports it. */
export async function noteFailure(services: LogServices, item: SubscriptionItem, reason: string): Promise<void> {
  const { table, clock } = services;
  const now = clock.now();
  const key = keys.subscription(item.id);
  if (item.failingSince === undefined) {
    await table.update(
      key,
      'SET #failingSince = :now',
      { now },
      'attribute_not_exists(#failingSince) AND attribute_exists(#pk)',
    );
    return;
  }
  if (now - item.failingSince < failureGraceMs) return;
  const failingSince = new Date(item.failingSince).toISOString();
  const why = `Nothing was accepted since ${failingSince}. The last answer: ${reason}`;
  await appendOwnEvent(services, {
    type: 'trunkline.subscription.disabled',
    id: `${item.id}/${item.failingSince}`,
    data: { subscriptionId: item.id, target: targetOf(item), failingSince, reason: why },
    ...aboutOf(item),
  });
  await table.transact([
    {
      update: { key, expression: 'SET #state = :disabled, #reason = :why, #updatedAt = :now' },
      condition: '#state = :active AND #failingSince = :since',
      values: { disabled: 'disabled', why, now, active: 'active', since: item.failingSince },
    },
    ...triggerWrites('subscription', item.id, []),
  ]);
}

/** Disables a subscription whose target answered 410. It stays listed, an event reports it, and its owner may enable it again. */
export async function noteGone(services: LogServices, item: SubscriptionItem): Promise<void> {
  const { table, clock } = services;
  const reason = 'The target answered 410 Gone.';
  await appendOwnEvent(services, {
    type: 'trunkline.subscription.gone',
    id: `${item.id}/${item.updatedAt}`,
    data: { subscriptionId: item.id, target: targetOf(item), reason },
    ...aboutOf(item),
  });
  await table.transact([
    {
      update: {
        key: keys.subscription(item.id),
        expression: 'SET #state = :gone, #reason = :reason, #updatedAt = :now',
      },
      condition: '#state = :active',
      values: { gone: 'gone', reason, now: clock.now(), active: 'active' },
    },
    ...triggerWrites('subscription', item.id, []),
  ]);
}

/** Notes that a target accepts requests again. */
export async function noteSuccess(table: Table, item: SubscriptionItem): Promise<void> {
  if (item.failingSince === undefined) return;
  await table.update(keys.subscription(item.id), 'REMOVE #failingSince', {}, 'attribute_exists(#pk)');
}
