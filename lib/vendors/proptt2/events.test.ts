import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../../sandbox/proptt2/index.ts';
import { memorySecrets, processOf, putConnection, startBackends, TestClock } from '../../../test/support/harness.ts';
import { proptt2Settings } from '../../../test/support/proptt2-settings.ts';
import { vendorCall } from '../../connections/vendor-calls.ts';
import type { PollResult } from '../../core/event-type.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { events, pushes } from './events/index.ts';
import { proptt2 } from './index.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let process: ReturnType<typeof processOf>;
let clock: TestClock;
let poll: (source: string, cursor?: unknown, services?: { http: HttpClient }) => Promise<PollResult>;
const name = () => `events-${number - 1}`;
let number = 0;

beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

beforeEach(async () => {
  clock = new TestClock();
  sandbox = await startProptt2Sandbox({ now: clock.now });
  process = processOf(backends.database, memorySecrets(), clock);
  const settings = {
    ...proptt2Settings(sandbox.url),
    timeZone: 'Asia/Seoul',
  };
  const connection = await putConnection(process, 'proptt2', `events-${number++}`, settings, {
    interactionKey: 'bb00cc',
  });
  poll = (source, cursor, more) => {
    const poll = events[source]?.poll;
    if (!poll) throw new Error(`${source} has no poll`);
    const call = vendorCall({ ...process, ...more }, proptt2 as never, connection, {
      requestId: 'test',
      signal: new AbortController().signal,
    });
    return poll.poll(cursor, call as never);
  };
});
afterEach(async () => {
  process.close();
  await sandbox.close();
});

describe('records', () => {
  test.each(['newest', 'oldest'] as const)(
    '%s first: no history, then each new one once, in order',
    async (recordOrder) => {
      sandbox.configure({ recordOrder });
      let result = await poll('records');
      while (result.more) result = await poll('records', result.cursor);
      expect(result.events).toEqual([]);
      const made = Array.from({ length: 130 }, () => sandbox.insertRecord({ status: 10 }).id);
      const found: number[] = [];
      do {
        result = await poll('records', result.cursor);
        found.push(...result.events.map((event) => Number(event.data.recordId)));
      } while (result.more);
      expect(found).toEqual(made);
      await expect(poll('records', result.cursor)).resolves.toMatchObject({ events: [] });
    },
  );

  test('one that is inserted while the list is paged is not lost', async () => {
    let result = await poll('records');
    const made = Array.from({ length: 150 }, () => sandbox.insertRecord({}).id);
    sandbox.configure({ insertWhilePaging: 1 });
    const found = new Set<number>();
    for (let turn = 0; turn < 4; turn++) {
      result = await poll('records', result.cursor);
      for (const event of result.events) {
        const id = Number(event.data.recordId);
        expect(found.has(id)).toBe(false);
        found.add(id);
      }
      sandbox.configure({ insertWhilePaging: 0 });
    }
    const all = sandbox
      .data()
      .records.map((record) => record.id)
      .filter((id) => id >= Math.min(...made));
    expect([...found].sort((one, other) => one - other)).toEqual(all.sort((one, other) => one - other));
  });

  test('times are read in the zone of the connection', async () => {
    const { cursor } = await poll('records');
    sandbox.insertRecord({});
    const { events } = await poll('records', cursor);
    const [event] = events;
    const wall = String(event?.data.createDate).replace(' ', 'T');
    expect(Date.parse(event?.timestamp ?? '')).toBe(Date.parse(`${wall}Z`) - 9 * 60 * 60_000);
  });
});

