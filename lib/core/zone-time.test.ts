import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseTime } from './zone-time.ts';

const utc = (...parts: Parameters<typeof Date.UTC>) => Date.UTC(...parts);

test.each([
  ['2026-01-05T02:11:09Z', undefined, utc(2026, 0, 5, 2, 11, 9)],
  ['2026-01-05T02:11:09.250z', undefined, utc(2026, 0, 5, 2, 11, 9, 250)],
  ['2026-01-05T02:11+09:00', 'Europe/Paris', utc(2026, 0, 4, 17, 11)],
  ['2026-01-05 02:11:09 +0900', undefined, utc(2026, 0, 4, 17, 11, 9)],
  ['2026-01-05 02:11:09+00', undefined, utc(2026, 0, 5, 2, 11, 9)],
  ['2026-01-05T02:11:09+01', undefined, utc(2026, 0, 5, 1, 11, 9)],
  ['20260105T021109Z', undefined, utc(2026, 0, 5, 2, 11, 9)],
  ['2026-01-05T02:11:09,25-0330', undefined, utc(2026, 0, 5, 5, 41, 9, 250)],
  ['2019-03-21 17:45:29', 'Asia/Seoul', utc(2019, 2, 21, 8, 45, 29)],
  ['2019-03-21 17:45:29.5', 'UTC', utc(2019, 2, 21, 17, 45, 29, 500)],
  [' 2019-03-21T17:45 ', 'America/New_York', utc(2019, 2, 21, 21, 45)],
  ['2019-03-21', 'Asia/Kolkata', utc(2019, 2, 20, 18, 30)],
  // What Postgres writes.
  ['2026-01-05 02:11:09+00', undefined, utc(2026, 0, 5, 2, 11, 9)],
  ['2026-01-05 02:11:09.123456+05:30', undefined, utc(2026, 0, 4, 20, 41, 9, 123)],
  ['1880-01-01 00:00:00+00:09:21', undefined, utc(1879, 11, 31, 23, 50, 39)],
  // The rest of ISO 8601.
  ['2026-01-05T02:11:09+01', undefined, utc(2026, 0, 5, 1, 11, 9)],
  ['20260105T021109Z', undefined, utc(2026, 0, 5, 2, 11, 9)],
  ['20260105T0211+0100', undefined, utc(2026, 0, 5, 1, 11)],
  ['2026-W01-1T00:00Z', undefined, utc(2025, 11, 29)],
  ['2020-W53-7', 'UTC', utc(2021, 0, 3)],
  ['2026W011T00Z', undefined, utc(2025, 11, 29)],
  ['2024-366', 'UTC', utc(2024, 11, 31)],
  ['2026-01-05T02:30,5Z', undefined, utc(2026, 0, 5, 2, 30, 30)],
  ['2026-01-05T02.5Z', undefined, utc(2026, 0, 5, 2, 30)],
  ['2026-01-05T24:00:00Z', undefined, utc(2026, 0, 6)],
  ['2016-12-31T23:59:60Z', undefined, utc(2017, 0, 1)],
  ['1955-01-01 00:00:00', 'Europe/Paris', utc(1954, 11, 31, 23)],
  // Clocks go forward at 2:00: that hour does not exist, and half past it is an hour later.
  ['2026-03-29 01:59:59', 'Europe/Paris', utc(2026, 2, 29, 0, 59, 59)],
  ['2026-03-29 02:30:00', 'Europe/Paris', utc(2026, 2, 29, 1, 30)],
  ['2026-03-29 03:00:00', 'Europe/Paris', utc(2026, 2, 29, 1)],
  // Clocks go back at 3:00: the hour from 2:00 comes twice, and the first counts.
  ['2026-10-25 02:30:00', 'Europe/Paris', utc(2026, 9, 25, 0, 30)],
  ['2026-10-25 03:00:00', 'Europe/Paris', utc(2026, 9, 25, 2)],
  ['2026-11-01 01:30:00', 'America/New_York', utc(2026, 10, 1, 5, 30)],
  ['2026-04-05 01:45:00', 'Australia/Lord_Howe', utc(2026, 3, 4, 14, 45)],
])('%s in %s', (text, zone, expected) => expect(parseTime(text, zone)).toBe(expected));

test.each([
  '',
  '0',
  'never',
  '12:30',
  '21.03.2019 17:45',
  '2019-13-01 00:00:00',
  '2019-02-30 00:00:00',
  '2019-02-28 24:00:01',
  '2019-02-30T00:00:00Z',
  '2019-366',
  '2019-000',
  '2021-W53-1',
  '2019-02-28T10:00:00+24:00',
  '20190321',
  '1553190329',
  '2019-0321 10:00',
  '2019',
  '2019-03',
  '2019-02-28 12:60:00',
  '2019-02-28T25:00:00Z',
  '2019-3-1 1:2:3',
])('%j is no time', (text) => expect(parseTime(text, 'UTC')).toBeUndefined());

test.each([
  // Clocks in Paris go back at 1:00 UTC, so that 2:30 comes at 0:30 and at 1:30 UTC.
  ['2026-10-25 02:30:00', 'Europe/Paris', utc(2026, 9, 25, 0, 31), utc(2026, 9, 25, 0, 30)],
  ['2026-10-25 02:30:00', 'Europe/Paris', utc(2026, 9, 25, 1, 24), utc(2026, 9, 25, 0, 30)],
  ['2026-10-25 02:30:00', 'Europe/Paris', utc(2026, 9, 25, 1, 31), utc(2026, 9, 25, 1, 30)],
  ['2026-11-01 01:30:00', 'America/New_York', utc(2026, 10, 1, 5, 31), utc(2026, 10, 1, 5, 30)],
  ['2026-11-01 01:30:00', 'America/New_York', utc(2026, 10, 1, 6, 31), utc(2026, 10, 1, 6, 30)],
  ['2026-03-08 02:30:00', 'America/New_York', utc(2026, 2, 8, 8), utc(2026, 2, 8, 7, 30)],
  ['2026-10-25 03:00:00', 'Europe/Paris', utc(2026, 9, 25, 0), utc(2026, 9, 25, 2)],
])('%s in %s, read at %d', (text, zone, now, expected) => expect(parseTime(text, zone, now)).toBe(expected));

test('a text without a zone needs one, and a zone must exist', () => {
  expect(() => parseTime('2019-03-21 17:45:29')).toThrow(/names no time zone/);
  expect(() => parseTime('2019-03-21 17:45:29', 'Mars/Base')).toThrow(/Mars\/Base is not a time zone/);
});

test('what a zone’s clocks show comes back as the instant, but for the hours that clocks repeat', () => {
  const zones = [
    'Europe/Paris',
    'Asia/Seoul',
    'America/St_Johns',
    'Asia/Kathmandu',
    'Pacific/Chatham',
    'America/Sao_Paulo',
    'UTC',
  ];
  fc.assert(
    fc.property(
      fc.integer({ min: utc(1971, 0), max: utc(2050, 0) }),
      fc.constantFrom(...zones),
      (instant, timeZone) => {
        const whole = Math.floor(instant / 1000) * 1000;
        const shown = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(
          whole,
        );
        const parsed = parseTime(shown, timeZone) ?? Number.NaN;
        expect([whole, whole - 3_600_000]).toContain(parsed);
        expect(
          new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(parsed),
        ).toBe(shown);
      },
    ),
    { numRuns: 500 },
  );
});
