import * as z from 'zod/mini';
import type { Principal } from '../api/keys/key-check.ts';
import { Answer, type Route, type RouteCall, route } from '../api/route.ts';
import { controlNeed, requireScope } from '../api/scopes.ts';
import type { GatewayServices } from '../connections/invoke.ts';
import { type GatewayError, refusedField, undefinedIfNotFound } from '../core/errors.ts';
import type { TrunklineEvent } from '../core/event-type.ts';
import { field, named } from '../core/field.ts';
import type { EventCatalogue } from '../core/vendor.ts';
import { mayReadAll } from '../events/reading.ts';
import { keys } from '../store/items.ts';
import type { AdmissionServices } from './admission.ts';
import { type AutomationItem, type AutomationStatus, definitionOf, listAutomations, startOne } from './automations.ts';
import { automationFields, automationSchema, type Definition } from './definition.ts';
import { putAutomation } from './put-automation.ts';
import { findAutomation, mayChange, removeAutomation } from './records.ts';
import { cancelRuns } from './runs/pause.ts';
import { startedRun } from './runs/routes.ts';
import { newestRun, type RunServices } from './runs/runs.ts';
import { shownDefinition } from './sealed-definition.ts';
import { keptVersions, listVersions, shownVersion } from './versions.ts';

type Services = RunServices & GatewayServices;

const runSummary = () => z.looseObject({ id: z.string(), state: z.string(), createdAt: z.string() });
const shown = () =>
  named(
    'Automation',
    z.looseObject({
      id: z.string(),
      ...automationFields(),
      alarm: field(z.boolean(), {
        description: 'Whether it raises an alarm: by one of its steps, or by its `priority`.',
      }),
      nextRunAt: field(z.optional(z.string()), { description: 'When its schedule fires next.' }),
      lastFired: field(z.optional(z.string()), {
        description: 'When its trigger last started a run, skipped ones included.',
      }),
      lastRun: z.optional(named('LastRun', field(runSummary(), { description: 'The last run that was not skipped.' }))),
      createdAt: z.string(),
      updatedAt: z.string(),
    }),
  );
