import type { DurableContext } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import type { Key } from '../../store/table.ts';
import type { RunContext } from './run-context.ts';
import { findRun, type RunItem, type RunServices } from './runs.ts';

/** A wait of a run that cancelling the run ends. */
interface WaitItem extends Key {
  callbackId: string;
  expiresAt: number;
}

interface Cancelled {
  cancelled: true;
}

/** Lets time pass, in whole seconds; true when the run was cancelled meanwhile. */
export async function pause(run: RunContext, context: DurableContext, name: string, seconds: number): Promise<boolean> {
  if (run.sequential) {
    await context.wait(name, seconds);
    return false;
  }
  const waited = await context.waitFor<Cancelled>(name, (id) => endOnCancel(run.services, run.run, id), seconds);
  return waited.done;
}

/** Has cancelling a run end one of its waits; one that was cancelled before ends at once. */
export async function endOnCancel(services: RunServices, run: RunItem, callbackId: string): Promise<void> {
  const { expiresAt } = run;
  await services.table.put<WaitItem>({ ...keys.runWait(run.id, callbackId), callbackId, expiresAt });
  // Cancelling marks the run before it looks for waits: so either it finds this one, or this one finds the mark.
  if ((await findRun(services.table, run.id))?.cancelRequested) await endWait(services, callbackId);
}

/** Asks a run to end: its waits end at once, and no further step begins. False when it has ended already. */
export async function cancelRun(services: RunServices, run: RunItem, reason: string): Promise<boolean> {
  const asked = await services.table.update<RunItem>(
    { pk: run.pk, sk: run.sk },
    'SET #cancelRequested = :yes, #reason = if_not_exists(#reason, :reason)',
    { yes: true, running: 'running', reason },
    '#state = :running',
  );
  if (!asked.done) return false;
  const waits = await services.table.queryAll<WaitItem>({ pk: keys.runWaits(run.id), consistent: true });
  for (const { callbackId } of waits) await endWait(services, callbackId);
  return true;
}

async function endWait(services: RunServices, callbackId: string): Promise<void> {
  await services.starter.complete(callbackId, { cancelled: true } satisfies Cancelled);
}
