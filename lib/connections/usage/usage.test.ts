import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../../test/support/control-desk.ts';
import { until } from '../../../test/support/until.ts';
import type { HttpClient } from '../../core/http/client.ts';
import type { Connection } from '../../core/vendor.ts';
import { Table } from '../../store/table.ts';
import { listUsage, UsageCounter } from './usage.ts';

const vendorHttp: HttpClient = {
  request: async () => ({ status: 200, headers: {}, bytes: Buffer.alloc(0) }) as never,
  stream: async () => ({ status: 200, headers: {} }) as never,
};
const limited = (monthlyCalls?: number) => ({ settings: monthlyCalls === undefined ? {} : { monthlyCalls } });

let desk: ControlDesk;
let connection: Connection;
let count = 0;
beforeAll(async () => {
  desk = await startControlDesk();
});
afterAll(() => desk.close());
beforeEach(() => {
  desk.clock.time = Date.parse('2026-11-05T10:00:00Z');
  connection = { vendor: 'timetonic', name: `counted-${++count}`, version: 1, ...limited(100) };
});

const counter = () => new UsageCounter(desk.services.table, desk.clock);
async function send(usage: UsageCounter, requests: number, over = connection): Promise<void> {
  const http = usage.counting(vendorHttp, over);
  for (let at = 0; at < requests; at++)
    await (at % 2 === 0 ? http.request : http.stream)({
      method: 'GET',
      url: 'https://vendor.example',
      timeoutMs: 1_000,
    });
}
const stored = async (usage: UsageCounter, since?: string) =>
  (await listUsage({ ...desk.services, usage }, ['timetonic'], since)).filter(
    (row) => row.connection === connection.name,
  );

describe('requests to a vendor', () => {
  test('are counted by day and month, over processes', async () => {
    const [one, other] = [counter(), counter()];
    await send(one, 3);
    await send(other, 4);
    desk.clock.advance(24 * 60 * 60_000);
    await send(one, 2);
    await other.flush();
    expect(await stored(one)).toEqual([
      {
        vendor: 'timetonic',
        connection: connection.name,
        month: '2026-11',
        calls: 9,
        days: { '2026-11-05': 7, '2026-11-06': 2 },
      },
    ]);
    desk.clock.time = Date.parse('2026-12-01T00:00:00Z');
    await send(one, 1);
    expect((await stored(one, '2026-11')).map(({ month, calls }) => [month, calls])).toEqual([
      ['2026-11', 9],
      ['2026-12', 1],
    ]);
    expect((await stored(one)).map(({ month }) => month)).toEqual(['2026-12']);
  });

  test('are written in batches of ten and more, once a second for a busy connection', async () => {
    const usage = counter();
    const before = desk.services.table.requests;
    await send(usage, 1);
    for (let second = 0; second < 5; second++) {
      desk.clock.advance(1000);
      await send(usage, second === 0 ? 10 : 500);
    }
    expect(desk.services.table.requests - before).toBe(1 + 5);
    const again = desk.services.table.requests;
    await usage.flush();
    desk.clock.advance(5 * 60_000);
    await send(usage, 1);
    expect(desk.services.table.requests - again).toBe(2);
  });

  test('are written and read after the clock was set back, too', async () => {
    const usage = counter();
    await send(usage, 1);
    expect(await usage.quota(connection)).toEqual({ limit: 100, used: 1 });
    const other = counter();
    await send(other, 5);
    await other.flush();
    desk.clock.advance(-60 * 60_000);
    const before = desk.services.table.requests;
    await send(usage, 1);
    expect(desk.services.table.requests - before).toBe(1);
    desk.clock.advance(-60 * 60_000);
    expect(await usage.quota(connection)).toEqual({ limit: 100, used: 7 });
  });

  test('of a routine are written with the next ones, five minutes later at the most', async () => {
    const usage = counter();
    const http = usage.counting(vendorHttp, connection, true);
    const before = desk.services.table.requests;
    for (let beat = 0; beat < 3; beat++) {
      await http.request({ method: 'GET', url: 'https://vendor.example', timeoutMs: 1_000 });
      expect(desk.services.table.requests).toBe(before);
      desk.clock.advance(2 * 60_000);
    }
    await http.request({ method: 'GET', url: 'https://vendor.example', timeoutMs: 1_000 });
    expect(desk.services.table.requests).toBe(before + 1);
    expect((await stored(usage))[0]?.calls).toBe(4);
  });

  test('neither fail nor wait because their count cannot be written, and are counted later', async () => {
    const broken = new Table('trunkline', { endpoint: 'http://127.0.0.1:9', region: 'us-east-1', maxAttempts: 1 });
    let table = broken;
    const usage = new UsageCounter(
      { update: (...given: Parameters<Table['update']>) => table.update(...given) } as Table,
      desk.clock,
    );
    await send(usage, 25);
    await usage.flush();
    table = desk.services.table;
    await until(async () => {
      await usage.flush();
      return (await stored(usage))[0]?.calls === 25;
    });
  });
});

