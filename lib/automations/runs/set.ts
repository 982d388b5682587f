import type { DurableContext } from '../../core/durable.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { SetStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { type RunContext, refusalOf, type StepEnd } from './run-context.ts';
import type { StepError } from './runs.ts';
import type { StepPlace } from './step-records.ts';

type Outcome = { output: unknown } | { error: StepError } | { skipped: true };

/** Works out a value once; later steps read it as the step's output. */
export async function runSet(
  run: RunContext,
  context: DurableContext,
  { name, at }: PlacedStep,
  step: SetStep,
): Promise<StepEnd> {
  const place: StepPlace = { at, index: 0, name, call: 'set' };
  const outcome = await context.step(name, async (): Promise<Outcome> => {
    const now = run.services.clock.now();
    try {
      const refusal = step.if === undefined ? undefined : refusalOf(await run.render(step.if, place, now));
      if (refusal !== undefined) {
        await run.records.write(place, { state: 'skipped', reason: refusal, ended: true });
        return { skipped: true };
      }
      const output = (await run.render(step.set, place, now)) ?? null;
      await run.records.write(place, { state: 'succeeded', attempts: 1, output, ended: true });
      return { output };
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== 'ExpressionFailure') throw cause;
      const error = { code: 'invalid_input', message: redactText(`An expression failed: ${cause.message}`) };
      await run.records.write(place, { state: 'failed', attempts: 1, error, ended: true });
      return { error };
    }
  });
  const failed = 'error' in outcome;
  const reason = failed ? `Step ${name}: ${outcome.error.message}` : undefined;
  const end: StepEnd = {
    name,
    state: failed ? 'failed' : 'skipped' in outcome ? 'skipped' : 'succeeded',
    succeeded: 0,
    failed: failed ? 1 : 0,
    wrote: false,
    ...(reason !== undefined && { reason, stop: reason }),
  };
  run.finishStep(end, {
    output: 'output' in outcome ? outcome.output : null,
    ...(failed && { error: outcome.error }),
  });
  return end;
}
