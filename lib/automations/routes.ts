import * as z from 'zod/mini';
import type { Principal } from '../api/key-check.ts';
import { type Route, route } from '../api/route.ts';
import { within } from '../api/scopes.ts';
import type { GatewayServices } from '../connections/invoke.ts';
import { GatewayError } from '../core/errors.ts';
import { field } from '../core/field.ts';
import { newId } from '../core/ids.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { due } from '../store/due.ts';
import { keys } from '../store/items.ts';
import { type AdmissionServices, admit } from './admission.ts';
import { type AutomationItem, definitionOf, listAutomations } from './automations.ts';
import { automationFields, automationSchema, type Definition } from './definition.ts';
import { rehearse } from './rehearsal.ts';
import type { RunServices } from './runs/runs.ts';
import { nextFiring } from './schedule.ts';

type Services = RunServices & GatewayServices;

const shown = () =>
  z.looseObject({
    id: z.string(),
    ...automationFields(),
    nextRunAt: z.optional(z.string()),
    createdAt: z.string(),
    updatedAt: z.string(),
  });
const rehearsed = () =>
  z.looseObject({
    runs: z.boolean(),
    steps: z.array(z.looseObject({ name: z.string(), call: z.optional(z.string()) })),
  });
const sampleFields = () => ({
  event: z.optional(
    field(z.record(z.string(), z.unknown()), { description: 'A sample event: {type, data, …} as in the event list.' }),
  ),
  outputs: z.optional(
    field(z.record(z.string(), z.unknown()), { description: 'What steps are taken to have given, by name.' }),
  ),
});

/** The calls on automations. An automation does no more than its creator's key could. */
export function automationRoutes(
  services: Services,
  vendors: EventCatalogue,
  listHooks: AdmissionServices['listHooks'],
): Route[] {
  const shared = { tag: 'Automations', area: 'automations' } as const;
  const admission = { ...services, vendorNames: Object.keys(vendors), listHooks };
  return [
    route({
      ...shared,
      method: 'POST',
      path: '/v1/automations',
      operationId: 'createAutomation',
      summary: 'Create an automation',
      write: true,
      status: 201,
      input: automationFields,
      output: shown,
      handle: async ({ input, principal }) => {
        const now = services.clock.now();
        await admit(admission, vendors, input, principal, { now });
        const id = newId(services.random);
        const at = new Date(now).toISOString();
        const item: AutomationItem = {
          ...keys.automation(id),
          ...stored(input, principal, now),
          id,
          anchor: now,
          createdAt: at,
          updatedAt: at,
          version: 1,
          ...dueOf(id, input, now, now),
        };
        await services.table.put<AutomationItem>(item, 'attribute_not_exists(#pk)');
        return show(item);
      },
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/automations',
      operationId: 'listAutomations',
      summary: 'List the automations',
      output: () => z.array(shown()),
      handle: async () => (await listAutomations(services.table)).map(show),
    }),
    route({
      ...shared,
      method: 'GET',
      path: '/v1/automations/{id}',
      operationId: 'getAutomation',
      summary: 'Get an automation',
      output: shown,
      handle: async ({ params }) => show(await find(services, params.id ?? '')),
    }),
    route({
      ...shared,
      method: 'PATCH',
      path: '/v1/automations/{id}',
      operationId: 'changeAutomation',
      summary: 'Change, pause or enable an automation',
      write: true,
      input: () =>
        Object.fromEntries(
          Object.entries(automationFields()).map(([name, schema]) => [name, z.optional(withoutDefault(schema))]),
        ),
      output: shown,
      handle: async ({ params, input, principal }) => {
        const item = await find(services, params.id ?? '');
        const definition = automationSchema().parse({
          ...definitionOf(item),
          enabled: item.enabled,
          ...(input as Partial<Definition>),
        });
        await mayChange(item, principal);
        // Switching on or off needs no new look at what the automation may do, and keeps its rights.
        const onlySwitched = Object.keys(input).every((name) => name === 'enabled');
        const now = services.clock.now();
        if (!onlySwitched) await admit(admission, vendors, definition, principal, { now, pastMoments: !input.when });
        const next: AutomationItem = {
          ...keys.automation(item.id),
          ...stored(definition, principal, now),
          ...(onlySwitched && { scopes: item.scopes, creator: item.creator }),
          id: item.id,
          anchor: item.anchor,
          createdAt: item.createdAt,
          updatedAt: new Date(now).toISOString(),
          version: item.version + 1,
          ...dueOf(item.id, definition, now, item.anchor),
        };
        const put = await services.table.put<AutomationItem>(next, '#version = :version', { version: item.version });
        if (!put.done)
          throw new GatewayError(
            'conflict',
            'The automation was changed at the same moment. Look at it and try again.',
          );
        return show(next);
      },
    }),
    route({
      ...shared,
      method: 'DELETE',
      path: '/v1/automations/{id}',
      operationId: 'deleteAutomation',
      summary: 'Delete an automation; its runs stay listed and go on',
      write: true,
      status: 204,
      handle: async ({ params, principal }) => {
        await mayChange(await find(services, params.id ?? ''), principal);
        await services.table.delete(keys.automation(params.id ?? ''));
      },
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/automations/test',
      operationId: 'testAutomation',
      summary: 'Show what an automation would do with a sample, and call nobody',
      input: () => ({ automation: automationSchema(), ...sampleFields() }),
      output: rehearsed,
      handle: ({ input }) => rehearse(vendors, input.automation, input, services.clock.now()),
    }),
    route({
      ...shared,
      method: 'POST',
      path: '/v1/automations/{id}/test',
      operationId: 'testStoredAutomation',
      summary: 'Show what a stored automation would do with a sample, and call nobody',
      input: sampleFields,
      output: rehearsed,
      handle: async ({ params, input }) =>
        rehearse(vendors, definitionOf(await find(services, params.id ?? '')), input, services.clock.now()),
    }),
  ];
}

