import type { Catalogue } from '../core/vendor.ts';
import { accountRoutes } from '../gateway/control/account.ts';
import { connectionRoutes } from '../gateway/control/connections.ts';
import { keyRoutes } from '../gateway/control/keys.ts';
import type { Route } from '../gateway/route.ts';
import type { Services } from './services.ts';

/** Every control call: the function that answers them and the OpenAPI document read this one list. Making it calls no service. */
export function controlRoutes(services: Services, vendors: Catalogue): Route[] {
  return [...connectionRoutes(services, vendors), ...keyRoutes(services.keys), ...accountRoutes(services.table)];
}
