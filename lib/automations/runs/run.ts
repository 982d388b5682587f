import type { DurableContext, RunStart } from '../../core/durable.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { placeSteps } from '../steps.ts';
import { type Beginning, beginRun, quotesMemory } from './begin.ts';
import { watchForCancel } from './cancel-on.ts';
import { abandonExecution, countsForDedupe, endOf, finishDurably, type RunEnd } from './finish.ts';
import { carryOutPart } from './part.ts';
import { type AutomationServices, RunContext, type RunFacts } from './run-context.ts';
import { definitionOfRun, type RunItem } from './runs.ts';
import { runSequence } from './sequence.ts';
import { takeTurn } from './turn.ts';

export type { AutomationServices } from './run-context.ts';

/** The result of the first step of a run in earlier versions. */
interface FormerBeginning {
  go: true;
  frame: { run: RunItem; bindings: { event: TrunklineEvent | null; run: { ref: string } }; startedAt: number };
  dedupe?: { key: string; seconds: number };
}

/**
 * Carries out one run, step by step. May be restarted from the top at any time: the results of steps are remembered. An error
 * thrown here ends the execution permanently, and therefore also ends the run.
 */
export async function runAutomation(
  services: AutomationServices,
  vendors: Catalogue,
  context: DurableContext,
  { runId, part }: RunStart,
): Promise<RunEnd> {
  try {
    if (part !== undefined) return await carryOutPart(services, vendors, context, { runId, part });
    return await carryOut(services, vendors, context, runId);
  } catch (error) {
    const reason = `The run could not continue: ${error instanceof Error ? error.message : String(error)}`;
    await abandonExecution(services, part ?? runId, reason, vendors);
    throw error;
  }
}

async function carryOut(
  services: AutomationServices,
  vendors: Catalogue,
  context: DurableContext,
  runId: string,
): Promise<RunEnd> {
  const remembered = await context.step<Beginning | FormerBeginning>('begin', () => beginRun(services, runId));
  const { beginning, sequential } = beginningOf(remembered);
  if (!beginning.go) {
    const { held, ...end } = beginning;
    return finishDurably(services, vendors, context, runId, {
      ...end,
      ...(held && { held: { ...held, counts: false } }),
    });
  }
  const { facts, held, turn } = beginning;
  const run = new RunContext(services, vendors, facts, sequential);
  const refused = held && turn !== undefined ? await takeTurn(run, context, held) : undefined;
  const shownKey = held && { dedupeKey: held.key, quotesMemory: quotesMemory(facts.run) };
  if (refused) return finishDurably(services, vendors, context, runId, { ...refused, ...shownKey, waited: true });
  await watchForCancel(run, context);
  const sequence = await runSequence(run, context, placeSteps(definitionOfRun(facts.run).do));
  const end = endOf(run.ends, sequence);
  return finishDurably(services, vendors, context, runId, {
    ...end,
    waited: run.hasWaited,
    ...(held && { held: { ...held, counts: !sequence.cancelled && countsForDedupe(run.ends) } }),
    ...shownKey,
  });
}

/** A run that an earlier version started continues with that version's numbering of operations: one step after the other. */
function beginningOf(remembered: Beginning | FormerBeginning): { beginning: Beginning; sequential: boolean } {
  if (!remembered.go || 'facts' in remembered) return { beginning: remembered, sequential: false };
  const { frame, dedupe } = remembered;
  const facts: RunFacts = {
    run: frame.run,
    event: frame.bindings.event,
    startedAt: frame.startedAt,
    ref: frame.bindings.run.ref,
  };
  return { beginning: { go: true, facts, ...(dedupe && { held: dedupe }) }, sequential: true };
}
