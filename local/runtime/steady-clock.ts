import type { Clock } from '../../lib/core/clock.ts';

/**
 * The same clock, except that it never goes back: while the other clock is behind, this one advances with `uptime`, in
 * milliseconds. A wait lasts no longer than it was set to.
 */
export function steadyClock(clock: Clock, uptime: () => number = () => performance.now()): Clock {
  let last = clock.now();
  let lastUptime = uptime();
  return {
    now() {
      const up = uptime();
      last = Math.max(clock.now(), last + up - lastUptime);
      lastUptime = up;
      return last;
    },
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
}
