import { Cron } from 'croner';
import type { FieldError } from '../core/errors.ts';
import { isTimeZone } from '../core/zone-time.ts';
import type { Schedule } from './definition.ts';

/** The maximum number of missed firings that `missed: "all"` runs; older ones are dropped and counted. */
const maxFirings = 100;
/** A firing that starts later than this counts as missed, in milliseconds. */
const graceMs = 5 * 60_000;

/** The firings to run now, oldest first, and how many were dropped because of the limit. */
export interface Firings {
  times: number[];
  dropped: number;
}

/** Why a schedule can never fire, with its location in the trigger; undefined when it can. */
export function scheduleProblem({ schedule }: Schedule, now: number): FieldError | undefined {
  if ('at' in schedule) {
    return Date.parse(schedule.at) > now ? undefined : { pointer: '/schedule/at', message: 'must be in the future' };
  }
  if (!('cron' in schedule)) return undefined;
  if (!isTimeZone(schedule.timeZone ?? 'UTC')) {
    return { pointer: '/schedule/timeZone', message: 'must be an IANA time zone such as Europe/Paris' };
  }
  const pointer = '/schedule/cron';
  if (schedule.cron.trim().split(/\s+/).length !== 5) {
    return { pointer, message: 'must have five fields: minute hour day month weekday, such as 0 6 * * 1-5' };
  }
  try {
    return cronOf(schedule).nextRun(new Date(now)) === null ? { pointer, message: 'never fires' } : undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
    return { pointer, message: `is not a cron expression: ${reason}` };
  }
}

/**
 * The first firing after a time, in epoch milliseconds; undefined when there is none. `anchor` is the time at which a rate
 * started.
 */
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

/** The first firing of several schedules after a time; undefined when there is none. */
export function firstFiring(schedules: readonly Schedule[], after: number, anchor: number): number | undefined {
  const next = schedules.flatMap((each) => nextFiring(each, after, anchor) ?? []);
  return next.length === 0 ? undefined : Math.min(...next);
}

/**
 * The firings of several schedules to run at `now`, oldest first, given the first one that is due. Firings of two schedules at the
 * same moment are one.
 */
export function firingsOf(schedules: readonly Schedule[], dueAt: number, now: number, anchor: number): Firings {
  const all = schedules.flatMap((each) => {
    // The item was due with the first of them: the others had not fired before.
    const due = nextFiring(each, dueAt - 1, anchor);
    return due === undefined || due > now ? [] : [firings(each, due, now, anchor)];
  });
  const times = new Set(all.flatMap((each) => each.times));
  return {
    times: [...times].sort((one, other) => one - other),
    dropped: all.reduce((sum, each) => sum + each.dropped, 0),
  };
}

/**
 * The firings to run at `now`, given the first one that is due. If several are due, all but the most recent were missed, because
 * their successors are already due. The most recent one was missed if it is more than five minutes late.
 */
export function firings(when: Schedule, dueAt: number, now: number, anchor: number): Firings {
  const latest = lastFiring(when, dueAt, now, anchor);
  switch (when.missed ?? 'once') {
    case 'all':
      return everyFiring(when, dueAt, now, anchor);
    case 'skip':
      return { times: now - latest <= graceMs ? [latest] : [], dropped: 0 };
    default:
      return { times: [latest], dropped: 0 };
  }
}

function lastFiring({ schedule }: Schedule, dueAt: number, now: number, anchor: number): number {
  if ('at' in schedule) return dueAt;
  if ('everySeconds' in schedule) {
    const step = schedule.everySeconds * 1000;
    return Math.max(dueAt, anchor + Math.floor((now - anchor) / step) * step);
  }
  const [last] = cronOf(schedule).previousRuns(1, new Date(now + 1));
  return Math.max(dueAt, last?.getTime() ?? dueAt);
}

function everyFiring(when: Schedule, dueAt: number, now: number, anchor: number): Firings {
  const { schedule } = when;
  if ('cron' in schedule) {
    const cron = cronOf(schedule);
    const times = cron
      .previousRuns(maxFirings, new Date(now + 1))
      .map((time) => time.getTime())
      .filter((time) => time >= dueAt)
      .reverse();
    const [oldest = dueAt] = times;
    let dropped = 0;
    for (let time = dueAt; time < oldest; dropped++) {
      time = cron.nextRun(new Date(time))?.getTime() ?? oldest;
    }
    return { times: times.length > 0 ? times : [dueAt], dropped };
  }
  if ('at' in schedule) return { times: [dueAt], dropped: 0 };
  const step = schedule.everySeconds * 1000;
  const latest = lastFiring(when, dueAt, now, anchor);
  const count = Math.floor((latest - dueAt) / step) + 1;
  const kept = Math.min(count, maxFirings);
  return {
    times: Array.from({ length: kept }, (_, index) => latest - (kept - 1 - index) * step),
    dropped: count - kept,
  };
}

/** Lists and ranges of hours fire once in the night that repeats an hour, and once in the night that skips it. */
function cronOf(schedule: { cron: string; timeZone?: string | undefined }): Cron {
  return new Cron(schedule.cron, {
    timezone: schedule.timeZone ?? 'UTC',
    paused: true,
    mode: '5-part',
    fixedTimeRule: 'no-wildcard',
  });
}
