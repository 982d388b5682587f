import { startRunsOnce } from '../lib/automations/automations.ts';
import { streamFunction } from '../lib/aws/stream-function.ts';
import type { EventItem } from '../lib/events/log.ts';
import { routeEvents } from '../lib/subscriptions/route-events.ts';

/**
 * The table's stream: assigns each new event its position in the log and passes it to subscriptions, waiting runs and
 * automations.
 */
export const handler = streamFunction<EventItem>('route-events', async (services, events) => {
  const { failed } = await routeEvents(services, events, async (event) => {
    await startRunsOnce(services, event);
  });
  return failed;
});
