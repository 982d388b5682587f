import { startRunsFor } from '../lib/automations/automations.ts';
import { metric } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';
import { sweepEvents } from '../lib/subscriptions/sweep-events.ts';

/** Every minute: routes the events that the table's stream did not deliver. Invoked with `{"all": true}`, without waiting. */
export const handler = scheduledFunction('sweep-events', async (services, { signal, all }) => {
  const startRuns = async (found: Parameters<typeof startRunsFor>[1]) => void (await startRunsFor(services, found));
  const report = await sweepEvents(services, startRuns, { signal, all });
  metric('EventsSwept', report.found, 'Count', { clock: 'sweep-events' });
  return report;
});
