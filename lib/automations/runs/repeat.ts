import type { DurableContext } from '../../core/durable.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { RepeatStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { beginBlock, endBlock, sumOf } from './block.ts';
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
  if (!(await beginBlock(run, context, place, step.if))) return run.finishStep({ name }, { output: null });
  const rounds: Record<string, StepResult>[] = [];
  const ends: StepEnd[] = [];
  let stop: string | undefined;
  let cancelled = false;
  let isDone = false;
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
  const state = stop === undefined ? 'succeeded' : 'failed';
  const error = stop === undefined ? {} : { error: { code: 'run_failed', message: stop } };
  await endBlock(run, context, place, { state, attempts: rounds.length, ...error });
  const reason = stop ?? ends.find((end) => end.reason !== undefined)?.reason;
  return run.finishStep(
    {
      name,
      cancelled,
      ...sumOf(ends),
      ...(reason !== undefined && { reason }),
      ...(stop !== undefined && { stop }),
    },
    { output: rounds, ...error },
  );

  async function isOver(round: RunContext, condition: string, index: number): Promise<Verdict> {
    try {
      const now = run.services.clock.now();
      const done = (await round.render(condition, { ...place, index }, now)) === true;
      // The pause that follows may be longer than a run may stay without a sign.
      if (!done && everySeconds !== undefined)
        await run.records.write(place, { state: 'running', restsUntil: now + everySeconds * 1000 });
      return { done };
    } catch (cause) {
      if (!isExpressionFailure(cause)) throw cause;
      return { problem: redactText(`An expression failed: ${(cause as Error).message}`) };
    }
  }
}
