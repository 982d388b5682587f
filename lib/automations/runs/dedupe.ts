import { expiry, keys } from '../../store/items.ts';
import type { Key } from '../../store/table.ts';
import type { RunServices } from './runs.ts';

interface ClaimItem extends Key {
  runId: string;
  state: 'running' | 'done';
  /** Until when what was done counts, epoch milliseconds; while the run goes on, until when it may. */
  until: number;
  claimedAt: number;
  expiresAt: number;
}

export type Claim = 'mine' | { takenBy: string; state: 'running' | 'done' };

/** No run lives longer than its execution. */
const longestRun = 31 * 24 * 60 * 60_000;

/** Claims a dedupe key for a run. A repeat by the same run is its own again. */
export async function claimKey(
  services: RunServices,
  automationId: string,
  key: string,
  runId: string,
): Promise<Claim> {
  const now = services.clock.now();
  const item: ClaimItem = {
    ...keys.dedupe(automationId, key),
    runId,
    state: 'running',
    until: now + longestRun,
    claimedAt: now,
    expiresAt: expiry(now + longestRun),
  };
  const claimed = await services.table.put<ClaimItem>(
    item,
    'attribute_not_exists(#pk) OR #until < :now OR (#runId = :runId AND #state = :running)',
    { now, runId, running: 'running' },
  );
  if (claimed.done) return 'mine';
  return { takenBy: claimed.item?.runId ?? '', state: claimed.item?.state ?? 'running' };
}

/** Ends a claim: one that wrote something counts for its window from the claim on, another is given back. */
export async function endClaim(
  services: RunServices,
  automationId: string,
  key: string,
  runId: string,
  outcome: { wrote: boolean; seconds: number },
): Promise<void> {
  const at = keys.dedupe(automationId, key);
  if (!outcome.wrote) {
    await services.table.delete(at, '#runId = :runId', { runId });
    return;
  }
  const item = await services.table.get<ClaimItem>(at, true);
  if (item?.runId !== runId) return;
  const until = item.claimedAt + outcome.seconds * 1000;
  await services.table.update(
    at,
    'SET #state = :done, #until = :until, #expiresAt = :expiresAt',
    { done: 'done', until, expiresAt: expiry(until), runId },
    '#runId = :runId',
  );
}
