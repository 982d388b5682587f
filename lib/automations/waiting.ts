import type { PauseState } from '../api/pause/pause.ts';
import type { Waiting } from '../api/pause/routes.ts';
import { type ListedKind, newestListed } from '../store/due.ts';
import type { Table } from '../store/table.ts';

const pageSize = 500;

/** What is waiting for a pause to end: runs that reached a sending step, and deliveries that are due. */
export async function waitingFor(table: Table, { since }: PauseState): Promise<Waiting> {
  const [runs, pending, retrying] = await Promise.all([
    countPaused(table, 'run-running', since),
    countPaused(table, 'delivery-pending', since),
    countPaused(table, 'delivery-retrying', since),
  ]);
  return { runs, deliveries: pending + retrying };
}

async function countPaused(table: Table, kind: ListedKind, since: number): Promise<number> {
  let count = 0;
  const items = newestListed<{ dueAt?: number; pausedAt?: number }>(table, kind, 0, Number.MAX_SAFE_INTEGER, pageSize);
  for await (const { pausedAt = 0 } of items) if (pausedAt >= since) count++;
  return count;
}
