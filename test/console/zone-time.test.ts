import { expect, test } from 'vitest';
import { likeliestZone, timeIn } from '../../lib/site/console/zone-time.ts';

const at = (iso: string) => Date.parse(iso);

test('a date without a zone is read in the zone that was chosen, in summer and in winter', () => {
  expect(timeIn('UTC', '2026-01-05 02:11:09')).toBe(at('2026-01-05T02:11:09Z'));
  expect(timeIn('Europe/Paris', '2026-01-05 02:11:09')).toBe(at('2026-01-05T01:11:09Z'));
  expect(timeIn('Europe/Paris', '2026-07-05 02:11:09')).toBe(at('2026-07-05T00:11:09Z'));
  expect(timeIn('Asia/Kolkata', '2026-01-05 02:11:09')).toBe(at('2026-01-04T20:41:09Z'));
  // Half an hour after the clocks went forward.
  expect(timeIn('Europe/Paris', '2026-03-29 03:30:00')).toBe(at('2026-03-29T01:30:00Z'));
});

test('the likeliest zone makes the date recent and not of the future', () => {
  const zones = ['UTC', 'Europe/Paris', 'Asia/Seoul'];
  const now = at('2026-01-05T02:11:09Z');
  expect(likeliestZone(zones, '2026-01-05 11:10:50', now)).toBe('Asia/Seoul');
  expect(likeliestZone(zones, '2026-01-05 03:10:50', now)).toBe('Europe/Paris');
  // The server's clock may be a little ahead.
  expect(likeliestZone(zones, '2026-01-05 02:12:00', now)).toBe('UTC');
  expect(likeliestZone(zones, '2026-01-06 23:00:00', now)).toBeUndefined();
});
