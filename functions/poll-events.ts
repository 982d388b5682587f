import { listeners } from '../lib/aws/listeners.ts';
import { metric } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';
import { pollEvents } from '../lib/events/poll.ts';
import { vendors } from '../lib/vendors/index.ts';

/** Every minute: polls the due event sources that have a listener. */
export const handler = scheduledFunction('poll-events', async (services, tick) => {
  const listening = await listeners(services.table, services.clock.now());
  const report = await pollEvents(services, vendors, tick, listening);
  metric('PollFailures', report.failed, 'Count', { clock: 'poll-events' });
  return report;
});
