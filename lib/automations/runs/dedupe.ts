import { futureFrom } from '../../core/clock.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { findRun, type RunServices } from './runs.ts';

/** A dedupe key that a run holds. */
export interface HeldKey {
  key: string;
  seconds: number;
  /** Whether others with the key wait for their turn instead of being duplicates. */
  waits?: boolean;
}

interface ClaimItem extends Key {
  runId: string;
  state: 'running' | 'done';
  /** Events that arrived until then are duplicates, epoch milliseconds; not meaningful while the run is active. */
  until: number;
  /** When the run's event arrived. */
  claimedAt: number;
  expiresAt: number;
}

/** `isGoing`: the run that holds the key has not ended. */
export type Claim = { mine: true } | { mine: false; takenBy: string; isGoing: boolean };

/** No run outlives its execution. */
const longestRunMs = 31 * 24 * 60 * 60_000;
/** A claim is kept this much longer than it counts, for events whose runs start late. */
const lateMs = 60 * 60_000;

/**
 * Claims a dedupe key for the run of an event that arrived at a given time. Duplicates are determined by arrival: any event that
 * arrived while the run with the key was active, or within its window, is one. A claim from a time that is still to come was made
 * before the clock was set back, and counts no more. A repeat by the same run gets its own claim again.
 */
export async function claimKey(
  services: RunServices,
  automationId: string,
  key: string,
  run: { id: string; createdAt: number },
  arrivedAt: number,
): Promise<Claim> {
  const at = keys.dedupe(automationId, key);
  const mine: ClaimItem = {
    ...at,
    runId: run.id,
    state: 'running',
    until: 0,
    claimedAt: run.createdAt,
    expiresAt: expiry(services.clock.now() + longestRunMs),
  };
  const condition =
    'attribute_not_exists(#pk) OR (#state = :done AND (#until < :arrivedAt OR #claimedAt >= :future)) OR (#runId = :runId AND #state = :running)';
  const future = futureFrom(services.clock.now());
  const values = { runId: run.id, arrivedAt, future, running: 'running', done: 'done' };
  const claimed = await services.table.put<ClaimItem>(mine, condition, values);
  if (claimed.done) return { mine: true };
  const held = claimed.item;
  if (held?.state !== 'running') return { mine: false, takenBy: held?.runId ?? '', isGoing: false };
  // A run that ended without releasing its key no longer holds it.
  if ((await findRun(services.table, held.runId))?.state === 'running')
    return { mine: false, takenBy: held.runId, isGoing: true };
  const taken = await services.table.put<ClaimItem>(mine, '#runId = :held AND #state = :running', {
    held: held.runId,
    running: 'running',
  });
  return taken.done ? { mine: true } : { mine: false, takenBy: taken.item?.runId ?? held.runId, isGoing: true };
}

/** The id of the run that claimed a key last. */
export async function holderOf(table: Table, automationId: string, key: string): Promise<string | undefined> {
  return (await table.get<ClaimItem>(keys.dedupe(automationId, key), true))?.runId;
}

/**
 * Ends a claim. A claim that counts does so for its window from the event's arrival and, unless events with the key wait for
 * their turn, for events that arrived while the run was active.
 */
export async function endClaim(
  services: RunServices,
  automationId: string,
  key: string,
  run: { id: string; createdAt: number },
  outcome: { counts: boolean; seconds: number; waits?: boolean },
): Promise<void> {
  const at = keys.dedupe(automationId, key);
  const now = services.clock.now();
  const windowEnd = run.createdAt + outcome.seconds * 1000;
  const until = outcome.waits ? windowEnd : Math.max(windowEnd, now);
  if (!outcome.counts || until < now) {
    await services.table.delete(at, '#runId = :runId', { runId: run.id });
    return;
  }
  await services.table.update(
    at,
    'SET #state = :done, #until = :until, #expiresAt = :expiresAt',
    { done: 'done', until, expiresAt: expiry(until + lateMs), runId: run.id },
    '#runId = :runId',
  );
}
