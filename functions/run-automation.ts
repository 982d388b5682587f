import { runAutomation } from '../lib/automations/runs/run.ts';
import { durableFunction } from '../lib/aws/durable.ts';
import { log, metric } from '../lib/aws/log.ts';
import type { RunStart } from '../lib/core/durable.ts';
import { vendors } from '../lib/vendors/index.ts';

/** The time limit of the last poll before a wait ends, in milliseconds: an alarm may follow. */
const pollMs = 3_000;

/** Carries out one run, step by step. The execution is durable: it survives waits of days and the death of its process. */
export const handler = durableFunction<RunStart>('run-automation', async (services, context, payload) => {
  const pollNow = async (type: string, connection: string | undefined) => {
    // Loaded on demand: most runs wait for nothing.
    const { pollTypeNow } = await import('../lib/events/poll.ts');
    const scope = { requestId: payload.runId, signal: AbortSignal.timeout(pollMs) };
    await pollTypeNow(services, vendors, { type, connection }, scope);
  };
  const end = await runAutomation({ ...services, log, pollNow }, vendors, context, payload);
  if (end.state === 'failed' || end.state === 'partial')
    metric('RunFailed', 1, 'Count', { function: 'run-automation' });
  return end;
});
