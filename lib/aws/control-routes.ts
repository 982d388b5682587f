import { accountRoutes } from '../api/account/routes.ts';
import { ApiKeys } from '../api/keys/keys.ts';
import { keyRoutes } from '../api/keys/routes.ts';
import { pauseRoutes } from '../api/pause/routes.ts';
import type { Route } from '../api/route.ts';
import { signInRoutes } from '../api/sign-ins/routes.ts';
import { uploadRoutes } from '../api/uploads/routes.ts';

import { creations } from '../automations/created-by.ts';

import type { LoadRecipes } from '../automations/recipes/recipe.ts';
import { recipeRoutes } from '../automations/recipes/routes.ts';

import { rehearsalRoutes } from '../automations/rehearsal/routes.ts';

import { automationRoutes } from '../automations/routes.ts';
import { runRoutes } from '../automations/runs/routes.ts';
import { transferRoutes } from '../automations/transfer/routes.ts';
import { connectionUsers, hookUsers } from '../automations/users.ts';
import { waitingFor } from '../automations/waiting.ts';
import { choiceRoutes } from '../connections/choices/routes.ts';
import { loginRoutes } from '../connections/logins/routes.ts';
import type { ConnectionChange } from '../connections/records.ts';
import { connectionRoutes } from '../connections/routes.ts';
import { mustBeNamedIn, scopeProblem } from '../connections/scope-problem.ts';
import { usageRoutes } from '../connections/usage/routes.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { appendResumption } from '../events/own-events.ts';
import { forgetPolls, planPolls, pollingStatus } from '../events/poll-plan.ts';
import { eventRoutes } from '../events/routes.ts';
import { hookRoutes } from '../hooks/routes.ts';
import { streamRoutes } from '../stream/routes.ts';
import { deliveryRoutes } from '../subscriptions/deliveries/routes.ts';
import { subscriptionRoutes } from '../subscriptions/routes.ts';
import { selfTestRoutes } from '../watch/routes.ts';
import { ownChoices } from './choices.ts';
import { hooksOf } from './hooks.ts';
import type { Services } from './services.ts';

/** Every control call. The control function and the OpenAPI document read this one list. Building it calls no service. */
export function controlRoutes(
  services: Services,
  vendors: EventCatalogue,
  loadRecipes: LoadRecipes = async () => ({}),
): Route[] {
  const onChange: ConnectionChange = async ({ name }, connection, gone) => {
    const vendor = vendors[name];
    if (gone) await forgetPolls(services.table, name, connection.name);
    else if (vendor) await planPolls(services.table, vendor, connection, services.clock.now(), true);
  };
  const routes: Route[] = [
    ...connectionRoutes(
      services,
      vendors,
      onChange,
      (connections) => pollingStatus(services.table, vendors, connections, services.clock.now()),
      (vendor, name) => connectionUsers(services.table, vendor, name),
    ),
    ...loginRoutes(services, vendors, onChange),
    ...usageRoutes(services, vendors),
    ...keyRoutes(
      new ApiKeys(services.table, services.clock, services.random, services.keyCheck, mustBeNamedIn(vendors)),
      Object.keys(vendors),
      (scope) => scopeProblem(services.connections, vendors, scope),
      creations(services, () => hooksOf(services)),
    ),
    ...hookRoutes({ ...services, hooks: hooksOf(services) }, vendors, (id) => hookUsers(services.table, id)),
    ...automationRoutes(services, vendors, () => hooksOf(services).list()),
    ...rehearsalRoutes(services, vendors, () => hooksOf(services).list()),
    ...recipeRoutes(
      {
        ...services,
        vendors,
        vendorNames: Object.keys(vendors),
        hooks: hooksOf(services),
        listHooks: () => hooksOf(services).list(),
      },
      vendors,
      loadRecipes,
    ),
    ...runRoutes(services, vendors),
    ...pauseRoutes(
      services.pause,
      (state) => waitingFor(services.table, state),
      (ended, resumedBy, end) => appendResumption(services, ended, resumedBy, end),
    ),
    ...uploadRoutes(services.files),
    ...eventRoutes(services, vendors),
    ...streamRoutes(services),
    ...subscriptionRoutes(services, vendors),
    ...deliveryRoutes(services, vendors),
    ...choiceRoutes(services, vendors, ownChoices(services, vendors)),
    ...selfTestRoutes(services),
    ...accountRoutes(services.table),
    ...signInRoutes(services),
  ];
  const listHooks = () => hooksOf(services).list();
  return [
    ...routes,
    ...transferRoutes(
      { ...services, vendors, vendorNames: Object.keys(vendors), hooks: hooksOf(services), listHooks },
      vendors,
      loadRecipes,
      routes,
    ),
  ];
}
