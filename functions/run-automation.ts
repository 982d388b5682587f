import { runAutomation } from '../lib/automations/runs/run.ts';
import { durableFunction } from '../lib/aws/durable.ts';
import { log, metric } from '../lib/aws/log.ts';
import type { RunStart } from '../lib/core/durable.ts';
import { vendors } from '../lib/vendors/index.ts';

/** One run, step by step; durable: it outlives waits of days and the death of its process. */
export const handler = durableFunction<RunStart>('run-automation', async (services, context, payload) => {
  const end = await runAutomation({ ...services, log }, vendors, context, payload);
  if (end.state === 'failed' || end.state === 'partial')
    metric('RunFailed', 1, 'Count', { function: 'run-automation' });
  return end;
});
