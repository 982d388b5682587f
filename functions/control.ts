import { controlFunction } from '../lib/aws/control-function.ts';
import { accountRoutes } from '../lib/gateway/control/account.ts';
import { connectionRoutes } from '../lib/gateway/control/connections.ts';
import { keyRoutes } from '../lib/gateway/control/keys.ts';
import { vendors } from '../lib/vendors/index.ts';

/** Connections, keys and what goes on with them. */
export const handler = controlFunction((services) => [
  ...connectionRoutes(services, vendors),
  ...keyRoutes(services.keys),
  ...accountRoutes(services.table),
]);
