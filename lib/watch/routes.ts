import * as z from 'zod/mini';
import { type Route, route } from '../api/route.ts';
import { findAutomation } from '../automations/records.ts';
import { GatewayError, refusedField } from '../core/errors.ts';
import { field, integer, named, text } from '../core/field.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { isSelfTest, type SelfTestItem, selfTestType } from './self-test.ts';

const shown = () =>
  named(
    'SelfTest',
    z.looseObject({
      automation: z.string(),
      everySeconds: z.int(),
      withinSeconds: z.int(),
      last: z.optional(
        z.looseObject({
          startedAt: z.string(),
          ok: z.boolean(),
          latencyMs: z.optional(z.int()),
          reason: z.optional(z.string()),
        }),
      ),
    }),
  );

/** The routes of the self-test: a harmless automation that runs on a schedule and whose latency is measured. */
export function selfTestRoutes({ table }: { table: Table }): Route[] {
  const shared = { tag: 'Self-test', area: 'automations' } as const;
  return [
    route({
      ...shared,
      call: 'GET /v1/self-test',
      operationId: 'getSelfTest',
      summary: 'Get the self-test with its last result',
      output: shown,
      handle: async () => {
        const item = await table.get<SelfTestItem>(keys.selfTest(), true);
        if (!item) throw new GatewayError('not_found', 'There is no self-test. Create one with PUT /v1/self-test.');
        return show(item);
      },
    }),
    route({
      ...shared,
      call: 'PUT /v1/self-test',
      operationId: 'putSelfTest',
      summary:
        'Run an automation as a self-test: its latency is recorded, and a failure raises trunkline.self_test.failed',
      write: true,
      input: () => ({
        automation: field(text(100), { description: `Id or name of an automation that starts with ${selfTestType}.` }),
        everySeconds: field(z._default(integer(60, 86_400), 300), { description: 'Default 300.' }),
        withinSeconds: field(z._default(integer(1, 600), 10), {
          description: 'How long the run may take. Default 10.',
        }),
      }),
      output: shown,
      handle: async ({ input }) => {
        const automation = await findAutomation(table, input.automation);
        if (!isSelfTest(automation)) {
          const message = `must start with {"event": "${selfTestType}"}`;
          throw refusedField('/automation', message);
        }
        const item: SelfTestItem = {
          ...keys.selfTest(),
          ...input,
          automation: automation.name,
          automationId: automation.id,
        };
        await table.put<SelfTestItem>(item);
        return show(item);
      },
    }),
    route({
      ...shared,
      call: 'DELETE /v1/self-test',
      operationId: 'deleteSelfTest',
      summary: 'End the self-test',
      write: true,
      status: 204,
      handle: async () => {
        await table.delete(keys.selfTest());
      },
    }),
  ];
}

function show({ automation, automationId, everySeconds, withinSeconds, last }: SelfTestItem) {
  return {
    automation,
    automationId,
    everySeconds,
    withinSeconds,
    last: last && { ...last, startedAt: new Date(last.startedAt).toISOString() },
  };
}
