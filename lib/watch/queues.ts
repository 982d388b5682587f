import { type DueKind, type ListedKind, oldestDue, oldestListed } from '../store/due.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { Check } from './check.ts';

/** The fields of a run or a delivery that tell whether it is being carried out; times are epoch milliseconds. */
interface Queued extends Key {
  id: string;
  createdAt: number;
  /** When a delivery continues. */
  nextAttemptAt?: number;
  /** Until when a run waits for its turn. */
  restsUntil?: number;
  pausedAt?: number;
}

const watched: readonly DueKind[] = ['keepalive', 'poll', 'schedule'];
const oldestDueMs = 120_000;
/** Lost starts are repeated after two minutes; what waits for longer than this is blocked. */
const blockedAfterMs = 5 * 60_000;
/** Older runs without a sign are ended by the sweep. */
const maxRunAgeMs = 60 * 60_000;
/** How many items of each partition are checked, oldest first: if a queue is blocked, they are blocked, too. */
const sampled = 10;

/** Checks that nothing waits for its turn for too long: due work, events, deliveries and runs. */
export function checkQueues(table: Table, now: number): Promise<Check[]> {
  return Promise.all([
    ...watched.map((kind) => checkDue(table, kind, now, oldestDueMs)),
    // An event that was not routed is due for the sweep after two minutes.
    checkDue(table, 'route', now, blockedAfterMs - oldestDueMs, 'queue events'),
    checkDeliveries(table, now),
    checkRuns(table, now),
  ]);
}

async function checkDue(
  table: Table,
  kind: DueKind,
  now: number,
  maxAgeMs: number,
  name = `due ${kind}`,
): Promise<Check> {
  const oldest = await oldestDue(table, kind);
  const age = oldest === undefined ? 0 : now - oldest;
  if (age <= maxAgeMs) return { name, ok: true, message: age > 0 ? `oldest for ${seconds(age)}` : 'nothing is late' };
  return { name, ok: false, message: `the oldest has been due for ${seconds(age)}` };
}

async function checkDeliveries(table: Table, now: number): Promise<Check> {
  const [pending, retrying] = await Promise.all(
    (['delivery-pending', 'delivery-retrying'] as const).map((kind: ListedKind) =>
      oldestListed<Queued>(table, kind, 0, now, sampled),
    ),
  );
  const due = [
    ...(pending ?? []).map(({ createdAt, nextAttemptAt }) => nextAttemptAt ?? createdAt),
    ...(retrying ?? []).map(({ nextAttemptAt }) => nextAttemptAt ?? now),
  ];
  return blocked('queue deliveries', due, now);
}

/** A run that was started has a record of its first step soon, unless it waits for its turn or sending is paused. */
async function checkRuns(table: Table, now: number): Promise<Check> {
  const runs = await oldestListed<Queued>(table, 'run-running', now - maxRunAgeMs, now - blockedAfterMs, sampled);
  const silent = runs.filter(({ restsUntil = 0, pausedAt }) => restsUntil <= now && pausedAt === undefined);
  const started = await Promise.all(
    silent.map(async ({ id }) => (await table.query({ pk: keys.runSteps(id), limit: 1 })).items.length > 0),
  );
  const waiting = silent.flatMap(({ createdAt }, at) => (started[at] ? [] : [createdAt]));
  return blocked('queue runs', waiting, now);
}

/** `due`: when each item should have continued. */
function blocked(name: string, due: readonly number[], now: number): Check {
  const age = now - Math.min(now, ...due);
  if (age <= blockedAfterMs)
    return { name, ok: true, message: age > 0 ? `oldest for ${seconds(age)}` : 'nothing waits' };
  return { name, ok: false, message: `the oldest has waited for ${seconds(age)}` };
}

export function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}
