import { expect, test } from 'vitest';
import { steadyClock } from './steady-clock.ts';

const hour = 3_600_000;

test('follows the clock forwards, and continues when the clock is set back', () => {
  let now = 1_000_000;
  let up = 0;
  const clock = steadyClock({ now: () => now, sleep: async () => undefined }, () => up);
  const pass = (ms: number) => {
    now += ms;
    up += ms;
  };
  pass(5);
  expect(clock.now()).toBe(1_000_005);
  now -= hour;
  pass(10);
  expect(clock.now()).toBe(1_000_015);
  now += 50 * hour;
  expect(clock.now()).toBe(now);
  const ahead = clock.now();
  now -= 49 * hour;
  pass(20);
  expect(clock.now()).toBe(ahead + 20);
});
