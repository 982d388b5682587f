import { createHash } from 'node:crypto';
import type { TrunklineEvent } from '../core/event-type.ts';
import type { EventItem, LogServices } from '../events/log.ts';
import { appendOwnEvent } from '../events/own-events.ts';
import { aboutEvent, type EventOwner } from '../events/reading.ts';
import { conditionHolds } from '../expressions/condition.ts';
import { ExpressionFailure } from '../expressions/pool.ts';
import { keys } from '../store/items.ts';
import { targetOf } from './reach.ts';
import type { SubscriptionItem } from './subscriptions.ts';

const dayMs = 24 * 60 * 60_000;

/**
 * Whether a subscription's filter passes an event. A failing filter passes nothing: the subscription shows the reason, and an
 * event reports it once a day for each kind of failure.
 */
export async function passes(
  services: LogServices,
  subscription: SubscriptionItem,
  event: Pick<EventItem, 'id' | 'type'> & EventOwner,
  shown: () => Promise<TrunklineEvent>,
): Promise<boolean> {
  if (subscription.filter === undefined) return true;
  const bindings = { event: await shown() };
  try {
    return await conditionHolds(subscription.filter, bindings, services.clock.now(), subscription.id);
  } catch (error) {
    // Any other error is an internal fault, and the event is routed again.
    if (!(error instanceof ExpressionFailure && error.isFinal)) throw error;
    await noteProblem(services, subscription, event, error.message.slice(0, 500));
    return false;
  }
}

async function noteProblem(
  services: LogServices,
  subscription: SubscriptionItem,
  event: Pick<EventItem, 'id' | 'type'> & EventOwner,
  problem: string,
): Promise<void> {
  const { id } = subscription;
  const day = Math.floor(services.clock.now() / dayMs);
  const digest = createHash('sha256').update(problem).digest('base64url').slice(0, 12);
  await appendOwnEvent(services, {
    type: 'trunkline.subscription.filter_failed',
    id: `${id}/${digest}/${day}`,
    data: {
      subscriptionId: id,
      target: targetOf(subscription),
      eventId: event.id,
      eventType: event.type,
      reason: problem,
    },
    // The reason may quote the event.
    ...aboutEvent(event),
  });
  if (problem === subscription.filterProblem) return;
  // The subscription may come from a cache that this change does not invalidate.
  subscription.filterProblem = problem;
  await services.table.update(
    keys.subscription(id),
    'SET #filterProblem = :problem',
    { problem },
    'attribute_exists(#pk)',
  );
}