test('a quota is what is left of the month, as all processes count it', async () => {
  const [one, other] = [counter(), counter()];
  await send(one, 5);
  await one.flush();
  await send(other, 7);
  expect(await other.quota(connection)).toEqual({ limit: 100, used: 12 });
  desk.clock.advance(24 * 60 * 60_000);
  expect(await one.quota(connection)).toEqual({ limit: 100, used: 12 });
  await send(one, 8);
  desk.clock.advance(24 * 60 * 60_000);
  expect(await one.quota(connection)).toEqual({ limit: 100, used: 20 });
  expect(await one.quota({ ...connection, ...limited() })).toBeUndefined();
  desk.clock.time = Date.parse('2026-12-01T00:00:00Z');
  expect(await one.quota(connection)).toEqual({ limit: 100, used: 0 });
});

describe('GET /v1/usage', () => {
  const list = (query = '', scopes?: string[]) =>
    desk.call('GET', `/v1/usage${query}`, undefined, scopes && { keyId: 'k', name: 'k', scopes, perMinute: 1e9 });

  test('lists the month with its days and quota', async () => {
    expect(
      (
        await desk.call('PATCH', '/v1/connections/timetonic/dispatch', {
          settings: { monthlyCalls: 200 },
          credentials: { sesskey: 'a-session-key' },
        })
      ).status,
    ).toBe(200);
    await send(desk.services.usage, 190, { ...connection, name: 'dispatch' });
    const { status, body } = await list('?vendor=timetonic&connection=dispatch');
    expect(status).toBe(200);
    expect(body).toEqual([
      {
        id: '2026-11/timetonic/dispatch',
        vendor: 'timetonic',
        connection: 'dispatch',
        month: '2026-11',
        calls: 190,
        days: [{ date: '2026-11-05', calls: 190 }],
        quota: { limit: 200, percent: 95, reserved: true, resetsAt: '2026-12-01T00:00:00.000Z' },
      },
    ]);
  });

  test('pages through months and connections, and shows a key only its connections', async () => {
    for (const [at, vendor] of ['talk', 'proptt2', 'talk'].entries()) {
      desk.clock.time = Date.parse(`2026-0${at + 1}-05T10:00:00Z`);
      await send(desk.services.usage, 1, { ...connection, vendor });
    }
    const own = (body: { id: string; connection: string }[]) =>
      body.filter((row) => row.connection === connection.name).map(({ id }) => id);
    const all = ['2026-03/talk', '2026-02/proptt2', '2026-01/talk'].map((place) => `${place}/${connection.name}`);
    expect(own((await list('?since=2026-01')).body)).toEqual(all);
    expect(own((await list(`?since=2026-01&after=${all[0]}`)).body)).toEqual(all.slice(1));
    expect((await list(`?since=2026-01&connection=${connection.name}&limit=2`)).body).toHaveLength(2);
    const scopes = ['trunkline/connections/read', `proptt2/${connection.name}/*`];
    expect((await list('?since=2026-01', scopes)).body.map(({ id }: { id: string }) => id)).toEqual([all[1]]);
    expect((await list('', ['talk/*/*'])).status).toBe(403);
  });

  test.each([
    ['?since=2026-13', '/since'],
    ['?vendor=teams', '/vendor'],
    ['?after=yesterday', '/after'],
    ['?limit=0', '/limit'],
  ])('%s is 422 and names the field', async (query, pointer) => {
    const { status, body } = await list(query);
    expect([status, body.errors?.[0]?.pointer]).toEqual([422, pointer]);
  });
});
