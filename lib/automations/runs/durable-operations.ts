import type { Operation } from '../../core/operation.ts';
import {
  type CallStep,
  cancelledBy,
  isCall,
  isForEach,
  isParallel,
  isRepeat,
  isWaitFor,
  type RepeatStep,
} from '../definition.ts';
import { type PlacedStep, placeSteps } from '../steps.ts';
import { maxAttempts, retryPolicy } from './retry.ts';
import type { RunDefinition } from './runs.ts';

/** AWS's limit for the operations of one durable execution. */
export const maxOperations = 3_000;
/** Operations that are left for further attempts of calls, for parts of lists, and for the end of an execution. */
export const reservedOperations = 200;
/** A wait that can be ended early: a context, a callback, and the step that registers it. */
export const operationsPerWait = 3;
/** What an execution takes to have others carry out a part of a list: a wait, and the step that reads the results. */
export const operationsPerPart = operationsPerWait + 1;

/** How many operations a call takes. */
export type OperationsPerCall = (step: CallStep) => number;

const onceEach: OperationsPerCall = () => 1;

/** The durable operations that a run takes with lists of no items; unless `perCall` says more, without further attempts. */
export function operationsOf(definition: RunDefinition, perCall = onceEach): number {
  const cancel = cancelledBy(definition).length > 0 ? operationsPerWait + 2 : 0;
  const turn = definition.mode === 'queue' || definition.mode === 'restart' ? operationsPerWait + 1 : 0;
  // The beginning and the end of the run.
  return 2 + cancel + turn + sumOf(placeSteps(definition.do), perCall);
}

/** The operations that a step takes for each item of its list; 0 where it has none. */
export function operationsPerItem({ step, inside }: PlacedStep, perCall = onceEach): number {
  if (isForEach(step)) return sumOf(inside.flat(), perCall);
  if (!isCall(step) && !('start' in step)) return 0;
  if (step.forEach === undefined) return 0;
  return isCall(step) ? perCall(step) : 1;
}

/** The most operations of a call: each attempt is a step, and one more if it is interrupted; each but the first follows a pause. */
export function maxOperationsOf(step: CallStep, operation: Pick<Operation, 'alarm' | 'repeatWhenLost'> = {}): number {
  const attempts = Math.max(maxAttempts(retryPolicy(step, operation)), operation.repeatWhenLost?.attempts ?? 0);
  return attempts * (1 + operationsPerWait) + 1;
}

/** The operations of a step itself, and of the steps within it. */
export function operationsOfStep({ step, inside }: PlacedStep, perCall = onceEach): number {
  if ('wait' in step || isWaitFor(step)) return operationsPerWait + 2;
  if (isParallel(step)) return 2 + sumOf(inside.flat(), perCall);
  if (isRepeat(step)) return 2 + roundsOf(step, sumOf(inside.flat(), perCall));
  // It begins, finds its items, and ends.
  if (isForEach(step)) return 3;
  return isCall(step) && step.forEach === undefined ? perCall(step) : 1;
}

function roundsOf({ repeat: { max, everySeconds } }: RepeatStep, perRound: number): number {
  return max * (perRound + 1) + (everySeconds === undefined ? 0 : (max - 1) * operationsPerWait);
}

function sumOf(steps: readonly PlacedStep[], perCall: OperationsPerCall): number {
  return steps.reduce((sum, each) => sum + operationsOfStep(each, perCall), 0);
}
