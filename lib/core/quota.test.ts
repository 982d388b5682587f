import { expect, test } from 'vitest';
import { pollPause } from './quota.ts';

const minute = 60_000;

test('polls are stretched from 80 % of a quota on and stop at 95 %', () => {
  const now = Date.parse('2026-01-16T12:00:00Z');
  expect(pollPause({ used: 799, limit: 1000 }, minute, 3, now)).toBe(minute);
  const stretched = pollPause({ used: 800, limit: 1000 }, minute, 3, now);
  expect(stretched).toBeGreaterThan(30 * minute);
  const left = Date.parse('2026-02-01T00:00:00Z') - now;
  // What is left below 95 % suffices until the month is over.
  expect((left / stretched) * 3).toBeLessThanOrEqual(150);
  expect(pollPause({ used: 950, limit: 1000 }, minute, 3, now)).toBe(left);
});
