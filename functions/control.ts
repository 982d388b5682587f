import { controlFunction } from '../lib/aws/control-function.ts';
import { controlRoutes } from '../lib/aws/control-routes.ts';
import { vendors } from '../lib/vendors/index.ts';

/** Connections, keys and their status. */
export const handler = controlFunction((services) =>
  controlRoutes(services, vendors, async () => (await import('../recipes/index.ts')).recipes),
);
