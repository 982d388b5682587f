import type { Random } from '../core/clock.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** The pauses between attempts, as the example of Standard Webhooks has them: ten attempts over 75 h 35 min. */
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

/** From the first attempt to the last, jitter aside, in milliseconds. */
export const scheduleLength = pauses.reduce<number>((sum, pause) => sum + pause, 0);

/**
 * Milliseconds from a failed attempt to the next, or undefined after the last. A pause is varied by a fifth either way, so that
 * what failed together does not come back together. What the target asked for (`retryAfter`, milliseconds) is granted as far as
 * the schedule reaches.
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
