import { automationRoutes } from '../automations/control.ts';
import { hookRoutes } from '../automations/hook-control.ts';
import { runRoutes } from '../automations/run-control.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { deliveryRoutes } from '../events/control/deliveries.ts';
import { eventRoutes } from '../events/control/events.ts';
import { subscriptionRoutes } from '../events/control/subscriptions.ts';
import { forgetPolls, looksAt, planPolls } from '../events/poll-plan.ts';
import { accountRoutes } from '../gateway/control/account.ts';
import type { ConnectionChange } from '../gateway/control/connection-records.ts';
import { connectionRoutes } from '../gateway/control/connections.ts';
import { keyRoutes } from '../gateway/control/keys.ts';
import { loginRoutes } from '../gateway/control/login.ts';
import { uploadRoutes } from '../gateway/control/uploads.ts';
import { ApiKeys } from '../gateway/keys.ts';
import type { Route } from '../gateway/route.ts';
import { keys } from '../store/items.ts';
import { hooksOf } from './hooks.ts';
import type { Services } from './services.ts';

/** Every control call: the function that answers them and the OpenAPI document read this one list. Making it calls no service. */
export function controlRoutes(services: Services, vendors: EventCatalogue): Route[] {
  const onChange: ConnectionChange = async ({ name }, connection, gone) => {
    const vendor = vendors[name];
    if (gone) await forgetPolls(services.table, name, connection.name);
    else if (vendor) await planPolls(services.table, vendor, connection, services.clock.now(), true);
  };
  return [
    ...connectionRoutes(services, vendors, onChange, (vendor, name) => looksAt(services.table, vendor, name)),
    ...loginRoutes(services, vendors, onChange),
    ...keyRoutes(new ApiKeys(services.table, services.clock, services.random, services.keys)),
    ...hookRoutes({ ...services, hooks: hooksOf(services) }, vendors),
    ...automationRoutes(services, vendors, async (id) => (await services.table.get(keys.hook(id), true)) !== undefined),
    ...runRoutes(services),
    ...uploadRoutes(services.files),
    ...eventRoutes(services, vendors),
    ...subscriptionRoutes(services, vendors),
    ...deliveryRoutes(services),
    ...accountRoutes(services.table),
  ];
}
