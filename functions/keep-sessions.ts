import { metric } from '../lib/aws/log.ts';
import { scheduledFunction } from '../lib/aws/scheduled-function.ts';
import { keepSessions } from '../lib/connections/keepalive.ts';
import { vendors } from '../lib/vendors/index.ts';

/** Every minute: keepalives for the sessions that are due, new sessions for those that died. */
export const handler = scheduledFunction('keep-sessions', async (services, tick) => {
  const report = await keepSessions(services, vendors, tick);
  if (!tick.pages) metric('KeepAliveGap', report.longestGap, 'Milliseconds', { clock: 'keep-sessions' });
  return report;
});
