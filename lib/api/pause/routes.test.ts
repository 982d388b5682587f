import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../../test/support/control-desk.ts';
import { eventId } from '../../events/log.ts';
import { resumption } from '../../events/own-event-types.ts';
import { keys } from '../../store/items.ts';

let desk: ControlDesk;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => desk.close());

test.each([1, 2])(
  'a resumption that is repeated because the answer to its write %i was lost is announced',
  async (failing) => {
    const { table } = desk.services;
    const { since } = (await desk.call('POST', '/v1/pause', {})).body;
    let writes = 0;
    const fail = (write: unknown) => {
      if (++writes === failing) throw new Error('The database does not answer.');
      return write;
    };
    const { put, delete: remove, transact } = table;
    vi.spyOn(table, 'put').mockImplementation(async (...given) => fail(await put.apply(table, given)) as never);
    vi.spyOn(table, 'delete').mockImplementation(async (...given) => fail(await remove.apply(table, given)) as never);
    vi.spyOn(table, 'transact').mockImplementation(
      async (...given) => fail(await transact.apply(table, given)) as never,
    );
    await desk.call('DELETE', '/v1/pause').catch(() => undefined);
    expect((await desk.call('DELETE', '/v1/pause')).body).toMatchObject({ paused: false });
    const own = { vendor: 'trunkline', connection: 'trunkline', type: resumption, id: String(Date.parse(since)) };
    expect(await table.get(keys.event(eventId(own)), true)).toMatchObject({ type: resumption });
    desk.clock.advance(60_000);
  },
);

test('of two that resume at once, neither ends a pause that began in between', async () => {
  const { pause, table } = desk.services;
  await desk.call('POST', '/v1/pause', {});
  const { transact } = table;
  vi.spyOn(table, 'transact').mockImplementationOnce(async (writes) => {
    await desk.call('DELETE', '/v1/pause');
    desk.clock.advance(1000);
    await desk.call('POST', '/v1/pause', { reason: 'another one' });
    return transact.call(table, writes);
  });
  await desk.call('DELETE', '/v1/pause');
  expect(await pause.current()).toMatchObject({ reason: 'another one' });
});
