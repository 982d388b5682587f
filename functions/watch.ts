import { publishAdminKey } from '../lib/api/keys/admin-key.ts';
import { metric } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';
import { watch } from '../lib/watch/heartbeat.ts';
import { runSelfTest } from '../lib/watch/self-test.ts';
import { reportSilentHooks } from '../lib/watch/silent-hooks.ts';

/** The scheduled functions whose ticks are watched. */
export const watchedClocks = ['keep-sessions', 'poll-events', 'start-schedules', 'sweep-events'];

/** Every minute: publishes the hash of the admin key, checks that the last minute's work was done and, if so, calls the external monitor. */
export const handler = scheduledFunction('watch', async (services) => {
  await publishAdminKey(services);
  const report = await watch(services, watchedClocks, process.env.TRUNKLINE_HEARTBEAT_URL, () => runSelfTest(services));
  const silentHooks = await reportSilentHooks(services);
  metric('ChecksFailed', report.failed.length, 'Count', { clock: 'watch' });
  return { ...report, silentHooks };
});
