import type { DurableContext } from '../../core/durable.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { appendOwnEvent } from '../../events/own-events.ts';
import { eventOf, runInLog } from './begin.ts';
import { endClaim, type HeldKey } from './dedupe.ts';
import { endPartWaits, forgetWaits } from './pause.ts';
import type { StepEnd } from './run-context.ts';
import {
  endRun,
  findRun,
  type RunItem,
  type RunServices,
  type RunState,
  stepsOf,
  vendorOfCalls,
  withDefinition,
} from './runs.ts';
import { passTurn } from './turn.ts';
import { scopesToSee } from './visible.ts';

/** How a run ended. */
export interface RunEnd {
  state: RunState;
  reason?: string;
  dedupeKey?: string;
  /** Whether the reason or the dedupe key may quote what the automation remembers. */
  quotesMemory?: boolean;
  /** The key that it holds, and whether it counts within its window. */
  held?: HeldKey & { counts: boolean };
  /** Whether it has waited for anything. */
  waited?: boolean;
  /** The steps that failed. */
  failures?: { step: string; reason: string }[];
  /** The scopes that a key needs to see the reason, if it may quote more than the run's event. */
  reads?: readonly string[];
}

/** Derives the outcome of a run from the outcomes of its steps. */
export function endOf(ends: readonly StepEnd[], sequence: { stop?: string; cancelled: boolean }): RunEnd {
  const failures = ends.flatMap(({ name, reason }) => (reason === undefined ? [] : [{ step: name, reason }]));
  const reason = sequence.stop ?? (failures.map((each) => each.reason).join(' ') || undefined);
  const succeeded = ends.some((end) => end.succeeded > 0);
  const failed = failures.length > 0;
  const state: RunState = sequence.cancelled
    ? 'cancelled'
    : !failed
      ? 'succeeded'
      : succeeded && sequence.stop === undefined
        ? 'partial'
        : 'failed';
  return { state, ...(reason !== undefined && { reason }), ...(failed && { failures }) };
}

/** Only a delivered event counts as seen: the run wrote something, and all of its alarms, if any, were raised. */
export function countsForDedupe(ends: readonly StepEnd[]): boolean {
  return ends.some(({ wrote }) => wrote) && !ends.some(({ silent }) => silent);
}

/** Ends a run: its dedupe key, its item, the event that reports a failure, and one line in the log. May be repeated. */
export async function finishRun(services: RunServices, runId: string, end: RunEnd): Promise<void> {
  const run = await findRun(services.table, runId);
  if (!run) return;
  if (end.held) await endClaim(services, run.owner, end.held.key, run, end.held);
  const reason = end.reason === undefined ? undefined : redactText(end.reason).slice(0, 2_000);
  const ended = await endRun(services, run, end.state, reason, end);
  // A waiting run may have set `turnKey` until the moment at which this one ended. One of an earlier version sets none.
  const key = ended.item?.turnKey ?? end.held?.key;
  if (key !== undefined) await passTurn(services, run.owner, key);
  if (!ended.done) return;
  if (end.waited) await forgetWaits(services, runId);
  const failed = end.state === 'failed' || end.state === 'partial';
  services.log?.({
    level: failed ? 'error' : 'info',
    message: failed ? 'run failed' : 'run ended',
    ...runInLog(run),
    state: end.state,
    ...(reason !== undefined && { reason }),
  });
  if (failed && !run.isDrill) await reportFailure(services, run, end, reason);
}

async function reportFailure(
  services: RunServices,
  run: RunItem,
  end: RunEnd,
  reason = 'A step failed; see the run.',
): Promise<void> {
  const event = await eventOf(services, run);
  // An automation that reports failed runs and fails itself must not report itself.
  if (event?.type === 'trunkline.run.failed') return;
  await appendOwnEvent(services, {
    type: 'trunkline.run.failed',
    id: run.id,
    data: {
      runId: run.id,
      ...(vendorOfCalls(run.owner) === undefined && { automationId: run.owner }),
      automation: run.name,
      ...(run.eventId !== undefined && { eventId: run.eventId }),
      state: end.state,
      reason,
      failures: (end.failures ?? []).map((each) => ({ ...each, reason: redactText(each.reason).slice(0, 500) })),
    },
  });
}

/**
 * Ends a run whose execution cannot continue, whatever its steps have done. This frees its dedupe key, since a claim counts only
 * while its run is active. With `vendors`, the reason may quote what the run has read.
 */
export async function abandonRun(
  services: RunServices,
  runId: string,
  reason: string,
  vendors?: Catalogue,
): Promise<void> {
  const run = await findRun(services.table, runId);
  // It may have been interrupted between its end and passing its turn on.
  if (run && run.state !== 'running' && run.turnKey !== undefined) await passTurn(services, run.owner, run.turnKey);
  if (run?.state !== 'running') return;
  const reads = vendors && { reads: await readsOf(services, vendors, runId) };
  await finishRun(services, runId, { state: 'failed', reason, waited: true, ...reads });
}

/** The scopes that a key needs to see everything that passed through a run. */
async function readsOf(services: RunServices, vendors: Catalogue, runId: string): Promise<readonly string[]> {
  const run = await findRun(services.table, runId);
  if (!run) return [];
  return scopesToSee(vendors, await withDefinition(services.files, run), await stepsOf(services.table, runId));
}

/** Ends the run of an execution that cannot continue: its own, or that of a part of one of its lists. */
export async function abandonExecution(
  services: RunServices,
  execution: string,
  reason: string,
  vendors?: Catalogue,
): Promise<void> {
  const [runId = ''] = execution.split('-');
  await endPartWaits(services, runId);
  await abandonRun(services, runId, reason, vendors);
}

/** The last durable step of a run. */
export async function finishDurably(
  services: RunServices,
  vendors: Catalogue,
  context: DurableContext,
  runId: string,
  end: RunEnd,
): Promise<RunEnd> {
  await context.step('end', async () => {
    // The reason of a failure can quote what any step has read, and what is remembered may come from any read.
    const reads = (end.failures || end.quotesMemory) && { reads: await readsOf(services, vendors, runId) };
    await finishRun(services, runId, { ...end, ...reads });
  });
  return end;
}
