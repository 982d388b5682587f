import type { DurableContext } from '../../core/durable.ts';
import { isCall, isForEach, isParallel, isRepeat, isWaitFor, type ParallelStep, target } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { beginBlock, endBlock } from './block.ts';
import { runCall } from './call.ts';
import { dependenciesOf, stepsBeside } from './dependencies.ts';
import { runForEach } from './for-each.ts';
import { operationIn } from './operations.ts';
import { runRemember } from './remember.ts';
import { runRepeat } from './repeat.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import type { RunSteps, SequenceEnd } from './run-steps.ts';
import { runSet } from './set.ts';
import { runStart } from './start.ts';
import { runWait, runWaitFor } from './wait.ts';

/** The maximum time for which an unanswered step that may run beside the others delays the following steps, in milliseconds. */
const maxDelayMs = 500;

/** A step that runs beside the list. The flags belong to this replay alone: they determine when steps start, never which. */
interface Going {
  placed: PlacedStep;
  attempted: Promise<void>;
  ended: Promise<StepEnd>;
  isAttempted: boolean;
  isOver: boolean;
}

/** The steps that precede a list, within it and around it. */
export interface SequenceContext {
  earlier: readonly PlacedStep[];
  /** Those among them that may still be running. */
  beside: ReadonlySet<PlacedStep>;
}

/**
 * Runs steps in order. A call whose errors do not stop the run gets its own branch: the following steps start as soon as its
 * first attempt is over, or half a second after it started. Only steps that read its result wait for its end.
 */
export async function runSequence(
  run: RunContext,
  context: DurableContext,
  steps: readonly PlacedStep[],
  around: SequenceContext = { earlier: [], beside: new Set() },
): Promise<SequenceEnd> {
  const beside = run.sequential ? new Set<PlacedStep>() : stepsBeside(steps, around.beside);
  const going: Going[] = [];
  let stop: string | undefined;
  let cancelled = false;
  for (const [index, placed] of steps.entries()) {
    if (stop !== undefined || cancelled) {
      run.skip(placed);
      continue;
    }
    const earlier = [...around.earlier, ...steps.slice(0, index)];
    const surroundings = { earlier, beside: new Set([...around.beside, ...beside]) };
    const before = sameConnection(run, placed, going);
    if (!beside.has(placed)) {
      await Promise.all(before);
      const end = await runStep(run, context, placed, surroundings, () => undefined);
      stop = end.stop;
      cancelled = end.cancelled === true;
      continue;
    }
    const attempted = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    void attempted.promise.then(released.resolve);
    // A step that waits for another one in trouble does not delay the others either.
    const blockers = dependenciesOf(placed.step, earlier);
    if (before.length > 0 || going.some((each) => !each.isOver && blockers.includes(each.placed))) released.resolve();
    const ended = context.branch(placed.name, async (inner) => {
      await Promise.all(before);
      return runStep(run, inner, placed, surroundings, attempted.resolve);
    });
    const mine: Going = { placed, attempted: attempted.promise, ended, isAttempted: false, isOver: false };
    going.push(mine);
    void attempted.promise.then(() => {
      mine.isAttempted = true;
    });
    const over = () => {
      mine.isOver = true;
      attempted.resolve();
    };
    void ended.then(over, over);
    const timer = new AbortController();
    void run.services.clock.sleep(maxDelayMs, timer.signal).then(released.resolve, () => undefined);
    await released.promise;
    timer.abort();
  }
  for (const { placed, ended } of going) {
    const end = await ended;
    cancelled ||= end.cancelled === true;
    // A step that only computes a value stops the run like any other step, once nothing runs beside it.
    if (!isCall(placed.step)) stop ??= end.stop;
  }
  return { ...(stop !== undefined && { stop }), cancelled };
}

async function runStep(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  around: SequenceContext,
  attempted: () => void,
): Promise<StepEnd> {
  const { step, name } = placed;
  if (!run.sequential) {
    // Of the branches of `parallel`, each waits for itself.
    const awaited = dependenciesOf(isParallel(step) ? { ...step, parallel: [] } : step, around.earlier);
    await Promise.all(awaited.map((each) => run.ended(each.name)));
  }
  const given = run.givenOutput(name);
  if (given) return takeOver(run, context, placed, given.output);
  if (isCall(step)) return runCall(run, context, placed, step, attempted);
  if (isWaitFor(step)) return runWaitFor(run, context, placed, step);
  if (isParallel(step)) return runParallel(run, context, placed, step, around);
  const inside: RunSteps = (round, inner, steps) => runSequence(round, inner, steps, around);
  if (isRepeat(step)) return runRepeat(run, context, placed, step, inside);
  if (isForEach(step)) return runForEach(run, context, placed, step, inside);
  if ('start' in step) return runStart(run, context, placed, step);
  if ('remember' in step) return runRemember(run, context, placed, step);
  if ('wait' in step) return runWait(run, context, placed, step);
  return runSet(run, context, placed, step);
}

/** Runs lists of steps in parallel. A list that stops does not stop the others; the run stops when all have ended. */
async function runParallel(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: ParallelStep,
  around: SequenceContext,
): Promise<StepEnd> {
  const { name, inside } = placed;
  const place = run.place(placed, 'parallel');
  if (!(await beginBlock(run, context, place, step.if))) {
    for (const list of inside) for (const each of list) run.skip(each);
    return run.finishStep({ name }, { output: null });
  }
  const branches = inside.map((list, index) =>
    context.branch(`${name} ${index + 1}`, (inner) => runSequence(run, inner, list, around)),
  );
  const ends = await Promise.all(branches);
  const stop = ends.find((end) => end.stop !== undefined)?.stop;
  await endBlock(run, context, place, { state: stop === undefined ? 'succeeded' : 'failed' });
  // The nested steps are counted individually, so the enclosing step adds nothing.
  const cancelled = ends.some((end) => end.cancelled);
  return run.finishStep({ name, cancelled, ...(stop !== undefined && { stop }) }, { output: null });
}

/** Treats a step as carried out by other means, as requested with a replay. */
async function takeOver(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  output: unknown,
): Promise<StepEnd> {
  const { name, step } = placed;
  await context.step(name, async () => {
    const place = run.place(placed, isCall(step) ? step.call : 'taken over');
    await run.records.write(place, { state: 'succeeded', kept: true, output });
  });
  for (const list of placed.inside) for (const each of list) run.skip(each);
  return run.finishStep({ name, succeeded: 1 }, { output });
}

/**
 * The first attempts that a call waits for: those of earlier steps at the same connection, so that messages keep their order. A
 * call that raises an alarm waits for none.
 */
function sameConnection(run: RunContext, { step }: PlacedStep, going: readonly Going[]): Promise<void>[] {
  if (!isCall(step)) return [];
  const { vendor, connection, operation } = target(step);
  if (operationIn(run.vendors, vendor, operation)?.alarm) return [];
  return going.flatMap(({ placed, attempted, isAttempted }) => {
    if (!isCall(placed.step) || isAttempted) return [];
    const other = target(placed.step);
    return other.vendor === vendor && other.connection === connection ? [attempted] : [];
  });
}
