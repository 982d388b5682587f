import type { Clock } from '../core/clock.ts';
import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import type { Check } from './check.ts';
import { checkQueues, seconds } from './queues.ts';

/** The result of the last full check; times are epoch milliseconds. */
export interface HealthReport extends Key {
  checkedAt: number;
  checks: Check[];
}

/** The last tick of a scheduled function. */
export interface ClockTick extends Key {
  startedAt: number;
  finishedAt: number;
  /** An unexpected error. */
  unexpected: string[];
}

interface ProbeSeen extends Key {
  sentAt: number;
}

/** A tick that started longer ago than this is late: one may take 55 s, and the next starts within a minute. */
export const lateAfterMs = 150_000;

/** Checks everything that must work: the database, the scheduled functions, the stream that carries events, and every queue. */
export async function runChecks(
  { table, clock }: { table: Table; clock: Clock },
  clocks: readonly string[],
): Promise<Check[]> {
  const now = clock.now();
  const [checks, queues] = await Promise.all([
    Promise.all([
      checkDatabase(table, now),
      ...clocks.map((name) => checkClock(table, name, now)),
      checkStream(table, now),
    ]),
    checkQueues(table, now),
  ]);
  return [...checks, ...queues];
}

/** Sends a probe through the table's stream; the function at its end records the arrival. */
export async function sendProbe({ table, clock }: { table: Table; clock: Clock }): Promise<void> {
  const now = clock.now();
  await table.put({ ...keys.probe(now), sentAt: now, expiresAt: expiry(now + 3_600_000) });
}

/** Records the probe that arrived through the stream. */
export async function noteProbe(table: Table, sentAt: number): Promise<void> {
  await table.put<ProbeSeen>({ ...keys.streamProbe(), sentAt }, 'attribute_not_exists(#pk) OR #sentAt < :sentAt', {
    sentAt,
  });
}

async function checkDatabase(table: Table, now: number): Promise<Check> {
  const name = 'database';
  const key = keys.clockTick('database');
  try {
    await table.put<ClockTick>({ ...key, startedAt: now, finishedAt: now, unexpected: [] });
    const read = await table.get<ClockTick>(key, true);
    if (read?.finishedAt === now) return { name, ok: true, message: 'written and read' };
    return { name, ok: false, message: 'what was written could not be read back' };
  } catch (error) {
    return { name, ok: false, message: `cannot be written: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function checkClock(table: Table, clock: string, now: number): Promise<Check> {
  const name = `clock ${clock}`;
  const tick = await table.get<ClockTick>(keys.clockTick(clock), true);
  if (!tick) return { name, ok: false, message: 'has not ticked yet' };
  const age = now - tick.startedAt;
  if (age > lateAfterMs) return { name, ok: false, message: `ticked ${seconds(age)} ago` };
  const [problem] = tick.unexpected;
  if (problem !== undefined) return { name, ok: false, message: `met an unexpected error: ${problem.split('\n')[0]}` };
  return { name, ok: true, message: `ticked ${seconds(age)} ago` };
}

async function checkStream(table: Table, now: number): Promise<Check> {
  const name = 'event stream';
  const seen = await table.get<ProbeSeen>(keys.streamProbe(), true);
  if (!seen) return { name, ok: false, message: 'no probe has come through yet' };
  const age = now - seen.sentAt;
  return { name, ok: age <= lateAfterMs, message: `the last probe that came through was sent ${seconds(age)} ago` };
}
