import type { DurableContext } from '../../core/durable.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { type EventItem, findEvent, shownEvent } from '../../events/log.ts';
import { registerWaiter, type WaitedEvent } from '../../events/waiters.ts';
import { evaluate } from '../../expressions/expression.ts';
import { expressionIn } from '../../expressions/template.ts';
import { awaitedBy, nameOf, type WaitForStep } from '../definition.ts';
import type { AutomationServices, RunFrame, StepEnd } from './run.ts';
import { recordStep } from './runs.ts';

/** Waits for an event that meets a condition; the step's output is that event, or null when the time was over. */
export async function runWaitFor(
  services: AutomationServices,
  context: DurableContext,
  frame: RunFrame,
  step: WaitForStep,
  at: number,
): Promise<StepEnd> {
  const name = nameOf(step, at);
  const { seconds } = step.waitFor;
  const wanted = awaitedBy(step);
  const base = {
    runId: frame.run.id,
    at,
    index: 0,
    name,
    call: `waitFor ${wanted.map(({ event }) => event).join(' or ')}`,
    attempts: 1,
  };
  const startedAt = await context.step(`${name} begins`, async () => {
    const now = services.clock.now();
    await recordStep(services, { ...base, state: 'running', startedAt: now });
    return now;
  });
  const waited = await context.waitFor<WaitedEvent>(
    name,
    async (callbackId) => {
      const kit = {
        ...services,
        shown: (event: EventItem) => shownEvent(services.files, event),
        holds: async (text: string, input: Record<string, unknown>) =>
          (await evaluate(`{% ${text} %}`, input).catch(() => false)) === true,
      };
      for (const [alternative, { event: type, connection, if: condition }] of wanted.entries()) {
        const expression = condition === undefined ? undefined : expressionIn(condition);
        const found = await registerWaiter(kit, {
          callbackId,
          alternative,
          type,
          ...(connection !== undefined && { connection }),
          ...(expression !== undefined && {
            condition: { expression, bindings: { steps: frame.bindings.steps, run: frame.bindings.run } },
          }),
          scopes: frame.run.scopes,
          // What came since the run began counts: an answer may be quicker than the run that asks for it.
          since: frame.startedAt,
          until: startedAt + seconds * 1000,
        });
        if (found) return;
      }
    },
    seconds,
  );
  const event = await context.step(`${name} ends`, async (): Promise<TrunklineEvent | null> => {
    const found = waited.done ? await findEvent(services, waited.value.eventId) : undefined;
    const shown = found ? await shownEvent(services.files, found) : null;
    await recordStep(services, {
      ...base,
      state: 'succeeded',
      startedAt,
      endedAt: services.clock.now(),
      output: shown,
    });
    return shown;
  });
  frame.bindings.steps[name] = { output: event };
  return { failed: false, wrote: false };
}
