import { expect, test } from 'vitest';
import { type processOf, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import { triggerWrites } from '../store/triggers.ts';
import { hasListener } from './has-listener.ts';

const clock = new TestClock();
let services: ReturnType<typeof processOf>;
withTestServices(clock, (made) => {
  services = made;
});

const reactions = ['talk.reaction.added', 'talk.reaction.removed'];

test('a type has a listener if anyone listens to it or to a pattern of it, which is seen within half a minute', async () => {
  expect(await hasListener(services, reactions)).toBe(false);
  await services.table.transact(triggerWrites('automation', 'a', ['talk.message.created']));
  clock.advance(31_000);
  expect(await hasListener(services, reactions)).toBe(false);
  await services.table.transact(triggerWrites('subscription', 's', ['talk.*']));
  expect(await hasListener(services, reactions)).toBe(false);
  clock.advance(31_000);
  expect(await hasListener(services, reactions)).toBe(true);
  expect(await hasListener(services, ['timetonic.row.created'])).toBe(false);
  const before = services.table.requests;
  expect(await hasListener(services, reactions)).toBe(true);
  expect(services.table.requests).toBe(before);
});
