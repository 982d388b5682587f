import { expect, test } from 'vitest';
import { TestClock } from '../../../test/support/harness.ts';
import { withTestTable } from '../../../test/support/test-table.ts';
import type { Table, Write } from '../../store/table.ts';
import { Pause, type PauseState } from './pause.ts';

let table: Table;
withTestTable((given) => {
  table = given;
});
const end = async (_ended: PauseState, write: Write) => (await table.transact([write])).done;
const hour = 3_600_000;
const day = 24 * hour;

test('what waits checks ever more rarely, and at least every half an hour if no event may follow the pause', async () => {
  const clock = new TestClock();
  const bySetting = await new Pause(table, clock, true).current();
  const paused = await new Pause(table, clock, false).pause('an operator', undefined);
  const waits = (state = paused) => new Pause(table, clock, false).waitSeconds(state);
  expect([waits(), waits(bySetting)]).toEqual([5, 5]);
  clock.advance(hour);
  expect([waits(), waits(bySetting)]).toEqual([900, 900]);
  clock.advance(2 * day);
  expect([waits(), waits(bySetting)]).toEqual([44_100, 1800]);
  clock.advance(30 * day);
  expect([waits(), waits(bySetting)]).toEqual([86_400, 1800]);
  // Direct calls are asked to try again within half an hour.
  await expect(new Pause(table, clock, false).check()).rejects.toMatchObject({ code: 'paused', retryAfter: 1800 });
});

test('a process sees a pause within five seconds, and its end at once', async () => {
  const clock = new TestClock();
  const [one, other] = [new Pause(table, clock, false), new Pause(table, clock, false)];
  await one.resume('an operator', end);
  expect(await other.state()).toBeUndefined();
  await one.pause('an operator', 'test');
  clock.advance(5_000);
  expect(await other.state()).toMatchObject({ by: 'an operator', reason: 'test' });
  expect(await one.resume('another', end)).toBe(true);
  expect(await other.state()).toBeUndefined();
  expect(await one.resume('another', end)).toBe(false);
  // A clock that was set back does not prolong the cache.
  await one.pause('an operator', 'test');
  clock.advance(-hour);
  expect(await other.state()).toMatchObject({ reason: 'test' });
});
