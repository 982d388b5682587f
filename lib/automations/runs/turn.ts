import type { DurableContext } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { claimKey, type HeldKey } from './dedupe.ts';
import { endOnCancel } from './pause.ts';
import type { RunContext } from './run-context.ts';
import { findRun, type RunItem, type RunServices } from './runs.ts';

/** A run that waits for others with the same key to end. */
interface TurnItem extends Key {
  runId: string;
  callbackId: string;
  expiresAt: number;
}

/** The outcome of requesting a turn. */
type Outcome = 'mine' | 'again' | Refused;

/** Why a run is not carried out after all. */
interface Refused {
  state: 'suppressed' | 'cancelled';
  reason: string;
}

/** The interval after which a turn is requested again in any case, in seconds. */
const maxWaitSeconds = 86_400;

/**
 * Waits until the earlier runs with the same key have ended, in order of arrival. Takes one or two durable operations, however
 * long it waits. Returns the reason if the run must not be carried out after all; the end of the run then passes its turn on.
 */
export async function takeTurn(run: RunContext, context: DurableContext, held: HeldKey): Promise<Refused | undefined> {
  const { services } = run;
  const { id, owner, pk, sk } = run.run;
  const now = () => services.clock.now();
  run.noteWait();
  for (let round = 1; ; round++) {
    await context.waitFor(
      `turn ${round}`,
      async (callbackId) => {
        await endOnCancel(run, callbackId);
        const item: TurnItem = {
          ...keys.turn(owner, held.key, run.run.createdAt, id),
          runId: id,
          callbackId,
          expiresAt: run.run.expiresAt,
        };
        await services.table.put<TurnItem>(item);
        const restsUntil = now() + maxWaitSeconds * 1000;
        await services.table.update({ pk, sk }, 'SET #restsUntil = :restsUntil, #turnKey = :turnKey', {
          restsUntil,
          turnKey: held.key,
        });
        if ((await firstInTurn(services, owner, held.key))?.runId !== id) return;
        // The previous run may have ended just now without finding a waiter.
        if (await isFree(services, run.run, held.key)) await services.starter.complete(callbackId, null);
      },
      maxWaitSeconds,
    );
    const outcome = await context.step<Outcome>(`claim ${round}`, async () => {
      const stored = await findRun(services.table, id);
      if (stored?.cancelRequested) return { state: 'cancelled', reason: stored.reason ?? 'It was cancelled.' };
      // The run waited for its turn, so only what was done within the window makes it a duplicate.
      const claim = await claimKey(services, owner, held.key, run.run, now());
      if (!claim.mine && claim.isGoing) return 'again';
      if (!claim.mine) return { state: 'suppressed', reason: `Suppressed as a duplicate of ${claim.takenBy}.` };
      await services.table.delete(keys.turn(owner, held.key, run.run.createdAt, id));
      await services.table.update({ pk, sk }, 'SET #restsUntil = :now', { now: now() });
      return 'mine';
    });
    if (outcome === 'mine') return undefined;
    if (outcome !== 'again') return outcome;
  }
}

/** Whether no run with the key is active. If one is, it is marked, so that it passes the turn on however it ends. */
async function isFree(services: RunServices, run: RunItem, key: string): Promise<boolean> {
  for (;;) {
    const claim = await claimKey(services, run.owner, key, run, services.clock.now());
    if (claim.mine || !claim.isGoing) return true;
    const holder = await findRun(services.table, claim.takenBy);
    if (!holder) continue;
    const values = { turnKey: key, running: 'running' };
    const marked = await services.table.update(
      { pk: holder.pk, sk: holder.sk },
      'SET #turnKey = :turnKey',
      values,
      '#state = :running',
    );
    if (marked.done) return false;
  }
}

/** The ids of the runs that wait for a key. */
export async function runsInTurn(table: Table, owner: string, key: string): Promise<string[]> {
  const items = await table.queryAll<TurnItem>({ pk: keys.turns(owner, key), consistent: true });
  return items.map(({ runId }) => runId);
}

/** Notifies the first run that waits for a key that the run holding it has ended. */
export async function passTurn(services: RunServices, owner: string, key: string): Promise<void> {
  const next = await firstInTurn(services, owner, key);
  if (next) await services.starter.complete(next.callbackId, null);
}

/** The first run that waits for a key. Runs that ended while they waited are removed. */
export async function firstInTurn({ table }: RunServices, owner: string, key: string): Promise<TurnItem | undefined> {
  for (;;) {
    const { items } = await table.query<TurnItem>({ pk: keys.turns(owner, key), limit: 1, consistent: true });
    const [first] = items;
    if (!first || (await findRun(table, first.runId))?.state === 'running') return first;
    await table.delete({ pk: first.pk, sk: first.sk });
  }
}
