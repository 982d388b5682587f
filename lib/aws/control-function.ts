import { audit } from '../api/audit.ts';
import { type Dispatcher, dispatcher, type Route } from '../api/route.ts';
import { httpFunction } from './http-function.ts';
import type { Services } from './services.ts';

/** A Lambda handler over declared routes; they are made once, from the services of the process. */
export function controlFunction(routes: (services: Services) => Route[]) {
  let dispatch: Dispatcher | undefined;
  return httpFunction((request, principal, services) => {
    dispatch ??= dispatcher(routes(services), services, (caller, route, params, asked) =>
      audit(services, caller, route, params, asked),
    );
    return dispatch(request, principal);
  });
}
