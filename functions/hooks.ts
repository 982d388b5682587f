import { startRunsOnce } from '../lib/automations/automations.ts';
import { findRun } from '../lib/automations/runs/runs.ts';
import { hasReadNoVendor } from '../lib/automations/runs/visible.ts';
import { hookFunction } from '../lib/aws/hook-function.ts';
import { vendors } from '../lib/vendors/index.ts';

/** Inbound webhooks: `POST /hooks/{token}`. */
export const handler = hookFunction(vendors, (services) => ({
  startRuns: (event) => startRunsOnce(services, event),
  runResult: async (id) => {
    const run = await findRun(services.table, id);
    if (!run || run.state === 'running') return undefined;
    // The sender has no key, so the response must not quote anything that the run has read at a vendor.
    return { id, state: run.state, ...(hasReadNoVendor(run) && { reason: run.reason }) };
  },
}));
