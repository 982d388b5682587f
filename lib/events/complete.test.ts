import { describe, expect, test } from 'vitest';
import { type processOf, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import { keys } from '../store/items.ts';
import { merge } from './complete.ts';
import { newEvents } from './found.ts';
import { appendEvents, type EventItem, type NewEvent } from './log.ts';

const clock = new TestClock();
let services: ReturnType<typeof processOf>;
withTestServices(clock, (made) => {
  services = made;
});

const about = { vendor: 'talk', connection: 'team', type: 'talk.message.created', readBy: 'getChatMessages' } as const;
const pushed = (id: string, data: object): NewEvent => ({
  ...about,
  id,
  timestamp: '2026-01-05T02:11:09.611Z',
  data: { text: 'confirm', ...data },
  partial: true,
});
const polled = (id: string, data: object): NewEvent => ({
  ...about,
  id,
  timestamp: '2026-01-05T02:11:09.000Z',
  data: { text: 'confirm', ...data },
});

async function stored(...events: NewEvent[]) {
  let id = '';
  for (const event of events) [id = ''] = (await appendEvents(services, [event])).ids;
  const item = await services.table.get<EventItem>(keys.event(id), true);
  if (!item) throw new Error('It is not stored');
  const { timestamp, data = '', partial, completedAt } = item;
  return { timestamp, data: JSON.parse(data), partial, isCompleted: completedAt !== undefined };
}

describe('two sources of one fact', () => {
  test('give the same event in either order, and data that the first lacked routes it again', async () => {
    const data = { text: 'confirm', replyTo: 680, emoji: '👍' };
    const timestamp = '2026-01-05T02:11:09.000Z';
    expect(await stored(pushed('a', { emoji: '👍' }), polled('a', { replyTo: 680, emoji: null }))).toEqual({
      timestamp,
      data,
      partial: undefined,
      isCompleted: true,
    });
    expect(await stored(polled('b', { replyTo: 680, emoji: null }), pushed('b', { emoji: '👍' }))).toEqual({
      timestamp,
      data,
      partial: undefined,
      isCompleted: true,
    });
  });

  test('with the same data change only the time, and route nothing again', async () => {
    expect(await stored(pushed('c', {}), polled('c', {}))).toMatchObject({
      timestamp: '2026-01-05T02:11:09.000Z',
      isCompleted: false,
    });
    expect(await stored(polled('d', {}), pushed('d', {}), polled('d', {}))).toMatchObject({
      timestamp: '2026-01-05T02:11:09.000Z',
      isCompleted: false,
    });
  });

  test('complete each other in the transaction of a cursor, too', async () => {
    await stored(pushed('e', {}));
    const key = { pk: 'cursor', sk: 'e' };
    const cover = { move: { update: { key, expression: 'SET #cursor = :one' }, values: { one: 1 } }, guard: {} };
    const { fresh, covered } = await appendEvents(services, [polled('e', { replyTo: 1 }), polled('f', {})], cover);
    expect([fresh.length, covered]).toEqual([1, true]);
    expect(await stored(polled('e', {}))).toMatchObject({ data: { replyTo: 1 }, isCompleted: true });
  });

  test('do not overwrite known values', () => {
    const first = { timestamp: 'x', data: { a: 1, b: null } };
    expect(merge(first, { timestamp: 'y', data: { a: 2, b: 3, c: 4 } })).toEqual({
      timestamp: 'x',
      data: { a: 1, b: 3, c: 4 },
    });
  });
});

describe('actions of an account of this installation', () => {
  const type = { summary: '', readBy: 'getAll', data: () => ({}) as never, sample: {} };
  const vendor = { events: { rooms: { types: { said: { ...type, ofOthers: true as const }, called: type } } } };
  const by = (account: string | undefined, kind: string) => ({
    type: kind,
    id: `${account}`,
    timestamp: 'now',
    data: {},
    by: account,
  });

  test('are marked at every connection, and omitted at their own where only others count', async () => {
    await services.table.put(keys.account('talk', 'host/users/bob', 'second') as never);
    const found = ['called', 'said'].flatMap((kind) => [
      by('host/users/bob', kind),
      by('host/users/carol', kind),
      by(undefined, kind),
    ]);
    const at = async (name: string) =>
      (await newEvents(services, vendor, { vendor: 'talk', name }, found)).map(({ type, own, data }) => [
        type,
        own,
        data.own,
      ]);
    const others = [
      [undefined, undefined],
      [undefined, undefined],
    ];
    expect(await at('first')).toEqual([
      ['called', true, true],
      ...others.map((own) => ['called', ...own]),
      ['said', true, true],
      ...others.map((own) => ['said', ...own]),
    ]);
    expect(await at('second')).toEqual([
      ['called', true, true],
      ...others.map((own) => ['called', ...own]),
      ...others.map((own) => ['said', ...own]),
    ]);
  });

  test('are recognised from the first session of the connection until it is deleted', async () => {
    const connection = { vendor: 'talk', name: 'third', version: 1, settings: {} } as const;
    const listed = () =>
      services.table.queryAll({ pk: keys.accounts('talk'), prefix: keys.accountPrefix('host/users/zoe') });
    await services.store.plan(connection, false, clock.now());
    const lease = { item: { pk: '', sk: '', vendor: 'talk', connection: 'third', settings: {} }, fence: 1 } as never;
    const live = { data: {}, expiresAt: clock.now() + 1000, account: 'host/users/zoe' };
    expect(await services.store.store(connection, lease, live, undefined, clock.now())).toBeDefined();
    expect(await listed()).toHaveLength(1);
    await services.store.remove('talk', 'third');
    expect(await listed()).toEqual([]);
  });
});
