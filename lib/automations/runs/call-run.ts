import type { SlowCall } from '../../connections/invoke.ts';
import { callsOwner, type RunServices, startRun } from './runs.ts';

/** Creates a run of one step for a long-running call; returns the run's id. */
export function startCallRun(services: RunServices, call: SlowCall): Promise<string> {
  return startRun(services, {
    owner: callsOwner(call.vendor),
    name: `${call.vendor}/${call.connection}/${call.operation}`,
    definition: {
      do: [{ name: 'call', call: `${call.vendor}/${call.connection}/${call.operation}`, input: { ...call.input } }],
    },
    scopes: call.principal.scopes,
    keyId: call.principal.keyId,
    cause: `call ${call.requestId}`,
    createdAt: services.clock.now(),
  });
}
