import { Cron } from 'croner';
import type { Schedule } from './definition.ts';

/** No schedule is looked through further than this in one go. */
const maxMissed = 100;

/** Why a schedule cannot be kept, or undefined. */
export function scheduleProblem(when: Schedule): string | undefined {
  const { schedule } = when;
  if (!('cron' in schedule)) return undefined;
  try {
    const cron = cronOf(schedule);
    return cron.nextRun() === null ? 'never fires' : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'is no cron expression';
  }
}

/** The first firing after a moment, in epoch milliseconds; undefined when there is none any more. `anchor` is when a rate began. */
export function nextFiring(when: Schedule, after: number, anchor: number): number | undefined {
  const { schedule } = when;
  if ('at' in schedule) {
    const at = Date.parse(schedule.at);
    return at > after ? at : undefined;
  }
  if ('everySeconds' in schedule) {
    const step = schedule.everySeconds * 1000;
    return anchor + (Math.floor((after - anchor) / step) + 1) * step;
  }
  return cronOf(schedule).nextRun(new Date(after))?.getTime();
}

/**
 * The firings that are to be run now: the one that was due, and of those that were missed since what the policy says. A firing is
 * missed when more than `grace` milliseconds have gone by.
 */
export function firings(when: Schedule, dueAt: number, now: number, anchor: number, grace = 5 * 60_000): number[] {
  const all = [dueAt];
  for (let next = nextFiring(when, dueAt, anchor); next !== undefined && next <= now && all.length < maxMissed; ) {
    all.push(next);
    next = nextFiring(when, next, anchor);
  }
  const timely = all.filter((at) => now - at <= grace);
  const missed = all.filter((at) => now - at > grace);
  switch (when.missed ?? 'once') {
    case 'all':
      return all;
    case 'skip':
      return timely;
    default:
      // One run makes good for all that were missed, unless a timely one is there to do so.
      return timely.length > 0 ? timely : missed.slice(-1);
  }
}

function cronOf(schedule: { cron: string; timeZone?: string | undefined }): Cron {
  return new Cron(schedule.cron, { timezone: schedule.timeZone ?? 'UTC', paused: true });
}
