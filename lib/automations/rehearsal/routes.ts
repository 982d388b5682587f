import * as z from 'zod/mini';
import { type Route, type RouteCall, route } from '../../api/route.ts';
import { field } from '../../core/field.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { type AdmissionServices, admit } from '../admission.ts';
import { automationSchema, type Definition } from '../definition.ts';
import { findAutomation } from '../records.ts';
import type { AutomationServices } from '../runs/run-context.ts';
import { backtested, backtestFields, drillFields, rehearsalFields, rehearsed } from './schemas.ts';

/** The routes that show what an automation would do, and the one that does it with simulated vendors. */
export function rehearsalRoutes(
  services: AutomationServices,
  vendors: EventCatalogue,
  listHooks: AdmissionServices['listHooks'],
): Route[] {
  const shared = { tag: 'Automations', area: 'automations' } as const;
  const admission = { ...services, vendorNames: Object.keys(vendors), listHooks };
  const find = (params: RouteCall['params']) => findAutomation(services.table, params.id ?? '');
  /** One that is not stored: what would be refused when it is stored is refused here, with the same words. */
  async function unsaved(definition: Definition, { principal }: RouteCall<unknown>) {
    await admit(admission, vendors, definition, principal, { now: services.clock.now(), pastMoments: true });
    // Loaded on demand: most control calls carry no run out.
    const { unsavedAutomation } = await import('./rehearse.ts');
    return unsavedAutomation(vendors, definition, principal);
  }
  return [
    route({
      ...shared,
      call: 'POST /v1/automations/test',
      operationId: 'testAutomation',
      summary: 'Rehearse an automation that is not stored: the run that an event would start, with nothing performed',
      input: () => ({ automation: automationSchema(), ...rehearsalFields() }),
      output: rehearsed,
      handle: async (call) => {
        const { automation, ...input } = call.input;
        const { rehearse } = await import('./rehearse.ts');
        return rehearse(services, vendors, await unsaved(automation, call), input, callerOf(call));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/automations/{id}/test',
      operationId: 'testStoredAutomation',
      summary: 'Rehearse an automation: the run that an event would start, with nothing performed',
      input: rehearsalFields,
      output: rehearsed,
      handle: async (call) => {
        const { rehearse } = await import('./rehearse.ts');
        return rehearse(services, vendors, await find(call.params), call.input, callerOf(call));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/automations/backtest',
      operationId: 'backtestAutomation',
      summary: 'Show the runs of an automation that is not stored that past events would have started',
      input: () => ({ automation: automationSchema(), ...backtestFields() }),
      output: backtested,
      handle: async (call) => {
        const { automation, ...input } = call.input;
        const { backtest } = await import('./backtest.ts');
        return backtest(services, vendors, await unsaved(automation, call), input, callerOf(call));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/automations/{id}/backtest',
      operationId: 'backtestStoredAutomation',
      summary: 'Show the runs that past events would have started',
      input: backtestFields,
      output: backtested,
      handle: async (call) => {
        const { backtest } = await import('./backtest.ts');
        return backtest(services, vendors, await find(call.params), call.input, callerOf(call));
      },
    }),
    route({
      ...shared,
      call: 'POST /v1/automations/{id}/drill',
      operationId: 'drillAutomation',
      summary: 'Run an automation against the simulated vendors of this machine',
      write: true,
      status: 202,
      input: drillFields,
      output: () =>
        z.looseObject({
          id: field(z.string(), { description: 'The id of the run.' }),
          connections: field(z.record(z.string(), z.string()), {
            description: 'The connection that replaced each connection.',
          }),
        }),
      handle: async ({ params, input, principal, request: { requestId } }) => {
        const item = await find(params);
        const { startDrill } = await import('./drill.ts');
        return startDrill({ ...services, ...admission }, vendors, item, input, { principal, requestId });
      },
    }),
  ];
}

function callerOf({ principal, request: { signal } }: RouteCall<unknown>) {
  return { principal, signal };
}
