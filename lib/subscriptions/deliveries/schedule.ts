import type { Random } from '../../core/clock.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** The delays between attempts, from the example of Standard Webhooks: ten attempts over 75 h 35 min. */
const pauses = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const;

/** From the first attempt to the last, without jitter, in milliseconds. */
export const scheduleLength = pauses.reduce<number>((sum, pause) => sum + pause, 0);

/**
 * Milliseconds from a failed attempt to the next; undefined after the last. Each delay has a jitter of ±20%, so that attempts
 * that failed together do not return together. The target's `retryAfter` (milliseconds) is honoured as far as the schedule
 * allows.
 */
export function pauseAfter(
  attempt: { number: number; firstAt: number; now: number; retryAfter?: number | undefined },
  random: Random,
): number | undefined {
  const planned = pauses[attempt.number - 1];
  if (planned === undefined) return undefined;
  const varied = planned * (0.8 + random.number() * 0.4);
  const left = Math.max(0, attempt.firstAt + scheduleLength - attempt.now);
  return Math.round(Math.max(varied, Math.min(attempt.retryAfter ?? 0, left)));
}
