import { reportSuppressed } from '../lib/automations/runs/flood.ts';
import { sweepRuns } from '../lib/automations/runs/sweep.ts';
import { startSchedules } from '../lib/automations/start-schedules.ts';
import { log } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';

/** Every minute: starts the automations that are due, and resolves runs that are no longer being carried out. */
export const handler = scheduledFunction('start-schedules', async (services, tick) => {
  const report = await startSchedules(services, tick);
  // A worker handles only its share of the schedules.
  if (tick.pages) return report;
  const swept = await sweepRuns({ ...services, log }, tick.signal);
  return { ...report, suppressedMinutes: await reportSuppressed(services), lostRuns: swept };
});
