import { readFileSync } from 'node:fs';

/** Milliseconds per clock tick in `/proc`, which is fixed at 100 ticks a second on Linux. */
const tickMs = 10;

/** The CPU time that a process has used, in milliseconds; undefined if it has ended, or if the system does not report it. */
export function cpuTimeOf(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses, which may itself contain spaces. Fields 14 and 15 are user and system time.
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    const ticks = (user ?? Number.NaN) + (system ?? Number.NaN);
    return Number.isNaN(ticks) ? undefined : ticks * tickMs;
  } catch {
    return undefined;
  }
}

/**
 * A clock for a deadline that a process must not miss because others occupy the machine. It runs with the wall clock until `limitMs` have
 * passed, and from then on shows the CPU time that this process has used instead, if that is less.
 */
export function fairClock(wallMs: () => number, cpuMs: () => number) {
  let started = { wall: 0, cpu: 0, limitMs: Number.POSITIVE_INFINITY };
  return {
    start: (limitMs: number): void => {
      started = { wall: wallMs(), cpu: cpuMs(), limitMs };
    },
    now: (): number => {
      const wall = wallMs();
      const elapsedMs = wall - started.wall;
      // Reading the CPU time is slow in comparison, and JSONata reads the clock at each step.
      if (elapsedMs <= started.limitMs) return wall;
      return started.wall + Math.min(elapsedMs, cpuMs() - started.cpu);
    },
  };
}
