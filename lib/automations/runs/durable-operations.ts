import { cancelledBy, isCall, isForEach, isParallel, isRepeat, isWaitFor, type RepeatStep } from '../definition.ts';
import { type PlacedStep, placeSteps } from '../steps.ts';
import type { RunDefinition } from './runs.ts';

/** AWS's limit for the operations of one durable execution. */
export const maxOperations = 3_000;
/** Operations that are left for further attempts of calls. */
const reserved = 200;
/** A wait that can be ended early: a context, a callback, and the step that registers it. */
const perWait = 3;

/** The durable operations that a run takes without further attempts, with lists of no items. */
export function operationsOf(definition: RunDefinition): number {
  const cancel = cancelledBy(definition).length > 0 ? perWait + 2 : 0;
  const turn = definition.mode === 'queue' || definition.mode === 'restart' ? perWait + 1 : 0;
  // The beginning and the end of the run.
  return 2 + cancel + turn + sumOf(placeSteps(definition.do));
}

/** How many operations the items of a run's lists may take together. */
export function operationsForItems(definition: RunDefinition): number {
  return maxOperations - reserved - operationsOf(definition);
}

/** The operations that a step takes for each item of its list; 0 where it has none. */
export function operationsPerItem({ step, inside }: PlacedStep): number {
  if (isForEach(step)) return sumOf(inside.flat());
  return (isCall(step) || 'start' in step) && step.forEach !== undefined ? 1 : 0;
}

/** The operations of a step itself, and of the steps within it. */
export function operationsOfStep({ step, inside }: PlacedStep): number {
  if ('wait' in step || isWaitFor(step)) return perWait + 2;
  if (isParallel(step)) return 2 + sumOf(inside.flat());
  if (isRepeat(step)) return 2 + roundsOf(step, sumOf(inside.flat()));
  // It begins, finds its items, and ends.
  if (isForEach(step)) return 3;
  return 1;
}

function roundsOf({ repeat: { max, everySeconds } }: RepeatStep, perRound: number): number {
  return max * (perRound + 1) + (everySeconds === undefined ? 0 : (max - 1) * perWait);
}

function sumOf(steps: readonly PlacedStep[]): number {
  return steps.reduce((sum, each) => sum + operationsOfStep(each), 0);
}
