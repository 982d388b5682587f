import { controlRoutes } from '../lib/aws/control-routes.ts';
import { openHttpFunction } from '../lib/aws/http-function.ts';
import type { Services } from '../lib/aws/services.ts';
import { eventTypesOf } from '../lib/events/event-types.ts';
import { site } from '../lib/site/routes.ts';
import { vendors } from '../lib/vendors/index.ts';

/** `/openapi.json`, `/docs` and `/health`. */
export const handler = openHttpFunction(
  site((services: Services) => ({
    vendors,
    routes: controlRoutes(services, vendors),
    eventTypes: eventTypesOf(vendors),
  })),
);