describe('users and channels', () => {
  test('a move, a new user and a removed user are reported once each', async () => {
    const first = await poll('users');
    expect(first.events).toEqual([]);
    clock.advance(60_000);
    sandbox.moveUser({ userId: 2, latitude: '37.5', longitude: '127.1' });
    const moved = await poll('users', first.cursor);
    expect(moved.events.map(({ type, data }) => [type, data.userId])).toEqual([['proptt2.user.located', 2]]);
    expect((await poll('users', moved.cursor)).events).toEqual([]);
    delete sandbox.data().users[3];
    const gone = await poll('users', moved.cursor);
    expect(gone.events.map(({ type, data }) => [type, data.userId])).toEqual([['proptt2.user.deleted', 3]]);
  });

  test('positions are reported while clocks go back an hour', async () => {
    const move = (at: number) => sandbox.moveUser({ userId: 2, latitude: '37.5', longitude: '127.1', at });
    move(clock.now());
    const first = await poll('users');
    move(clock.now() - 59 * 60_000);
    expect((await poll('users', first.cursor)).events.map(({ type }) => type)).toEqual(['proptt2.user.located']);
  });

  test('an item that is missing from the list alone is not deleted; one that was restored can be deleted again', async () => {
    for (const [source, list, noun] of [
      ['users', 'users', 'user'],
      ['channels', 'channels', 'channel'],
    ] as const) {
      const data = sandbox.data()[list] as Record<string, unknown>;
      const first = await poll(source);
      const [id = '', kept] = Object.entries(data).at(-1) ?? [];
      const without = Object.values(data).slice(0, -1);
      sandbox.fault({
        kind: 'status',
        status: 200,
        path: `/${list}`,
        body: JSON.stringify({ [list]: without }),
        times: 1,
      });
      const missing = await poll(source, first.cursor);
      expect(missing.events).toEqual([]);
      const received: string[] = [];
      let cursor = missing.cursor;
      for (let turn = 0; turn < 2; turn++) {
        for (const act of [() => delete data[id], () => (data[id] = kept)]) {
          act();
          const result = await poll(source, cursor);
          expect((await poll(source, cursor)).events.map((event) => event.id)).toEqual(
            result.events.map((event) => event.id),
          );
          cursor = result.cursor;
          received.push(
            ...result.events
              .filter(({ type }) => !type.endsWith('located'))
              .map((event) => `${event.type} ${event.id}`),
          );
        }
      }
      expect(received.map((each) => each.split(' ')[0])).toEqual(
        ['deleted', 'created', 'deleted', 'created'].map((what) => `proptt2.${noun}.${what}`),
      );
      expect(new Set(received).size).toBe(4);
    }
  });

  test('an item that the schema does not fit is neither an error nor a deletion', async () => {
    const { cursor } = await poll('users');
    const users = Object.values(sandbox.data().users).map((each, at) => (at === 0 ? { ...each, name: null } : each));
    sandbox.fault({ kind: 'status', status: 200, path: '/users', body: JSON.stringify({ users }), times: 1 });
    expect((await poll('users', cursor)).events.filter(({ type }) => !type.endsWith('located'))).toEqual([]);
  });

  test('an empty list deletes nobody', async () => {
    const { cursor } = await poll('users');
    sandbox.fault({ kind: 'status', status: 200, path: '/users', body: '{"users":[]}', times: 1 });
    const empty = await poll('users', cursor);
    expect(empty.events).toEqual([]);
    expect((await poll('users', empty.cursor)).events).toEqual([]);
  });

  test('an answer without the list is an error, not an empty list', async () => {
    const { cursor } = await poll('channels');
    sandbox.fault({ kind: 'status', status: 200, path: '/channels', body: '{"code":"200"}', times: 1 });
    await expect(poll('channels', cursor)).rejects.toMatchObject({ code: 'vendor_malformed' });
  });
});

describe('the callback', () => {
  const receive = (body: string, receivedAt = 1_000_000) => {
    const push = pushes['proptt2-callback'];
    if (!push) throw new Error('no push');
    const context = {
      connection: { vendor: 'proptt2', name: 'x', version: 1, settings: {} } as never,
      credentials: async () => ({ interactionKey: '' }),
    };
    return push.receive({ headers: {}, rawBody: Buffer.from(body), receivedAt }, context);
  };

  test('a function key: name decoded, position known', async () => {
    const { events } = await receive(
      '{"cmd":"fn","channelId":3,"senderId":"a@c.ptt","senderName":"user%20name","latitude":37.012,"longitude":127.106}',
    );
    expect(events).toMatchObject([
      {
        type: 'proptt2.function_key.pressed',
        data: { channelId: 3, senderId: 'a@c.ptt', senderName: 'user name', latitude: 37.012, longitude: 127.106 },
      },
    ]);
  });

  test('0, 0 is no position; broken percent-encoding stays text; an unknown command is kept', async () => {
    const [zero] = (
      await receive('{"cmd":"fn","channelId":3,"senderId":"a","senderName":"50%","latitude":0,"longitude":0}')
    ).events;
    expect(zero?.data).toMatchObject({ latitude: null, longitude: null, senderName: '50%' });
    const [unknown] = (await receive('{"cmd":"zz","x":1}')).events;
    expect(unknown).toMatchObject({ type: 'proptt2.callback.received', data: { cmd: 'zz', body: { x: 1 } } });
    await expect(receive('no json')).rejects.toMatchObject({ code: 'invalid_json' });
  });

  test('identical bodies have different ids by their time, and the same id within two seconds', async () => {
    const body =
      '{"cmd":"vc","videoChannelId":3,"senderId":"a","senderName":"b","URL":"rtsp%3A%2F%2F10.0.0.11%3A41344%2F8523"}';
    const [one, other] = [await receive(body, 1), await receive(body, 5_000)];
    expect(one.nonce).toBe(other.nonce);
    expect(one.nonceSeconds).toBe(2);
    expect(one.events[0]?.id).not.toBe(other.events[0]?.id);
    expect(one.events[0]?.data.url).toBe('rtsp://10.0.0.11:41344/8523');
  });
});

