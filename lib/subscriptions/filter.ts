import type { Clock } from '../core/clock.ts';
import type { TrunklineEvent } from '../core/event-type.ts';
import { conditionHolds } from '../expressions/condition.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import type { SubscriptionItem } from './subscriptions.ts';

/** A filter that cannot be evaluated lets nothing through, and its subscription says why. */
export async function passes(
  services: { table: Table; clock: Clock },
  subscription: SubscriptionItem,
  shown: () => Promise<TrunklineEvent>,
): Promise<boolean> {
  if (subscription.filter === undefined) return true;
  try {
    return await conditionHolds(subscription.filter, { event: await shown() }, services.clock.now());
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    if (problem !== subscription.filterProblem) {
      // The subscription may come from a cache that this change does not end.
      subscription.filterProblem = problem;
      await services.table.update(
        keys.subscription(subscription.id),
        'SET #filterProblem = :problem',
        { problem: problem.slice(0, 500) },
        'attribute_exists(#pk)',
      );
    }
    return false;
  }
}
