import { describe, expect, test } from 'vitest';
import type { Schedule } from './definition.ts';
import { firings, firingsOf, firstFiring, nextFiring, scheduleProblem } from './schedule.ts';

const at = (text: string) => Date.parse(text);
const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
const cron = (expression: string, timeZone = 'Europe/Paris', missed?: 'skip' | 'once' | 'all'): Schedule => ({
  schedule: { cron: expression, timeZone },
  ...(missed && { missed }),
});

describe('the next firing', () => {
  test('of a cron follows the wall clock of its zone, summer and winter', () => {
    expect(iso(nextFiring(cron('0 6 * * *'), at('2026-01-10T12:00:00Z'), 0))).toBe('2026-01-11T05:00:00.000Z');
    expect(iso(nextFiring(cron('0 6 * * *'), at('2026-07-10T12:00:00Z'), 0))).toBe('2026-07-11T04:00:00.000Z');
  });

  test('in the night that skips an hour occurs once, in the night that repeats one occurs once', () => {
    const nightly = cron('30 2 * * *');
    const spring = nextFiring(nightly, at('2026-03-28T12:00:00Z'), 0) ?? 0;
    expect(iso(spring)?.slice(0, 10)).toBe('2026-03-29');
    expect(iso(nextFiring(nightly, spring, 0))?.slice(0, 10)).toBe('2026-03-30');
    const autumn = nextFiring(nightly, at('2026-10-24T12:00:00Z'), 0) ?? 0;
    expect(iso(autumn)?.slice(0, 10)).toBe('2026-10-25');
    expect(iso(nextFiring(nightly, autumn, 0))?.slice(0, 10)).toBe('2026-10-26');
  });

  test('every five minutes through the night of the change: 300 s apart, none twice', () => {
    const often = cron('*/5 * * * *');
    const until = at('2026-10-25T04:00:00Z');
    let time = at('2026-10-24T22:00:00Z');
    const seen = new Set<number>();
    while (time < until) {
      const next = nextFiring(often, time, 0) ?? 0;
      expect(next - time).toBe(300_000);
      expect(seen.has(next)).toBe(false);
      seen.add(next);
      time = next;
    }
  });

  test('of a rate keeps its interval from its anchor; of a moment occurs once', () => {
    const rate: Schedule = { schedule: { everySeconds: 90 } };
    expect(nextFiring(rate, 1_000_000, 1_000_000)).toBe(1_090_000);
    expect(nextFiring(rate, 1_100_000, 1_000_000)).toBe(1_180_000);
    const once: Schedule = { schedule: { at: '2026-01-10T12:00:00+01:00' } };
    expect(iso(nextFiring(once, 0, 0))).toBe('2026-01-10T11:00:00.000Z');
    expect(nextFiring(once, at('2026-01-10T11:00:00Z'), 0)).toBeUndefined();
  });
});

describe('a list of hours', () => {
  const fired = (expression: string, from: string, until: string) => {
    const times: string[] = [];
    for (let next = nextFiring(cron(expression), at(from), 0); next !== undefined && next <= at(until); ) {
      times.push(iso(next) ?? '');
      next = nextFiring(cron(expression), next, 0);
    }
    return times;
  };

  test.each(['30 2,14 * * *', '0 2,10,18 * * *', '15 1-4 * * *'])(
    '%s fires each of its hours once in the night that repeats one',
    (expression) => {
      const hours = expression.includes('-') ? 4 : expression.split(' ')[1]?.split(',').length;
      expect(fired(expression, '2026-10-24T22:00:00Z', '2026-10-25T22:59:00Z')).toHaveLength(hours ?? 0);
    },
  );

  test.each(['30 2,14 * * *', '0 2,10,18 * * *'])('%s leaves none out in the night that skips one', (expression) => {
    const hours = expression.split(' ')[1]?.split(',').length;
    expect(fired(expression, '2026-03-28T23:00:00Z', '2026-03-29T21:59:00Z')).toHaveLength(hours ?? 0);
  });

  test('of a date in the night that repeats an hour fires that year', () => {
    expect(iso(nextFiring(cron('0,30 2 28 3 *'), at('2026-01-01T00:00:00Z'), 0))).toBe('2026-03-28T01:00:00.000Z');
  });
});