test('every event type has a sample that fits its schema', () => {
  const types = Object.values(events).flatMap((source) => Object.entries(source.types));
  expect(types.length).toBe(9);
  for (const [type, declared] of types)
    expect(declared.data().safeParse(declared.sample).error?.issues, type).toBeUndefined();
});

describe('odd answers', () => {
  const oddities: Record<string, (item: Record<string, unknown>, field: string) => void> = {
    missing: (item, field) => delete item[field],
    renamed: (item, field) => {
      item[`${field}New`] = item[field];
      delete item[field];
    },
    ...Object.fromEntries(
      [null, 'a text', 7.5, 1_767_579_069, true, ['list'], { an: 'object' }].map((value) => [
        JSON.stringify(value),
        (item: Record<string, unknown>, field: string) => {
          item[field] = value;
        },
      ]),
    ),
  };

  /** A list whose last item `change` has altered, after an item that cannot be parsed. */
  const odd = (key: string, change: (item: Record<string, unknown>) => void): HttpClient => ({
    ...process.http,
    request: async (options) => {
      const answer = await process.http.request(options);
      const body = JSON.parse(answer.text()) as Record<string, Record<string, unknown>[]>;
      const list = body[key];
      if (!Array.isArray(list)) return answer;
      const last = list.at(-1);
      if (last) change(last);
      const text = JSON.stringify({ ...body, [key]: [null, 'text', { id: null }, ...list] });
      return { ...answer, bytes: Buffer.from(text), text: () => text };
    },
  });
  const fits = ({ events: found }: PollResult) => {
    const types = Object.assign({}, ...Object.values(events).map((source) => source.types));
    for (const { type, data } of found) {
      expect(types[type]?.data().safeParse(data).error?.issues, JSON.stringify(data)).toBeUndefined();
    }
    return found.map(({ type, data }) => [
      type.replace('proptt2.', ''),
      data.userId ?? data.channelId ?? data.recordId,
    ]);
  };

  test.each(Object.entries(oddities))('a user with a field that is %s hides no user', async (_, change) => {
    const first = await poll('users');
    clock.advance(60_000);
    for (const userId of [1, 2]) sandbox.moveUser({ userId, latitude: '37.5', longitude: '127.1' });
    const added = await process.call('proptt2', name(), 'createUser', {
      strId: 'odd@company.com',
      password: 'p',
      name: 'Odd',
      type: 50,
    });
    const { id } = added as { id: number };
    for (const field of Object.keys(sandbox.data().users[id] ?? {})) {
      const http = odd('users', (item) => change(item, field));
      const found = fits(await poll('users', first.cursor, { http }));
      const received = [['user.located', 1], ['user.located', 2], ...(field === 'id' ? [] : [['user.created', id]])];
      expect(found, field).toEqual(expect.arrayContaining(received));
    }
  });

  test.each(Object.entries(oddities))(
    'a channel and a recording with a field that is %s are reported',
    async (_, change) => {
      sandbox.configure({ recordOrder: 'oldest' });
      const channels = await poll('channels');
      let records = await poll('records');
      while (records.more) records = await poll('records', records.cursor);
      const made = await process.call('proptt2', name(), 'createChannel', { no: '7001', name: 'Odd' });
      const { id } = made as { id: number };
      const recording = sandbox.insertRecord({}).id;
      for (const field of ['no', 'name', 'type', 'ownerId']) {
        const http = odd('channels', (item) => change(item, field));
        expect(fits(await poll('channels', channels.cursor, { http })), field).toContainEqual(['channel.created', id]);
      }
      for (const field of [
        'type',
        'status',
        'fileSize',
        'channelId',
        'channelNo',
        'ownerId',
        'ownerName',
        'createDate',
      ]) {
        const http = odd('records', (item) => change(item, field));
        const { events: found } = await poll('records', records.cursor, { http });
        fits({ events: found, cursor: undefined });
        expect(
          found.map(({ data }) => data.recordId),
          field,
        ).toContain(recording);
      }
    },
  );
});
