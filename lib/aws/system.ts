import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Random } from '../core/clock.ts';

/** The system clock. */
export const systemClock: Clock = {
  now: Date.now,
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal ? { signal } : {});
  },
};

/** The system's random numbers. */
export const systemRandom: Random = {
  number: Math.random,
  bytes: randomBytes,
};

/** Calls that start within this many milliseconds share one timeout signal. */
const signalStepMs = 250;
let shared: { step: number; ms: number; signal: AbortSignal } | undefined;

/**
 * A signal that aborts in `ms` milliseconds, up to a quarter of a second earlier. Calls that begin at the same time share it: its timer
 * lives on when a call is over, and thousands of them would cost more than the calls.
 */
export function endAfter(ms: number): AbortSignal {
  const step = Math.floor(performance.now() / signalStepMs);
  if (shared?.step !== step || shared.ms !== ms) shared = { step, ms, signal: AbortSignal.timeout(ms) };
  return shared.signal;
}