describe('missed firings', () => {
  const due = at('2026-01-10T10:00:00Z');
  const hourLater = at('2026-01-10T11:00:30Z');
  test.each([
    ['all', 13],
    ['skip', 1],
    ['once', 1],
  ] as const)('%s gives %i of thirteen', (missed, count) => {
    const { times } = firings(cron('*/5 * * * *', 'UTC', missed), due, hourLater, 0);
    expect(times).toHaveLength(count);
    expect(times.at(-1)).toBe(at('2026-01-10T11:00:00Z'));
  });

  test('a daily firing missed while the product was down is caught up with `once`, not with `skip`', () => {
    expect(firings(cron('0 10 * * *', 'UTC', 'once'), due, hourLater, 0).times).toEqual([due]);
    expect(firings(cron('0 10 * * *', 'UTC', 'skip'), due, hourLater, 0).times).toEqual([]);
  });

  test('a firing of a minute rate counts as missed once its successor is due', () => {
    const rate = (missed: 'skip' | 'once' | 'all'): Schedule => ({ schedule: { everySeconds: 60 }, missed });
    const twoMinutesLater = due + 119_000;
    expect(firings(rate('skip'), due, twoMinutesLater, due).times).toEqual([due + 60_000]);
    expect(firings(rate('once'), due, twoMinutesLater, due).times).toEqual([due + 60_000]);
    expect(firings(rate('all'), due, twoMinutesLater, due).times).toEqual([due, due + 60_000]);
  });

  test('four minutes asleep, a minute check runs once, for the most recent minute', () => {
    const fourMinutesLater = due + 4 * 60_000 + 20_000;
    for (const missed of ['skip', 'once'] as const) {
      expect(firings(cron('* * * * *', 'UTC', missed), due, fourMinutesLater, 0).times).toEqual([due + 4 * 60_000]);
    }
  });

  test.each([
    ['a cron', cron('* * * * *', 'UTC', 'all')],
    ['a rate', { schedule: { everySeconds: 60 }, missed: 'all' } as Schedule],
  ])('of more than a hundred of %s the most recent count, and the rest are counted', (_, when) => {
    const threeHoursLater = due + 180 * 60_000 + 10_000;
    const { times, dropped } = firings(when, due, threeHoursLater, due);
    expect(times).toHaveLength(100);
    expect(times.at(-1)).toBe(due + 180 * 60_000);
    expect(times[0]).toBe(due + 81 * 60_000);
    expect(dropped).toBe(81);
    const once = firings({ ...when, missed: 'once' }, due, threeHoursLater, due);
    expect(once.times).toEqual([due + 180 * 60_000]);
  });

  test('a moment that was missed runs with once and all, and not with skip', () => {
    const moment = (missed: 'skip' | 'once' | 'all'): Schedule => ({
      schedule: { at: '2026-01-10T10:00:00Z' },
      missed,
    });
    expect(firings(moment('once'), due, hourLater, 0).times).toEqual([due]);
    expect(firings(moment('all'), due, hourLater, 0).times).toEqual([due]);
    expect(firings(moment('skip'), due, hourLater, 0).times).toEqual([]);
    expect(firings(moment('skip'), due, due + 20_000, 0).times).toEqual([due]);
  });
});

describe('a schedule that cannot be kept', () => {
  const now = at('2026-01-10T10:00:00Z');
  test.each([
    ['sometimes', 'must have five fields'],
    ['* * * *', 'must have five fields'],
    ['*/10 * * * * *', 'must have five fields'],
    ['61 * * * *', 'Invalid value for minute: 61'],
    ['0 0 30 2 *', 'never fires'],
  ])('cron %s is refused', (expression, message) => {
    expect(scheduleProblem(cron(expression), now)).toEqual({
      pointer: '/schedule/cron',
      message: expect.stringContaining(message),
    });
  });

  test.each(['Mars/Base', 'Paris'])('zone %s is refused', (zone) => {
    expect(scheduleProblem(cron('* * * * *', zone), now)).toEqual({
      pointer: '/schedule/timeZone',
      message: 'must be an IANA time zone such as Europe/Paris',
    });
  });

  test('a moment in the past is refused, one in the future is not', () => {
    expect(scheduleProblem({ schedule: { at: '2020-01-01T00:00:00Z' } }, now)).toEqual({
      pointer: '/schedule/at',
      message: 'must be in the future',
    });
    expect(scheduleProblem({ schedule: { at: '2026-01-10T12:00:00Z' } }, now)).toBeUndefined();
    expect(scheduleProblem(cron('0 6 * * 1-5'), now)).toBeUndefined();
  });
});

describe('several schedules', () => {
  const morning = cron('0 6 * * *', 'UTC');
  const hourly: Schedule = { schedule: { everySeconds: 3600 }, missed: 'all' };
  const once: Schedule = { schedule: { at: '2026-01-05T06:00:00Z' } };
  const six = at('2026-01-05T06:00:00Z');

  test('are due with the first of them', () => {
    expect(firstFiring([morning, hourly], six - 90 * 60_000, 0)).toBe(six - 60 * 60_000);
    expect(firstFiring([once], six, 0)).toBeUndefined();
    expect(firstFiring([], six, 0)).toBeUndefined();
  });

  test('fire each by its own rule, and a moment that they share is one firing', () => {
    expect(firingsOf([morning, hourly, once], six, six + 1000, 0)).toEqual({ times: [six], dropped: 0 });
    const late = firingsOf([morning, hourly], six - 3_600_000, six + 3_600_000, 0);
    expect(late).toEqual({ times: [six - 3_600_000, six, six + 3_600_000], dropped: 0 });
    expect(firingsOf([morning, hourly], six + 3_600_000, six + 3_600_000, 0).times).toEqual([six + 3_600_000]);
  });
});
