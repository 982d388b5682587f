import type { DurableContext } from '../../core/durable.ts';
import { resumption } from '../../events/own-event-types.ts';
import { registerResumption } from '../../events/waiters.ts';
import { newestListed } from '../../store/due.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import type { RunContext } from './run-context.ts';
import { findRun, type RunItem, type RunServices } from './runs.ts';

/** A wait that cancelling the run ends. */
interface WaitItem extends Key {
  callbackId: string;
  /** The event types that it waits for, in order. */
  types: string[];
  /** It waits for another execution of the run, which sees by itself that the run is cancelled. */
  isForPart?: true;
  expiresAt: number;
}

const newestLength = 200;

/** What completes a wait that ends early. */
export interface Cancelled {
  cancelled: true;
}

/**
 * Waits for a duration in whole seconds, or until sending is resumed if it has been paused since a time; true when the run was
 * cancelled in the meantime.
 */
export async function pause(
  run: RunContext,
  context: DurableContext,
  name: string,
  seconds: number,
  pausedSince?: number,
): Promise<boolean> {
  if (run.sequential) {
    await context.wait(name, seconds);
    return false;
  }
  run.noteWait();
  const register = async (id: string) => {
    if (pausedSince === undefined) return endOnCancel(run, id);
    await endOnCancel(run, id, [resumption]);
    await registerResumption(run.services, id, pausedSince, run.services.clock.now() + seconds * 1000);
  };
  const waited = await context.waitFor<Cancelled | object>(name, register, seconds);
  return waited.done && 'cancelled' in waited.value;
}

/** Makes one of a run's waits end when the run is cancelled; if the run is already cancelled, it ends immediately. */
export async function endOnCancel(
  { services, run }: Pick<RunContext, 'services' | 'run'>,
  callbackId: string,
  types: string[] = [],
): Promise<void> {
  const { expiresAt } = run;
  await services.table.put<WaitItem>({ ...keys.runWait(run.id, callbackId), callbackId, types, expiresAt });
  // Cancelling marks the run before it searches for waits: either it finds this wait, or this wait finds the mark.
  if ((await findRun(services.table, run.id))?.cancelRequested) await endWait(services, callbackId);
}

/** Makes a wait for another execution of the run end when that one cannot continue. */
export async function endOnAbandon(
  { services, run }: Pick<RunContext, 'services' | 'run'>,
  callbackId: string,
): Promise<void> {
  const { expiresAt } = run;
  const at = keys.runWait(run.id, callbackId);
  await services.table.put<WaitItem>({ ...at, callbackId, types: [], isForPart: true, expiresAt });
}

/** Ends the waits of a run for executions that cannot continue. */
export async function endPartWaits(services: RunServices, runId: string): Promise<void> {
  for (const { callbackId, isForPart } of await waitsOf(services.table, runId))
    if (isForPart) await endWait(services, callbackId);
}

/** Removes the waiters of a run, so that no later event is matched against a run that has ended. */
export async function forgetWaits({ table }: RunServices, runId: string): Promise<void> {
  for (const { pk, sk, callbackId, types } of await waitsOf(table, runId)) {
    for (const [alternative, type] of types.entries()) await table.delete(keys.waiter(type, callbackId, alternative));
    await table.delete({ pk, sk });
  }
}

/** Requests the end of a run: its waits end immediately, and no further step starts. False when it has already ended. */
export async function cancelRun(services: RunServices, run: RunItem, reason: string): Promise<boolean> {
  const asked = await services.table.update<RunItem>(
    { pk: run.pk, sk: run.sk },
    'SET #cancelRequested = :yes, #reason = if_not_exists(#reason, :reason)',
    { yes: true, running: 'running', reason },
    '#state = :running',
  );
  if (!asked.done) return false;
  for (const { callbackId, isForPart } of await waitsOf(services.table, run.id))
    if (!isForPart) await endWait(services, callbackId);
  return true;
}

/** Requests the end of every run of an automation, as `cancelRun` does for one; returns how many. */
export async function cancelRuns(services: RunServices, owner: string, reason: string): Promise<number> {
  let ended = 0;
  // The newest are read from the table itself, because the index of what is running lags behind it.
  const newest = await services.table.query<RunItem>({
    pk: keys.runs(owner),
    forward: false,
    limit: newestLength,
    consistent: true,
  });
  const runs = new Map(newest.items.map((run) => [run.id, run]));
  const listed = newestListed<RunItem>(services.table, 'run-running', 0, Number.MAX_SAFE_INTEGER, newestLength);
  for await (const run of listed) if (run.owner === owner) runs.set(run.id, run);
  for (const run of runs.values()) if (run.state === 'running' && (await cancelRun(services, run, reason))) ended++;
  return ended;
}

function waitsOf(table: Table, runId: string): Promise<WaitItem[]> {
  return table.queryAll<WaitItem>({ pk: keys.runWaits(runId), consistent: true });
}

async function endWait(services: RunServices, callbackId: string): Promise<void> {
  await services.starter.complete(callbackId, { cancelled: true } satisfies Cancelled);
}
