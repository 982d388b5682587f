import { reportSuppressed } from '../lib/automations/runs/flood.ts';
import { sweepRuns } from '../lib/automations/runs/sweep.ts';
import { startSchedules } from '../lib/automations/start-schedules.ts';
import { log } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';

/** Every minute: the automations whose time has come, and what became of runs that nobody carries out any more. */
export const handler = scheduledFunction('start-schedules', async (services, tick) => {
  const report = await startSchedules(services, tick);
  // A worker has its share of the schedules alone.
  if (tick.pages) return report;
  const swept = await sweepRuns({ ...services, log }, tick.signal);
  return { ...report, suppressedMinutes: await reportSuppressed(services), lostRuns: swept };
});
