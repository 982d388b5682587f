import { automationRoutes } from '../automations/control.ts';
import { hookRoutes } from '../automations/hook-control.ts';
import { runRoutes } from '../automations/run-control.ts';
import type { Catalogue } from '../core/vendor.ts';
import { deliveryRoutes } from '../events/control/deliveries.ts';
import { eventRoutes } from '../events/control/events.ts';
import { subscriptionRoutes } from '../events/control/subscriptions.ts';
import { forgetPolls, planPolls } from '../events/poll-plan.ts';
import { accountRoutes } from '../gateway/control/account.ts';
import type { ConnectionChange } from '../gateway/control/connection-records.ts';
import { connectionRoutes } from '../gateway/control/connections.ts';
import { keyRoutes } from '../gateway/control/keys.ts';
import { loginRoutes } from '../gateway/control/login.ts';
import { uploadRoutes } from '../gateway/control/uploads.ts';
import type { Route } from '../gateway/route.ts';
import { keys } from '../store/items.ts';
import type { Services } from './services.ts';

/** Every control call: the function that answers them and the OpenAPI document read this one list. Making it calls no service. */
export function controlRoutes(services: Services, vendors: Catalogue): Route[] {
  const onChange: ConnectionChange = (vendor, connection, gone) =>
    gone
      ? forgetPolls(services.table, vendor.name, connection.name)
      : planPolls(services.table, vendor, connection, services.clock.now(), true);
  return [
    ...connectionRoutes(services, vendors, onChange),
    ...loginRoutes(services, vendors, onChange),
    ...keyRoutes(services.keys),
    ...hookRoutes(services, vendors),
    ...automationRoutes(services, vendors, async (id) => (await services.table.get(keys.hook(id), true)) !== undefined),
    ...runRoutes(services),
    ...uploadRoutes(services.files),
    ...eventRoutes(services, vendors),
    ...subscriptionRoutes(services, vendors),
    ...deliveryRoutes(services),
    ...accountRoutes(services.table),
  ];
}
