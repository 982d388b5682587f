import type { DurableContext } from '../../core/durable.ts';
import type { ForEachStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { beginBlock, endBlock, sumOf } from './block.ts';
import { operationsPerItem } from './durable-operations.ts';
import { eachItem, type ItemWork, itemsOf } from './items.ts';
import type { RunContext, StepEnd, StepResult } from './run-context.ts';
import type { RunSteps, SequenceEnd } from './run-steps.ts';
import type { StepError } from './runs.ts';

/** How the steps for one item ended. */
interface ItemEnd extends SequenceEnd {
  ends: readonly StepEnd[];
  results: Record<string, StepResult>;
}

/**
 * Runs steps for each item of a list. The output contains the outputs of each item's steps by name; `errors` contains each item's
 * first error, or null.
 */
export async function runForEach(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: ForEachStep,
  runSteps: RunSteps,
): Promise<StepEnd> {
  const { name } = placed;
  const place = run.place(placed, 'forEach');
  if (!(await beginBlock(run, context, place, step.if))) return run.finishStep({ name }, { output: null });
  const items = await itemsOf(run, context, placed, place, step.forEach);
  if ('error' in items) {
    const reason = `Step ${name}: ${items.error.message}`;
    return run.finishStep(
      { name, reason, ...(step.onError !== 'continue' && { stop: reason }) },
      { output: null, error: items.error },
    );
  }

  const all = await eachItem(run, context, placed, items, forEachItems(run, placed, step, runSteps));
  const errors = items.list.map((_, index) => firstError(all[index]));
  const [first] = errors.filter((error) => error !== null);
  const ends = all.flatMap((each) => each.ends);
  const failures = ends.flatMap(({ reason }) => reason ?? []);
  const reason = failures.length > 1 ? `${failures[0]} (and ${failures.length - 1} more in ${name})` : failures[0];
  const isStopped = reason !== undefined && step.onError !== 'continue';
  const state = reason === undefined ? 'succeeded' : 'failed';
  await endBlock(run, context, place, { state, ...(first && { error: first }) });
  return run.finishStep(
    {
      name,
      cancelled: all.some((each) => each.cancelled),
      ...sumOf(ends),
      ...(reason !== undefined && { reason }),
      ...(isStopped && { stop: reason }),
    },
    {
      output: items.list.map((_, index) => all[index]?.results ?? null),
      ...(first && { error: first, errors }),
    },
  );
}

/** How the items of a list of steps are carried out. */
export function forEachItems(
  run: RunContext,
  placed: PlacedStep,
  step: ForEachStep,
  runSteps: RunSteps,
): ItemWork<ItemEnd> {
  const [steps = []] = placed.inside;
  return {
    concurrency: step.concurrency ?? 1,
    maxOperationsPerItem: operationsPerItem(placed, run.maxPerCall),
    work: async (inner, item, index) => {
      const round = run.inside({ index, item }, steps);
      const end = await runSteps(round, inner, steps);
      return { ...end, ends: round.ends, results: round.results };
    },
    isEnough: (ends) => ends.some((end) => end.cancelled || isLast(end)),
  };

  /** If the run must not continue after an error, no further item is started. */
  function isLast(end: ItemEnd): boolean {
    if (end.ends.some(({ code }) => code !== undefined && step.stopOn?.includes(code))) return true;
    return step.onError !== 'continue' && end.ends.some(({ reason }) => reason !== undefined);
  }
}

function firstError(end: ItemEnd | undefined): StepError | null {
  return Object.values(end?.results ?? {}).find(({ error }) => error !== undefined)?.error ?? null;
}
