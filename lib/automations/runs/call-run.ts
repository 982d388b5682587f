import type { SlowCall } from '../../connections/invoke.ts';
import { callsOwner, type RunServices, startRun } from './runs.ts';

/** Makes a run of one step of a call that takes longer than a call may; answers the run's id. */
export function startCallRun(services: RunServices, call: SlowCall): Promise<string> {
  return startRun(services, {
    owner: callsOwner,
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
