import type { DurableContext } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { claimKey, type HeldKey } from './dedupe.ts';
import { endOnCancel } from './pause.ts';
import type { RunContext } from './run-context.ts';
import { findRun, type RunServices } from './runs.ts';

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
 * long it waits. Returns the reason if the run must not be carried out after all.
 */
export async function takeTurn(run: RunContext, context: DurableContext, held: HeldKey): Promise<Refused | undefined> {
  const { services } = run;
  const { id, owner } = run.run;
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
        const { pk, sk } = run.run;
        const restsUntil = services.clock.now() + maxWaitSeconds * 1000;
        await services.table.update({ pk, sk }, 'SET #restsUntil = :restsUntil', { restsUntil });
        // The previous run may have ended just now without finding a waiter.
        if ((await firstInTurn(services.table, owner, held.key))?.runId !== id) return;
        const claim = await claimKey(services, owner, held.key, run.run, services.clock.now());
        if (claim.mine || !claim.isGoing) await services.starter.complete(callbackId, null);
      },
      maxWaitSeconds,
    );
    const outcome = await context.step<Outcome>(`claim ${round}`, async () => {
      const now = await findRun(services.table, id);
      if (now?.cancelRequested) {
        await leaveTurn(services.table, run, held.key);
        await passTurn(services, owner, held.key);
        return { state: 'cancelled', reason: now.reason ?? 'It was cancelled.' };
      }
      // The run waited for its turn, so only what was done within the window makes it a duplicate.
      const claim = await claimKey(services, owner, held.key, run.run, services.clock.now());
      if (!claim.mine && claim.isGoing) return 'again';
      await leaveTurn(services.table, run, held.key);
      if (claim.mine) return 'mine';
      return { state: 'suppressed', reason: `Suppressed as a duplicate of ${claim.takenBy}.` };
    });
    if (outcome === 'mine') return undefined;
    if (outcome !== 'again') return outcome;
  }
}

/** The ids of the runs that wait for a key. */
export async function runsInTurn(table: Table, owner: string, key: string): Promise<string[]> {
  const items = await table.queryAll<TurnItem>({ pk: keys.turns(owner, key), consistent: true });
  return items.map(({ runId }) => runId);
}

/** Notifies the first run that waits for a key that the run holding it has ended. */
export async function passTurn({ table, starter }: RunServices, owner: string, key: string): Promise<void> {
  const next = await firstInTurn(table, owner, key);
  if (next) await starter.complete(next.callbackId, null);
}

async function firstInTurn(table: Table, owner: string, key: string): Promise<TurnItem | undefined> {
  const { items } = await table.query<TurnItem>({ pk: keys.turns(owner, key), limit: 1, consistent: true });
  return items[0];
}

async function leaveTurn(table: Table, { run }: RunContext, key: string): Promise<void> {
  await table.delete(keys.turn(run.owner, key, run.createdAt, run.id));
}
