import { abandonExecution } from '../lib/automations/runs/finish.ts';
import { endedExecutions } from '../lib/aws/ended-executions.ts';
import { log } from '../lib/aws/log.ts';
import { abandonDelivery } from '../lib/subscriptions/deliveries/deliver.ts';

/**
 * Executions that Lambda itself ended: their runs and deliveries end, too, so that the failure is reported at once and the next alarm
 * with the same key is not treated as a duplicate.
 */
export const handler = endedExecutions(async (services, id, reason) => {
  await abandonExecution({ ...services, log }, id, reason);
  await abandonDelivery(services, id, reason);
});
