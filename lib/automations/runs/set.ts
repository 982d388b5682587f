import { openLiterals } from '../../connections/sealed-input.ts';
import type { DurableContext } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { SetStep, Step } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import type { StepError } from './runs.ts';
import { opened, sealed } from './sealed.ts';
import type { StepPlace } from './step-records.ts';

type Outcome = { output: unknown } | { sealed: string } | { error: StepError } | { skipped: true };

/** Computes a value once; later steps read it as the step's output. */
export function runSet(run: RunContext, context: DurableContext, placed: PlacedStep, step: SetStep): Promise<StepEnd> {
  return runLocally(run, context, placed, { step, call: 'set', secret: step.secret === true }, async (place, now) =>
    openLiterals(run.services.secrets, await run.render(step.set, place, now)),
  );
}

/**
 * Carries out a step without a vendor call as one durable step: its condition, its work, its record. An error caused by the
 * definition or the event fails the step; any other error is retried.
 */
export async function runLocally(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  { step, call, secret = false }: { step: Step; call: string; secret?: boolean },
  work: (place: StepPlace, now: number) => Promise<unknown>,
): Promise<StepEnd> {
  const { name } = placed;
  const place = run.place(placed, call);
  const remembered = await context.step(run.nameOf(placed), async (): Promise<Outcome> => {
    const now = run.services.clock.now();
    try {
      const refusal = await run.refusal(step.if, place, now);
      if (refusal !== undefined) {
        await run.records.write(place, { state: 'skipped', reason: refusal });
        return { skipped: true };
      }
      const output = (await work(place, now)) ?? null;
      const shown = secret ? { withheld: true } : { output };
      await run.records.write(place, { state: 'succeeded', attempts: 1, ...shown });
      return secret ? { sealed: await sealed(run, output) } : { output };
    } catch (cause) {
      const error = reasonFor(cause);
      if (!error) throw cause;
      await run.records.write(place, { state: 'failed', attempts: 1, error });
      return { error };
    }
  });
  const outcome = 'sealed' in remembered ? { output: await opened(run, remembered.sealed) } : remembered;
  if ('error' in outcome) {
    const { error } = outcome;
    const reason = `Step ${name}: ${error.message}`;
    return run.finishStep({ name, code: error.code, reason, stop: reason }, { output: null, error });
  }
  return run.finishStep({ name }, { output: 'output' in outcome ? outcome.output : null });
}

function reasonFor(cause: unknown): StepError | undefined {
  if (isExpressionFailure(cause))
    return { code: 'invalid_input', message: redactText(`An expression failed: ${(cause as Error).message}`) };
  if (!(cause instanceof GatewayError) || cause.retryable) return undefined;
  const { code, message, status } = cause;
  return { code, message: redactText(message), status };
}
