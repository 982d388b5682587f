import { expect, test } from 'vitest';
import { type processOf, TestClock } from '../../../test/support/harness.ts';
import { withTestServices } from '../../../test/support/test-table.ts';
import type { DurableContext, Starter } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import { type AutomationItem, startOne } from '../automations.ts';
import { runAutomation } from './run.ts';
import { findRun } from './runs.ts';

const clock = new TestClock();
let base: ReturnType<typeof processOf>;
let count = 0;
withTestServices(clock, (made) => {
  base = made;
});

/** Time passes at once, and nothing is interrupted. */
const context = {
  step: async (_name, run) => run(1),
  wait: async () => undefined,
} as Partial<DurableContext> as DurableContext;

/** An automation that acts on events whose `matches` is true, at most three times a minute. */
function automation(): AutomationItem {
  const definition = {
    name: 'Flood',
    when: { event: 'talk.message.created' },
    if: '{% event.data.matches %}',
    maxPerMinute: 3,
    do: [{ name: 'seen', set: '{% event.id %}' }],
  };
  const at = new Date(clock.now()).toISOString();
  const id = `flood${++count}`;
  return {
    ...keys.automation(id),
    id,
    name: 'Flood',
    enabled: true,
    definition: JSON.stringify(definition),
    scopes: ['*/*/*'],
    creator: 'admin',
    anchor: 0,
    createdAt: at,
    updatedAt: at,
    version: 1,
  };
}

async function run(
  item: AutomationItem,
  matches: boolean,
): Promise<{ state: string; started: boolean; reason?: string }> {
  let started = false;
  const starter = {
    startRun: async () => {
      started = true;
    },
  } as unknown as Starter;
  const at = clock.now();
  const id = `evt_${++count}`;
  const event = {
    id,
    type: 'talk.message.created',
    timestamp: new Date(at).toISOString(),
    vendor: 'talk',
    connection: 'team',
    data: { matches },
    appendedAt: at,
  };
  const services = { ...base, starter };
  const trigger = { cause: `event ${id}`, createdAt: at, event: event as never, isUnsaved: true };
  const runId = await startOne(services, item, trigger);
  if (started) await runAutomation(services, {}, context, { runId });
  const { state = 'lost', reason } = (await findRun(base.table, runId)) ?? {};
  return { state, started, ...(reason !== undefined && { reason }) };
}

test('a run whose condition does not hold does not count towards the cap', async () => {
  const item = automation();
  for (let event = 0; event < 10; event++) expect(await run(item, false)).toMatchObject({ state: 'skipped' });
  for (let event = 0; event < 3; event++) expect(await run(item, true)).toEqual({ state: 'succeeded', started: true });
  const fourth = { state: 'suppressed', started: true, reason: 'More than 3 runs within a minute (maxPerMinute).' };
  expect(await run(item, true)).toEqual(fourth);
  clock.advance(60_000);
  expect(await run(item, true)).toMatchObject({ state: 'succeeded' });
});

test('beyond ten times as many no run starts, and each is kept with its reason', async () => {
  const item = automation();
  for (let event = 0; event < 30; event++) expect(await run(item, false)).toMatchObject({ started: true });
  expect(await run(item, true)).toMatchObject({
    state: 'suppressed',
    started: false,
    reason: expect.stringContaining('maxPerMinute'),
  });
});
