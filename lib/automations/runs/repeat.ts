import type { DurableContext } from '../../core/durable.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { RepeatStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { alarmOf } from './for-each.ts';
import { pause } from './pause.ts';
import { isExpressionFailure } from './retry.ts';
import type { RunContext, StepEnd, StepResult } from './run-context.ts';
import type { RunSteps } from './run-steps.ts';

/** Whether the rounds are over: yes, no, or a failing condition. */
type Verdict = { done: boolean } | { problem: string };

/**
 * Repeats steps until a condition holds. `item` is the number of the round, from 1. The output contains the outputs of each
 * round's steps by name, and `until` sees the round's steps under their names.
 */
export async function runRepeat(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: RepeatStep,
  runSteps: RunSteps,
): Promise<StepEnd> {
  const { name } = placed;
  const { until, max, everySeconds } = step.repeat;
  const [steps = []] = placed.inside;
  const place = run.place(placed, 'repeat');
  const refusal = await context.step(`${name} begins`, async () => {
    const words = await run.refusal(step.if, place, run.services.clock.now());
    await run.records.write(
      place,
      words === undefined ? { state: 'running', attempts: 1 } : { state: 'skipped', reason: words, ended: true },
    );
    return words ?? null;
  });
  const rounds: Record<string, StepResult>[] = [];
  const ends: StepEnd[] = [];
  let stop: string | undefined;
  let cancelled = false;
  let isDone = refusal !== null;
  for (let index = 0; !isDone && stop === undefined && !cancelled; index++) {
    if (index > 0 && everySeconds !== undefined) {
      cancelled = await pause(run, context, `${name} pause ${index}`, everySeconds);
      if (cancelled) break;
    }
    const round = run.inside({ index, item: index + 1 }, steps);
    const end = await runSteps(round, context, steps);
    rounds.push(round.results);
    ends.push(...round.ends);
    cancelled = end.cancelled;
    stop = end.stop;
    if (stop !== undefined || cancelled) break;
    const verdict = await context.step(`${name} until ${index + 1}`, () => isOver(round, until, index));
    if ('problem' in verdict) stop = `Step ${name}: ${verdict.problem}`;
    else if (verdict.done) isDone = true;
    else if (index + 1 >= max) stop = `Step ${name}: Its condition did not hold within ${max} rounds.`;
  }
  const state = refusal !== null ? 'skipped' : stop === undefined ? 'succeeded' : 'failed';
  if (refusal === null) {
    await context.step(`${name} ends`, async () => {
      const error = stop === undefined ? {} : { error: { code: 'run_failed', message: stop } };
      await run.records.write(place, { state, attempts: rounds.length, ...error, ended: true });
    });
  }
  const failure = stop ?? ends.find(({ reason }) => reason !== undefined)?.reason;
  const whole: StepEnd = {
    name,
    state: cancelled ? 'cancelled' : state,
    succeeded: ends.reduce((sum, end) => sum + end.succeeded, 0),
    failed:
      ends.reduce((sum, end) => sum + end.failed, 0) + (stop !== undefined && ends.every((end) => !end.stop) ? 1 : 0),
    wrote: ends.some(({ wrote }) => wrote),
    ...alarmOf(ends),
    ...(failure !== undefined && { reason: failure }),
    ...(stop !== undefined && { stop }),
  };
  run.finishStep(whole, {
    output: refusal === null ? rounds : null,
    ...(stop !== undefined && { error: { code: 'run_failed', message: stop } }),
  });
  return whole;

  async function isOver(round: RunContext, condition: string, index: number): Promise<Verdict> {
    try {
      const value = await round.render(condition, { ...place, index }, run.services.clock.now());
      return { done: value === true };
    } catch (cause) {
      if (!isExpressionFailure(cause)) throw cause;
      return { problem: redactText(`An expression failed: ${(cause as Error).message}`) };
    }
  }
}