function stored(definition: Definition, principal: Principal, _now: number) {
  const { name, enabled } = definition;
  return {
    name,
    enabled,
    definition: JSON.stringify(definition),
    scopes: [...principal.scopes],
    creator: principal.keyId,
  };
}

/** A schedule's next firing stands in the index of what is due. */
function dueOf(id: string, definition: Definition, now: number, anchor: number): { duePk?: string; dueAt?: number } {
  if (!definition.enabled || !('schedule' in definition.when)) return {};
  const next = nextFiring(definition.when, now, anchor);
  return next === undefined ? {} : due('schedule', id, next);
}

/** An automation with more rights than the caller may not be bent by the caller. */
async function mayChange(item: AutomationItem, principal: Principal): Promise<void> {
  if (item.creator === principal.keyId || item.scopes.every((scope) => within(scope, principal.scopes))) return;
  throw new GatewayError(
    'forbidden',
    'This automation runs with more scopes than your key has, so your key cannot change it.',
  );
}

async function find(services: Services, id: string): Promise<AutomationItem> {
  const item = await services.table.get<AutomationItem>(keys.automation(id), true);
  if (!item)
    throw new GatewayError('not_found', `There is no automation with the id ${JSON.stringify(id.slice(0, 60))}.`);
  return item;
}

function show(item: AutomationItem) {
  const { id, createdAt, updatedAt, dueAt, enabled, scopes } = item;
  return {
    id,
    ...definitionOf(item),
    enabled,
    scopes,
    nextRunAt: dueAt === undefined ? undefined : new Date(dueAt).toISOString(),
    createdAt,
    updatedAt,
  };
}

function withoutDefault(schema: z.ZodMiniType): z.ZodMiniType {
  const { def } = schema._zod as unknown as { def: { type: string; innerType?: z.ZodMiniType } };
  return def.type === 'default' && def.innerType ? def.innerType : schema;
}
