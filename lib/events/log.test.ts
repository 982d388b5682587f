import { expect, test } from 'vitest';
import { type processOf, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import { keys } from '../store/items.ts';
import { type EventQuery, listEvents } from './list.ts';
import { appendEvents, type EventItem, eventId, type NewEvent, retentionMs } from './log.ts';
import { settleEvents } from './settle.ts';

let services: ReturnType<typeof processOf>;
const clock = new TestClock();

withTestServices(clock, (made) => {
  services = made;
});

let counter = 0;
function found(overrides: Partial<NewEvent> = {}): NewEvent {
  return {
    vendor: 'talk',
    connection: 'team',
    type: 'talk.message.created',
    readBy: 'getChatMessages',
    id: `m${++counter}`,
    timestamp: '2026-01-05T02:11:09Z',
    data: { message: 'hello' },
    ...overrides,
  };
}
const everything: EventQuery = { limit: 500, scopes: ['*/*/*'] };
const stored = async (ids: string[]) =>
  (await services.table.getMany<EventItem>(ids.map(keys.event))).filter((item) => item !== undefined);
async function publish(...events: NewEvent[]): Promise<string[]> {
  const { ids } = await appendEvents(services, events);
  await settleEvents(services, await stored(ids));
  return ids;
}

test('an id is stable, opaque and without a full stop, and differs by connection and type', () => {
  const one = found({ id: '17' });
  expect(eventId(one)).toBe(eventId({ ...one, data: { other: 1 } } as NewEvent));
  expect(eventId(one)).toMatch(/^evt_[A-Za-z0-9_-]{27}$/);
  const others = [{ connection: 'b' }, { vendor: 'proptt2' as const }, { type: 'talk.message.deleted' }, { id: '18' }];
  expect(new Set([one, ...others.map((each) => ({ ...one, ...each }))].map(eventId)).size).toBe(5);
});

test('the same fact is stored once, whichever source reports it first', async () => {
  const event = found();
  const first = await appendEvents(services, [event, event]);
  const again = await appendEvents(services, [{ ...event, data: { message: 'another reading' } }]);
  expect(first.ids).toEqual([eventId(event), eventId(event)]);
  expect(first.fresh).toEqual([eventId(event)]);
  expect(again).toMatchObject({ ids: [eventId(event)], fresh: [] });
  expect((await stored(again.ids))[0]?.data).toBe('{"message":"hello"}');
});

test('data beyond 200 kB is in the file store and is shown all the same', async () => {
  const data = { text: 'x'.repeat(300_000) };
  const [id = ''] = await publish(found({ data, connection: 'large' }));
  const item = (await stored([id]))[0];
  expect(item?.data).toBeUndefined();
  expect(await listEvents(services, { ...everything, connection: 'large' })).toMatchObject([{ id, data }]);
});

test('pages go newest first with before, oldest first with after, and filters hold on both', async () => {
  const ids: string[] = [];
  for (let at = 0; at < 5; at++) {
    ids.push(...(await publish(found({ connection: 'pages', type: at % 2 ? 'talk.a.b' : 'talk.a.c' }))));
    await publish(found({ connection: 'elsewhere' }));
  }
  const list = async (query: Partial<EventQuery>) =>
    (await listEvents(services, { ...everything, connection: 'pages', ...query })).map(({ id }) => ids.indexOf(id));
  expect(await list({})).toEqual([4, 3, 2, 1, 0]);
  expect(await list({ limit: 2 })).toEqual([4, 3]);
  expect(await list({ limit: 2, before: ids[3] })).toEqual([2, 1]);
  expect(await list({ after: ids[1] })).toEqual([2, 3, 4]);
  expect(await list({ after: ids[1], limit: 1 })).toEqual([2]);
  expect(await list({ type: 'talk.a.b' })).toEqual([3, 1]);
  expect(await list({ type: 'talk.*' })).toEqual([4, 3, 2, 1, 0]);
  expect(await list({ type: 'talk.a.b', after: ids[1] })).toEqual([3]);
  expect(await list({ type: 'proptt2.*' })).toEqual([]);
  expect(await list({ connection: 'talk/pages' })).toHaveLength(5);
  expect(await list({ connection: 'proptt2/pages' })).toEqual([]);
});

test('a key sees the events of the connections it may read, and own events about them', async () => {
  const about = { vendor: 'proptt2', connection: 'mine' };
  const [own = ''] = await publish(
    found({
      vendor: 'trunkline',
      connection: 'mine',
      type: 'trunkline.connection.needs_attention',
      readBy: 'connections',
      about,
    }),
  );
  const [mine = ''] = await publish(found({ vendor: 'proptt2', connection: 'mine', type: 'proptt2.user.created' }));
  await publish(found({ connection: 'mine' }));
  const scopes = ['proptt2/mine/*', 'trunkline/connections/read'];
  for (const known of [undefined, [about]]) {
    const seen = await listEvents(services, { limit: 500, scopes, known });
    expect(seen.map(({ id }) => id)).toEqual([mine, own]);
  }
});

test('after an expired event comes everything that is kept, and expired events are hidden before they are deleted', async () => {
  const [old = '', young = ''] = [
    ...(await publish(found({ connection: 'ages' }))),
    clock.advance(retentionMs - 1000),
    ...(await publish(found({ connection: 'ages' }))),
  ].filter((each) => each !== undefined);
  const list = async (query: Partial<EventQuery>) =>
    (await listEvents(services, { ...everything, connection: 'ages', ...query })).map(({ id }) => id);
  expect(await list({})).toEqual([young, old]);
  clock.advance(2000);
  expect(await list({})).toEqual([young]);
  expect(await list({ after: old })).toEqual([young]);
  expect(await list({ before: old })).toEqual([]);
});

test('an event without a position hides nothing: nothing follows it, and it appears once it has one', async () => {
  const [first = ''] = await publish(found({ connection: 'late' }));
  const late = await appendEvents(services, [found({ connection: 'late' })]);
  await publish(found({ connection: 'late' }));
  const list = async (after: string) =>
    (await listEvents(services, { ...everything, connection: 'late', after })).map(({ id }) => id);
  expect(await list(late.ids[0] ?? '')).toEqual([]);
  const before = await list(first);
  await settleEvents(services, await stored(late.ids));
  expect(before).toHaveLength(1);
  expect(await list(before[0] ?? '')).toEqual(late.ids);
});

test('a gap from a deleted old entry is skipped, and a gap among new ones is waited for', async () => {
  const ids = await publish(
    found({ connection: 'holes' }),
    found({ connection: 'holes' }),
    found({ connection: 'holes' }),
  );
  const [first, second] = await stored(ids);
  await services.table.delete(keys.logEntry(second?.position ?? 0));
  await services.table.delete(keys.connectionLogEntry('talk', 'holes', second?.position ?? 0));
  const list = async () =>
    (await listEvents(services, { ...everything, connection: 'holes', after: first?.id })).map(({ id }) => id);
  expect(await list()).toEqual([]);
  clock.advance(61_000);
  expect(await list()).toEqual([ids[2]]);
});

test('a rare type, and one that never happened, cost one page and not a read of the whole log', async () => {
  const rare = await publish(found({ connection: 'rare', type: 'talk.rare.one' }));
  for (let at = 0; at < 8; at++)
    await publish(
      ...Array.from({ length: 100 }, () => found({ connection: `busy-${at % 2}`, type: 'talk.common.one' })),
    );
  const types = ['talk.rare.one', 'talk.common.one', 'talk.never.one'].map((type) => ({ type, vendor: 'talk' }));
  const cost = async (query: Partial<EventQuery>) => {
    const before = services.table.requests;
    const events = await listEvents(services, { ...everything, types, ...query });
    return { events: events.map(({ id }) => id), requests: services.table.requests - before };
  };
  expect(await cost({ type: 'talk.rare.one' })).toMatchObject({ events: rare, requests: 2 });
  expect(await cost({ type: 'talk.never.one', limit: 1 })).toEqual({ events: [], requests: 1 });
  expect(await cost({ type: 'talk.never.*' })).toEqual({ events: [], requests: 1 });
  const both = await cost({ type: 'talk.rare.one', connection: 'rare' });
  expect(both.events).toEqual(rare);
  expect(both.requests).toBeLessThan(6);
  // A common type at a connection that has none of it.
  expect(await cost({ type: 'talk.common.one', connection: 'rare' })).toMatchObject({ events: [] });
  clock.advance(61_000);
  expect(await cost({ type: 'talk.rare.one', after: eventId(found()) })).toMatchObject({ events: rare });
  expect((await cost({ type: 'talk.rare.one', after: rare[0] ?? '' })).requests).toBeLessThan(6);
  // A key of one vendor reads the logs of its types.
  const own = await cost({ scopes: ['talk/*/*'], vendors: ['talk'], limit: 500 });
  expect(own.events).toHaveLength(500);
});

test('following a rare type shows every event once, in order, while other events get their positions', async () => {
  const type = 'talk.followed.one';
  const ids: string[] = [];
  const seen: string[] = [];
  const follow = async () => {
    const events = await listEvents(services, {
      ...everything,
      type,
      after: seen.at(-1) ?? eventId(found()),
      limit: 7,
    });
    seen.push(...events.map(({ id }) => id));
    return events.length;
  };
  for (let turn = 0; turn < 6; turn++) {
    ids.push(...(await publish(found({ type }), found({ type: 'talk.common.one' }), found({ type }))));
    clock.advance(25_000);
    await follow();
  }
  while ((await follow()) > 0);
  const wanted = await stored(ids);
  expect(seen).toEqual(wanted.filter((item) => item?.type === type).map((item) => item?.id));
});

test('events of one batch get their positions in the order in which they were found', async () => {
  const ids = await publish(...Array.from({ length: 70 }, () => found({ connection: 'order' })));
  const positions = (await stored(ids)).map(({ position }) => position ?? 0);
  expect(positions).toEqual([...positions].sort((a, b) => a - b));
});

test('events that are settled twice, in any batch, keep one position and leave no gap', async () => {
  const { ids } = await appendEvents(
    services,
    Array.from({ length: 80 }, () => found({ connection: 'twice' })),
  );
  const items = await stored(ids);
  await Promise.all([
    settleEvents(services, items),
    settleEvents(services, items.slice(10, 50)),
    settleEvents(services, [...items].reverse()),
  ]);
  const positions = (await stored(ids)).map(({ position }) => position ?? 0);
  expect(new Set(positions).size).toBe(80);
  expect(Math.max(...positions) - Math.min(...positions)).toBe(79);
});

test('a cursor moves with the last of its events, stays if its condition fails, and a repeat stores nothing twice', async () => {
  const cursor = { pk: 'test#cursor', sk: 'cursor' };
  await services.table.put({ ...cursor, fence: 1, at: 0 });
  const cover = (fence: number, at: number) => ({
    move: { update: { key: cursor, expression: 'SET #at = :at' }, condition: '#fence = :fence', values: { fence, at } },
    guard: { check: cursor, condition: '#fence = :fence', values: { fence } },
  });
  const events = Array.from({ length: 250 }, () => found({ connection: 'covered' }));
  await appendEvents(services, events.slice(30, 60));
  const refused = await appendEvents(services, events, cover(2, 9));
  expect(refused).toMatchObject({ covered: false, fresh: [] });
  expect(await services.table.get(cursor)).toMatchObject({ at: 0 });
  const done = await appendEvents(services, events, cover(1, 7));
  expect(done.covered).toBe(true);
  expect(done.fresh).toHaveLength(220);
  expect(await services.table.get(cursor)).toMatchObject({ at: 7 });
  expect(await stored(done.ids)).toHaveLength(250);
  expect(await appendEvents(services, events, cover(1, 8))).toMatchObject({ covered: true, fresh: [] });
});

test('a crash between the transactions of one poll leaves the cursor where it was, and a repeat completes it', async () => {
  const cursor = { pk: 'test#crash', sk: 'cursor' };
  await services.table.put({ ...cursor, fence: 1, at: 0 });
  const cover = {
    move: {
      update: { key: cursor, expression: 'SET #at = :at' },
      condition: '#fence = :fence',
      values: { fence: 1, at: 7 },
    },
    guard: { check: cursor, condition: '#fence = :fence', values: { fence: 1 } },
  };
  let transactions = 0;
  const dying = new Proxy(services.table, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        if (name === 'transact' && ++transactions === 2) throw new Error('The process died.');
        return value.apply(target, given) as unknown;
      };
    },
  });
  const events = Array.from({ length: 150 }, () => found({ connection: 'crash' }));
  await expect(appendEvents({ ...services, table: dying }, events, cover)).rejects.toThrow('died');
  expect(await stored(events.map(eventId))).toHaveLength(99);
  expect(await services.table.get(cursor)).toMatchObject({ at: 0 });
  expect((await appendEvents(services, events, cover)).fresh).toHaveLength(51);
  expect(await services.table.get(cursor)).toMatchObject({ at: 7 });
});