/** What a GET returns beside the definition. A PUT accepts and ignores it, so that the body of a GET can be sent back. */
const readOnly = () => {
  const ignored = () => field(z.optional(z.unknown()), { description: 'Read-only; ignored in a request.' });
  return {
    id: ignored(),
    scopes: ignored(),
    alarm: ignored(),
    nextRunAt: ignored(),
    lastFired: ignored(),
    lastRun: ignored(),
    createdAt: ignored(),
    updatedAt: ignored(),
  };
};
/** The routes of automations. An automation can do no more than its creator's key. */
export function automationRoutes(
  services: Services,
  vendors: EventCatalogue,
  listHooks: AdmissionServices['listHooks'],
): Route[] {
  const shared = { tag: 'Automations', area: 'automations' } as const;
  const storing = { ...services, vendors, vendorNames: Object.keys(vendors), listHooks };
  const find = (params: RouteCall['params']) => findAutomation(services.table, params.id ?? '');

  const put = (definition: Definition, principal: RouteCall['principal'], before?: AutomationItem) =>
    putAutomation(storing, vendors, principal, definition, before);

  return [
    route({
      ...shared,
      call: 'POST /v1/automations',
      operationId: 'createAutomation',
      summary: 'Create an automation',
      write: true,
      status: 201,
      input: automationFields,
      output: shown,
      handle: async ({ input, principal }) => showOne(services, principal, await put(input, principal)),
    }),
    route({
      ...shared,
      call: 'GET /v1/automations',
      operationId: 'listAutomations',
      summary: 'List the automations',
      output: () => z.array(shown()),
      handle: async ({ principal }) => {
        const [items, statuses] = await Promise.all([
          listAutomations(services.table),
          services.table.queryAll<AutomationStatus>({ pk: keys.automationStatuses() }),
        ]);
        const statusOf = new Map(statuses.map((status) => [status.sk, status]));
        return Promise.all(
          items.map(async (item) =>
            show(item, principal, (await newestRun(services.table, item.id))?.createdAt, statusOf.get(item.id)),
          ),
        );
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/automations/{id}',
      operationId: 'getAutomation',
      summary: 'Get an automation by id or name',
      output: shown,
      handle: async ({ params, principal }) => showOne(services, principal, await find(params)),
    }),
    route({
      ...shared,
      call: 'PUT /v1/automations/{id}',
      operationId: 'putAutomation',
      summary: 'Create the automation of this name, or replace it (by name or id); repeating the call changes nothing',
      write: true,
      input: () => ({ ...automationFields(), name: z.optional(automationFields().name), ...readOnly() }),
      output: shown,
      handle: async ({ params: { id: key = '' }, input, principal }) => {
        const before = await findAutomation(services.table, key).catch(undefinedIfNotFound);
        const ignored = readOnly();
        const given = Object.entries(input).filter(([name]) => !Object.hasOwn(ignored, name));
        const definition = automationSchema().parse({
          ...Object.fromEntries(given),
          name: input.name ?? before?.name ?? key,
        });
        if (!before && definition.name !== key) throw renamed(key);
        const answer = await showOne(services, principal, await put(definition, principal, before));
        return before ? answer : new Answer(201, answer);
      },
    }),
    route({
      ...shared,
      call: 'PATCH /v1/automations/{id}',
      operationId: 'changeAutomation',
      summary: 'Change an automation, or switch it on or off',
      write: true,
      input: () => ({
        ...Object.fromEntries(
          Object.entries(automationFields()).map(([name, schema]) => [name, z.optional(withoutDefault(schema))]),
        ),
        endRuns: field(z.optional(z.boolean()), {
          description:
            'With `enabled: false`, true also cancels the runs in progress: waits end at once and no further step starts.',
        }),
      }),
      output: () =>
        z.extend(shown(), {
          endedRuns: field(z.optional(z.int()), {
            description: 'With `endRuns`, the number of runs that were cancelled.',
          }),
        }),
      handle: async ({ params, input: { endRuns, ...changes }, principal }) => {
        const item = await find(params);
        const definition = automationSchema().parse({
          ...definitionOf(item),
          enabled: item.enabled,
          ...(changes as Partial<Definition>),
        });
        if (endRuns === true) {
          if (definition.enabled) throw refusedField('/endRuns', 'goes with enabled: false only');
          requireScope(principal.scopes, controlNeed('runs', true));
        }
        const changed = await put(definition, principal, item);
        const reason = 'Its automation was disabled.';
        const endedRuns = endRuns === true ? { endedRuns: await cancelRuns(services, item.id, reason) } : {};
        return { ...(await showOne(services, principal, changed)), ...endedRuns };
      },
    }),
    route({
      ...shared,
      call: 'GET /v1/automations/{id}/versions',
      operationId: 'listAutomationVersions',
      summary: `List the last ${keptVersions} versions of an automation with who stored them, newest first`,
      output: () => z.array(shownVersion()),
      handle: async ({ params }) => listVersions(services.table, (await find(params)).id),
    }),
    route({
      ...shared,
      call: 'DELETE /v1/automations/{id}',
      operationId: 'deleteAutomation',
      summary: 'Delete an automation; its runs stay listed and continue',
      write: true,
      status: 204,
      handle: async ({ params, principal }) => {
        const item = await find(params);
        mayChange(item, principal);
        await removeAutomation(services, item);
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/automations/{id}/run',
      operationId: 'runAutomation',
      summary: 'Run an automation now, whether or not it is enabled; its messages and sirens are real',
      write: true,
      status: 202,
      input: () => ({
        event: field(z.optional(z.record(z.string(), z.unknown())), {
          description: 'The event that the run sees. Default: `trunkline.run.requested` with the time in `data.dueAt`.',
        }),
      }),
      output: startedRun,
      handle: async ({ params, input, principal, request }) => {
        const item = await find(params);
        mayChange(item, principal);
        const now = services.clock.now();
        const id = await startOne(services, item, {
          cause: `request ${request.requestId}`,
          createdAt: now,
          event: { ...requestedEvent(item, request.requestId, now), ...input.event },
        });
        return { id };
      },
    }),
  ];
}

async function showOne(services: Services, principal: Principal, item: AutomationItem) {
  const [run, status] = await Promise.all([
    newestRun(services.table, item.id),
    services.table.get<AutomationStatus>(keys.automationStatus(item.id)),
  ]);
  return show(item, principal, run?.createdAt, status);
}

function show(
  item: AutomationItem,
  principal: Principal,
  firedAt: number | undefined,
  status: AutomationStatus | undefined,
) {
  const { id, createdAt, updatedAt, dueAt, enabled, scopes } = item;
  const at = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  return {
    id,
    ...shownDefinition(definitionOf(item)),
    enabled,
    scopes,
    alarm: item.alarm !== false,
    nextRunAt: at(dueAt),
    lastFired: at(firedAt),
    lastRun: status && {
      id: status.runId,
      state: status.state,
      ...(mayReadAll(principal.scopes, status.reads ?? []) ? { reason: status.reason } : { hidden: true }),
      createdAt: at(status.createdAt),
      endedAt: at(status.endedAt),
    },
    createdAt,
    updatedAt,
  };
}

/** The event of a manually requested run; it is not in the event log. */
function requestedEvent(item: AutomationItem, requestId: string, now: number): TrunklineEvent {
  const timestamp = new Date(now).toISOString();
  return {
    id: requestId,
    type: 'trunkline.run.requested',
    timestamp,
    vendor: 'trunkline',
    connection: item.id,
    data: { automationId: item.id, dueAt: timestamp },
  };
}

function renamed(name: string): GatewayError {
  return refusedField('/name', `must be ${JSON.stringify(name)}, as in the address`);
}

function withoutDefault(schema: z.ZodMiniType): z.ZodMiniType {
  const { def } = schema._zod as unknown as { def: { type: string; innerType?: z.ZodMiniType } };
  return def.type === 'default' && def.innerType ? def.innerType : schema;
}
