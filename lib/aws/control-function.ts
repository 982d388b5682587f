import { audit } from '../api/audit.ts';
import { type Dispatcher, dispatcher, type Route } from '../api/route.ts';
import { httpFunction } from './http-function.ts';
import { log } from './log.ts';
import type { Services } from './services.ts';

/** A Lambda handler over declared routes; they are made once, from the services of the process. */
export function controlFunction(routes: (services: Services) => Route[]) {
  const made = new WeakMap<Services, Dispatcher>();
  return httpFunction((request, principal, services) => {
    const dispatch = made.get(services) ?? makeDispatcher(services);
    made.set(services, dispatch);
    return dispatch(request, principal);
  });

  function makeDispatcher(services: Services): Dispatcher {
    // The call has taken effect, and its response may contain a secret that is shown only once. A failed audit entry goes to the log instead.
    return dispatcher(routes(services), services, (caller, audited, asked) =>
      audit(services, caller, audited, asked).catch((error: unknown) =>
        log({
          level: 'error',
          message: 'audit entry not stored',
          operation: audited.route.operationId,
          outcome: audited.outcome,
          keyId: caller.keyId,
          requestId: asked.requestId,
          reason: String(error),
        }),
      ),
    );
  }
}
