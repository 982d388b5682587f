import type { DurableContext } from '../../core/durable.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { isCall, isForEach } from '../definition.ts';
import { everyStep, type PlacedStep } from '../steps.ts';
import { callItems } from './call.ts';
import type { RunEnd } from './finish.ts';
import { forEachItems } from './for-each.ts';
import { type ItemWork, withinBudget } from './items.ts';
import { endPart, readPart } from './part-files.ts';
import { type AutomationServices, RunContext } from './run-context.ts';
import { definitionOfRun } from './runs.ts';
import { runSequence } from './sequence.ts';
import { startItems } from './start.ts';

/**
 * Carries out items of one of a run's lists in a separate execution: as many as fit into it, and at least one batch. What is
 * left is the next part.
 */
export async function carryOutPart(
  services: AutomationServices,
  vendors: Catalogue,
  context: DurableContext,
  { runId, part }: { runId: string; part: string },
): Promise<RunEnd> {
  const given = await readPart(services, runId, part);
  const { facts, at, list, from, results } = given;
  const run = new RunContext(services, vendors, facts, false);
  run.restore(results);
  const placed = everyStep(definitionOfRun(facts.run).do).find((each) => each.at === at);
  const work = placed && workOf(run, placed);
  if (!work) throw new Error(`The step number ${at + 1} of ${runId} has no list`);
  // An item that may take more than an execution has is carried out alone: it rarely takes all of its attempts.
  const budget = Math.max(run.capacity, work.maxOperationsPerItem);
  const ends = await withinBudget(run, context, placed.name, list, from, work, budget);
  const isLast = from + ends.length >= list.length || work.isEnough(ends);
  await context.step('end', () => endPart(services, given, ends, isLast));
  return { state: 'running' };
}

/** How the items of a step are carried out; undefined for a step without a list. */
function workOf(run: RunContext, placed: PlacedStep): ItemWork<unknown> | undefined {
  const { step } = placed;
  // The steps of an item wait for no earlier step: the list has waited for those.
  if (isForEach(step)) return forEachItems(run, placed, step, (...steps) => runSequence(...steps));
  if (isCall(step)) return callItems(run, placed, step);
  return 'start' in step ? startItems(run, placed, step) : undefined;
}
