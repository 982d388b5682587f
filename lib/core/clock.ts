/** The clock and the random numbers, passed in so that tests need no real waiting. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves after a number of milliseconds, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The most, in milliseconds, that the clocks of two machines are taken to differ. */
const clockSkewMs = 60_000;

/** The first time that only a clock can have given which has been set back since; epoch milliseconds. */
export const futureFrom = (now: number): number => now + clockSkewMs;

/** Whether something that was read at a time may still be used, given how many milliseconds it lasts. Not if the clock was set back since. */
export const isRecent = (readAt: number, ms: number, now: number): boolean => now >= readAt && now - readAt < ms;

export interface Random {
  /** At least 0, less than 1. */
  number(): number;
  bytes(count: number): Buffer;
}

/** Exponential backoff with full jitter: a wait in milliseconds between `base` and `base * 2^attempt`, at most `cap`. */
export function backoff(attempt: number, base: number, cap: number, random: Random): number {
  const top = Math.min(cap, base * 2 ** attempt);
  return base + random.number() * Math.max(0, top - base);
}
