import { isRecent } from '../../core/clock.ts';
import { newestListed } from '../../store/due.ts';
import { keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import { abandonRun } from './finish.ts';
import { findRun, type RunItem, type RunServices, type StepItem, startRunAgain, stepsOf } from './runs.ts';

/** The outcome of one search for lost runs. */
export interface SweepReport {
  checked: number;
  startedAgain: number;
  ended: number;
}

const minuteMs = 60_000;
/** An invocation ends within a quarter of an hour: a run without activity for longer is no longer being carried out. */
const silentMs = 20 * minuteMs;
/** A run may wait this long for its execution to start. Lambda discards an asynchronous invocation after the same time. */
const placeWaitMs = 6 * 60 * minuteMs;
/** A run without a single record this long after its start may never have been started. */
const unstartedMs = 2 * minuteMs;
/** Older runs are checked once an hour, because many runs wait for days. */
const youngMs = 60 * minuteMs;
/** Ticks are a minute apart; a few may fail. */
const maxTickGapMs = 3 * minuteMs;
const pageSize = 250;

/** The last search, and since when each has followed the one before; epoch milliseconds. */
interface SweepItem extends Key {
  at: number;
  since: number;
}

/**
 * Finds runs that are not being carried out. Runs that were stored but not started are started. Runs whose execution is no longer
 * active end as failed.
 */
export async function sweepRuns(services: RunServices, signal: AbortSignal): Promise<SweepReport> {
  const report: SweepReport = { checked: 0, startedAgain: 0, ended: 0 };
  const now = services.clock.now();
  const watchedSince = await noteSweep(services.table, now);
  const isFullSweep = Math.floor(now / minuteMs) % 60 === 0;
  const from = isFullSweep ? 0 : now - youngMs;
  for await (const listed of newestListed<RunItem>(services.table, 'run-running', from, now - unstartedMs, pageSize)) {
    if (signal.aborted) return report;
    report.checked++;
    // The index is eventually consistent with the table.
    const run = await findRun(services.table, listed.id);
    if (run?.state !== 'running') continue;
    const steps = await stepsOf(services.table, run.id);
    const hasStarted = run.executionStartedAt !== undefined || steps.length > 0;
    if (!hasStarted && run.startedAgainAt === undefined) {
      // Starting an execution twice has no further effect.
      await startRunAgain(services, run);
      report.startedAgain++;
    } else if (Math.max(lastSign(run, steps), watchedSince) + (hasStarted ? silentMs : placeWaitMs) < now) {
      const reason = hasStarted
        ? 'Its execution has ended without an end of the run.'
        : 'Its execution did not start within six hours.';
      await abandonRun(services, run.id, reason);
      report.ended++;
    }
  }
  return report;
}

/**
 * Notes this search; returns since when there has been one every minute. A run is not silent while the machine was off, or in an
 * hour by which its clock was set forward.
 */
async function noteSweep(table: Table, now: number): Promise<number> {
  const last = await table.get<SweepItem>(keys.runSweep(), true);
  const since = last && isRecent(last.at, maxTickGapMs, now) ? last.since : now;
  await table.put<SweepItem>({ ...keys.runSweep(), at: now, since });
  return since;
}

/** The latest time at which a run is known to have been active, or until which it rests; epoch milliseconds. */
function lastSign(run: RunItem, steps: readonly StepItem[]): number {
  const signs = steps.flatMap(({ startedAt, endedAt, nextAttemptAt, restsUntil }) => [
    startedAt,
    endedAt ?? 0,
    nextAttemptAt ?? 0,
    // A wait that has ended is no longer a rest.
    endedAt === undefined ? (restsUntil ?? 0) : 0,
  ]);
  return Math.max(run.createdAt, run.executionStartedAt ?? 0, run.startedAgainAt ?? 0, run.restsUntil ?? 0, ...signs);
}
