import type { Creations } from '../api/keys/routes.ts';
import { hookSecret } from '../core/secrets.ts';
import type { Hooks } from '../hooks/hooks.ts';
import { listSubscriptions, removeSubscription, type SubscriptionServices } from '../subscriptions/subscriptions.ts';
import { listAutomations } from './automations.ts';
import { removeAutomation } from './records.ts';
import type { RunServices } from './runs/runs.ts';

/**
 * Everything that keys have created other than keys, in an order in which it can be removed without leaving dangling references.
 */
export function creations(services: SubscriptionServices & RunServices, hooks: () => Hooks): Creations {
  const { table, secrets } = services;
  return async (keyIds) => {
    const [automations, subscriptions, everyHook] = await Promise.all([
      listAutomations(table),
      listSubscriptions(table),
      hooks().list(),
    ]);
    return [
      ...automations
        .filter(({ creator }) => keyIds.includes(creator))
        .map((item) => ({
          type: 'automation' as const,
          id: item.id,
          name: item.name,
          remove: () => removeAutomation(services, item),
        })),
      ...subscriptions
        .filter(({ keyId }) => keyIds.includes(keyId))
        .map(({ id, url }) => ({
          type: 'subscription' as const,
          id,
          name: url,
          remove: () => removeSubscription(services, id, 'The key that made it was revoked.'),
        })),
      ...everyHook
        .filter(({ keyId }) => keyIds.includes(keyId))
        .map(({ id, name }) => ({
          type: 'hook' as const,
          id,
          name,
          remove: async () => {
            await hooks().remove(id);
            await secrets.delete(hookSecret(id));
          },
        })),
    ];
  };
}
