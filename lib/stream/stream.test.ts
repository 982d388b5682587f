import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startWorld, type World } from '../../test/support/event-world.ts';
import { admin, TestClock } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import type { Principal } from '../api/keys/key-check.ts';
import { Pause } from '../api/pause/pause.ts';
import { type Dispatcher, dispatcher } from '../api/route.ts';
import { endRun, findRun, startRun } from '../automations/runs/runs.ts';
import { appendResumption } from '../events/own-events.ts';
import type { Item } from '../store/table.ts';
import { triggerWrites } from '../store/triggers.ts';
import type { StreamServices } from './changes.ts';
import { RecentChanges } from './recent-changes.ts';
import { streamRoutes } from './routes.ts';

const clock = new TestClock(Date.now());
let world: World;
let receiver: Receiver;
let services: StreamServices;

beforeAll(async () => {
  world = await startWorld(clock);
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(() => {
  clock.advance(60_000);
  services = world.services;
});

const key = (...scopes: string[]): Principal => ({ keyId: 'k', name: 'key', scopes, perMinute: 1 });

/** A client that reconnects with the last id, as a browser does. */
function client(principal: Principal = admin) {
  const dispatch: Dispatcher = dispatcher(streamRoutes(services), world.services, async () => undefined);
  let lastId: string | undefined;
  return async () => {
    const answer = await dispatch(
      {
        method: 'GET',
        path: '/v1/stream',
        query: new URLSearchParams(),
        headers: lastId === undefined ? {} : { 'last-event-id': lastId },
        rawBody: Buffer.alloc(0),
        requestId: 'test',
        signal: new AbortController().signal,
        sourceIp: '127.0.0.1',
      },
      principal,
    );
    expect(answer.headers).toMatchObject({ 'content-type': 'text/event-stream' });
    const text = String(answer.body);
    lastId = /^id: (.*)$/m.exec(text)?.[1];
    return [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, kind, data]) => ({
      kind,
      data: JSON.parse(data ?? '') as Record<string, unknown>,
    }));
  };
}

const definition = { do: [], if: undefined } as never;
const run = (cause: string) =>
  startRun(services as never, {
    owner: 'calls0talk',
    name: 'call',
    definition,
    scopes: ['*/*/*'],
    keyId: 'admin',
    cause,
    createdAt: clock.now(),
  });

test('events are sent once, in order, from the time at which the client started', async () => {
  await world.publish([world.event()]);
  const next = client();
  expect(await next()).toEqual([]);
  const { ids } = await world.publish([world.event(), world.event()]);
  const changes = await next();
  expect(changes.filter(({ kind }) => kind === 'event').map(({ data }) => data.id)).toEqual(ids);
  expect((await next()).filter(({ kind }) => kind === 'event')).toEqual([]);
});

test.each(['lists', 'recent changes'])(
  'runs and deliveries are sent with each change of their state, from %s',
  async (from) => {
    const changes = new RecentChanges<Item>(clock);
    if (from === 'recent changes') {
      services = { ...services, recentChanges: changes };
      services.table.onWrite = (_key, item) => item && changes.note(item);
    }
    const next = client();
    await next();
    const id = await run(`cause-${from}`);
    const { item } = await world.subscribe({ url: receiver.url, connection: 'live' });
    receiver.reply = (response) => response.writeHead(500).end();
    await world.publish([world.event({ connection: 'live' })]);
    await world.runtime.idle();
    const states = async () =>
      (await next())
        .filter(({ data }) => data.id === id || data.subscriptionId === item.id)
        .map(({ kind, data }) => `${kind} ${data.state}`);
    expect(await states()).toEqual(expect.arrayContaining(['run running', 'delivery retrying']));
    clock.advance(10_000);
    receiver.reply = (response) => response.writeHead(200).end();
    world.runtime.wake();
    await world.runtime.idle();
    const started = await findRun(services.table, id);
    if (!started) throw new Error('no run');
    await endRun(services as never, started, 'failed', 'It broke.');
    expect(await states()).toEqual(expect.arrayContaining(['delivery delivered', 'run failed']));
    services.table.onWrite = undefined;
  },
);

test('a pause, its end and a change of an automation are sent once, even if another process makes them', async () => {
  const other = new Pause(services.table, clock, false);
  const reader = client(key('trunkline/pause/read', 'trunkline/automations/read'));
  const runs = client(key('trunkline/runs/read'));
  await Promise.all([reader(), runs()]);
  expect(await world.services.pause.state()).toBeUndefined();
  await other.pause('Night shift', 'False alarms');
  expect(await reader()).toEqual([
    {
      kind: 'pause',
      data: { paused: true, since: new Date(clock.now()).toISOString(), by: 'Night shift', reason: 'False alarms' },
    },
  ]);
  expect(await reader()).toEqual([]);
  await other.resume('Night shift', (ended, end) => appendResumption(services, ended, 'Night shift', end));
  expect(await reader()).toEqual([{ kind: 'pause', data: { paused: false } }]);
  await services.table.transact(triggerWrites('automation', 'a1', []));
  expect((await reader()).map(({ kind }) => kind)).toEqual(['automations']);
  expect(await reader()).toEqual([]);
  expect((await runs()).filter(({ kind }) => kind === 'pause' || kind === 'automations')).toEqual([]);
});

test('a key sees what it may read, and a key that may read nothing of it is refused', async () => {
  const events = client(key('talk/team/*', 'trunkline/events/read'));
  const runs = client(key('trunkline/runs/read'));
  await Promise.all([events(), runs()]);
  await run('scoped');
  const { ids } = await world.publish([world.event(), world.event({ connection: 'other' })]);
  expect((await events()).map(({ kind, data }) => [kind, data.id])).toEqual([['event', ids[0]]]);
  expect(new Set((await runs()).map(({ kind }) => kind))).toEqual(new Set(['run']));
  await expect(client(key('talk/team/*'))()).rejects.toMatchObject({ code: 'forbidden' });
});
