/** Time and chance, passed in so that tests need no real waiting. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Resolves after a number of milliseconds, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

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
