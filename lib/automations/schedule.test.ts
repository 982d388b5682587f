import { describe, expect, test } from 'vitest';
import type { Schedule } from './definition.ts';
import { firings, nextFiring, scheduleProblem } from './schedule.ts';

const at = (text: string) => Date.parse(text);
const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
const cron = (expression: string, timeZone = 'Europe/Paris', missed?: 'skip' | 'once' | 'all'): Schedule => ({
  schedule: { cron: expression, timeZone },
  ...(missed && { missed }),
});

describe('the next firing', () => {
  test('of a cron stands at the wall clock of its zone, summer and winter', () => {
    expect(iso(nextFiring(cron('0 6 * * *'), at('2026-01-10T12:00:00Z'), 0))).toBe('2026-01-11T05:00:00.000Z');
    expect(iso(nextFiring(cron('0 6 * * *'), at('2026-07-10T12:00:00Z'), 0))).toBe('2026-07-11T04:00:00.000Z');
  });

  test('in the night that skips an hour comes once, in the night that repeats one comes once', () => {
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

  test('of a rate keeps its beat from its anchor; of a moment comes once', () => {
    const rate: Schedule = { schedule: { everySeconds: 90 } };
    expect(nextFiring(rate, 1_000_000, 1_000_000)).toBe(1_090_000);
    expect(nextFiring(rate, 1_100_000, 1_000_000)).toBe(1_180_000);
    const once: Schedule = { schedule: { at: '2026-01-10T12:00:00+01:00' } };
    expect(iso(nextFiring(once, 0, 0))).toBe('2026-01-10T11:00:00.000Z');
    expect(nextFiring(once, at('2026-01-10T11:00:00Z'), 0)).toBeUndefined();
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
    const given = firings(cron('*/5 * * * *', 'UTC', missed), due, hourLater, 0);
    expect(given).toHaveLength(count);
    expect(given.at(-1)).toBe(at('2026-01-10T11:00:00Z'));
  });

  test('once makes good for a daily one that nobody was there for; skip does not', () => {
    expect(firings(cron('0 10 * * *', 'UTC', 'once'), due, hourLater, 0)).toEqual([due]);
    expect(firings(cron('0 10 * * *', 'UTC', 'skip'), due, hourLater, 0)).toEqual([]);
  });
});

test('a cron that is none is refused with a reason', () => {
  expect(scheduleProblem(cron('sometimes'))).toBeTypeOf('string');
  expect(scheduleProblem(cron('* * * * *', 'Mars/Base'))).toBeTypeOf('string');
  expect(scheduleProblem(cron('0 0 30 2 *'))).toBeTypeOf('string');
  expect(scheduleProblem(cron('0 6 * * 1-5'))).toBeUndefined();
});
