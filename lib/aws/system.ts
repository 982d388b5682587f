import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Random } from '../core/clock.ts';

/** The machine's own clock. */
export const systemClock: Clock = {
  now: Date.now,
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal ? { signal } : {});
  },
};

/** The machine's own chance. */
export const systemRandom: Random = {
  number: Math.random,
  bytes: randomBytes,
};
