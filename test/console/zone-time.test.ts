import { expect, test } from 'vitest';
import { likeliestZone } from '../../lib/site/console/zone-time.ts';

const at = (iso: string) => Date.parse(iso);

test('the likeliest zone makes the date recent and not of the future', () => {
  const zones = ['UTC', 'Europe/Paris', 'Asia/Seoul'];
  const now = at('2026-01-05T02:11:09Z');
  expect(likeliestZone(zones, '2026-01-05 11:10:50', now)).toBe('Asia/Seoul');
  expect(likeliestZone(zones, '2026-01-05 03:10:50', now)).toBe('Europe/Paris');
  // The server's clock may be a little ahead.
  expect(likeliestZone(zones, '2026-01-05 02:12:00', now)).toBe('UTC');
  expect(likeliestZone(zones, '2026-01-06 23:00:00', now)).toBeUndefined();
  expect(likeliestZone(zones, 'never', now)).toBeUndefined();
});

test('in the hour that the end of summer time repeats, the later reading counts once it has come', () => {
  const zones = ['America/New_York', 'Europe/Paris'];
  expect(likeliestZone(zones, '2026-10-25 02:30:00', at('2026-10-25T01:31:00Z'))).toBe('Europe/Paris');
});
