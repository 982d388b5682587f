import { newestListed } from '../../store/due.ts';
import { abandonRun } from './finish.ts';
import { findRun, type RunItem, type RunServices, type StepItem, startRunAgain, stepsOf } from './runs.ts';

/** What one look for lost runs came to. */
export interface SweepReport {
  looked: number;
  startedAgain: number;
  ended: number;
}

const minuteMs = 60_000;
/** An invocation ends within a quarter of an hour: whatever has shown no sign for longer has nobody to carry it out. */
const silentMs = 20 * minuteMs;
/** A run without a single record this long after its start may never have been started. */
const unstartedMs = 2 * minuteMs;
/** Runs that are older are looked at once an hour: those that wait for days are many. */
const youngMs = 60 * minuteMs;
const pageSize = 250;

/**
 * Looks for runs that nobody carries out: those that were stored and not started are started, and those whose execution shows no
 * sign of life any more end as failed.
 */
export async function sweepRuns(services: RunServices, signal: AbortSignal): Promise<SweepReport> {
  const report: SweepReport = { looked: 0, startedAgain: 0, ended: 0 };
  const now = services.clock.now();
  const isFullLook = Math.floor(now / minuteMs) % 60 === 0;
  const from = isFullLook ? 0 : now - youngMs;
  for await (const listed of newestListed<RunItem>(services.table, 'run-running', from, now - unstartedMs, pageSize)) {
    if (signal.aborted) return report;
    report.looked++;
    // The index is a moment behind the table.
    const run = await findRun(services.table, listed.id);
    if (run?.state !== 'running') continue;
    const steps = await stepsOf(services.table, run.id);
    if (steps.length === 0 && run.startedAgainAt === undefined) {
      // Starting an execution twice starts it once.
      await startRunAgain(services, run);
      report.startedAgain++;
    } else if (lastSign(run, steps) + silentMs < now) {
      await abandonRun(services, run.id, 'Its execution has ended without an end of the run.');
      report.ended++;
    }
  }
  return report;
}

/** The latest time at which a run is known to have been carried out, or to rest until; epoch milliseconds. */
function lastSign(run: RunItem, steps: readonly StepItem[]): number {
  const signs = steps.flatMap(({ startedAt, endedAt, nextAttemptAt, restsUntil }) => [
    startedAt,
    endedAt ?? 0,
    nextAttemptAt ?? 0,
    // A wait that has ended rests no longer.
    endedAt === undefined ? (restsUntil ?? 0) : 0,
  ]);
  return Math.max(run.createdAt, run.startedAgainAt ?? 0, run.restsUntil ?? 0, ...signs);
}
