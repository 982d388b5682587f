import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startWorld, type World } from '../../test/support/event-world.ts';
import { admin, putConnection, TestClock } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import type { Principal } from '../api/keys/key-check.ts';
import { type Dispatcher, dispatcher } from '../api/route.ts';
import { subscriptionSecret } from '../core/secrets.ts';
import { keys } from '../store/items.ts';
import { deliveryRoutes } from '../subscriptions/deliveries/routes.ts';
import { subscriptionRoutes } from '../subscriptions/routes.ts';
import { vendors } from '../vendors/index.ts';
import { eventTypesOf } from './event-types.ts';
import { eventRoutes } from './routes.ts';

const clock = new TestClock(Date.now());
let world: World;
let receiver: Receiver;
let dispatch: Dispatcher;
let audited: string[] = [];

beforeAll(async () => {
  world = await startWorld(clock);
  receiver = await startReceiver();
  const routes = [
    ...eventRoutes(world.services, vendors),
    ...subscriptionRoutes(world.services, vendors),
    ...deliveryRoutes(world.services, vendors),
  ];
  dispatch = dispatcher(
    routes,
    world.services,
    async (_principal, { route, outcome }) => void (outcome === 'done' && audited.push(route.operationId)),
  );
  for (const name of ['dispatch', 'depot', 'poller']) {
    await putConnection(world.services as never, 'proptt2', name, {}, { interactionKey: 'x' });
  }
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
beforeEach(() => {
  audited = [];
  receiver.reply = (response) => response.writeHead(200).end();
});

type Answer = Record<string, unknown> & { id: string };
const key = (...scopes: string[]): Principal => ({ keyId: scopes.join(), name: 'key', scopes, perMinute: 1 });
async function call(method: string, target: string, body?: object, principal = admin): Promise<Answer> {
  const [path = '', query] = target.split('?');
  const answer = await dispatch(
    {
      method,
      path,
      query: new URLSearchParams(query),
      headers: {},
      rawBody: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
      requestId: 'test',
      signal: new AbortController().signal,
      sourceIp: '127.0.0.1',
    },
    principal,
  );
  return { ...(answer.body as Answer), $status: answer.status, $list: answer.body };
}
const list = async (target: string, principal = admin) =>
  (await call('GET', target, undefined, principal)).$list as Answer[];
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { code: string; errors?: { pointer: string }[] }) =>
      `${error.code} ${error.errors?.[0]?.pointer ?? ''}`.trim(),
  );
const located = (overrides: object = {}) =>
  world.event({ vendor: 'proptt2', connection: 'dispatch', type: 'trunkline.run.failed', ...overrides });
const wanted = (overrides: object = {}) => ({ url: receiver.url, types: ['trunkline.run.failed'], ...overrides });

test('a subscription is created, shown without its secret, changed, and removed, repeatedly', async () => {
  const made = await call('POST', '/v1/subscriptions', wanted({ connection: 'proptt2/dispatch', filter: 'true' }));
  expect(made).toMatchObject({ $status: 201, state: 'active', url: receiver.url, connection: 'proptt2/dispatch' });
  expect(made.id).toMatch(/^sub_[a-z2-7]{16}$/);
  expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const path = `/v1/subscriptions/${made.id}`;
  for (const shown of [await call('GET', path), (await list('/v1/subscriptions'))[0]]) {
    expect(shown).toMatchObject({ id: made.id, filter: 'true' });
    expect(JSON.stringify(shown)).not.toContain('whsec_');
  }
  const changed = await call('PATCH', path, { filter: null, connection: null, types: ['trunkline.*'], enabled: false });
  expect(changed).toMatchObject({ types: ['trunkline.*'], state: 'paused', filter: undefined, connection: undefined });
  expect(await call('PATCH', path, { enabled: true })).toMatchObject({ state: 'active' });
  const rotated = await call('POST', `${path}/rotate`, {});
  expect(rotated.secret).toMatch(/^whsec_/);
  expect(rotated.secret).not.toBe(made.secret);
  for (let round = 0; round < 2; round++) expect(await call('DELETE', path)).toMatchObject({ $status: 204 });
  expect(await call('DELETE', '/v1/subscriptions/sub_aaaaaaaaaaaaaaaa')).toMatchObject({ $status: 204 });
  expect(await world.services.secrets.read(subscriptionSecret(made.id))).toBeUndefined();
  expect(await list('/v1/subscriptions')).toEqual([]);
  expect(await refusal(call('GET', path))).toBe('not_found');
  expect(new Set(audited)).toEqual(
    new Set(['createSubscription', 'changeSubscription', 'rotateSubscriptionSecret', 'deleteSubscription']),
  );
});

test('an invalid subscription is refused by the field that is wrong', async () => {
  const refused = async (body: object) => refusal(call('POST', '/v1/subscriptions', wanted(body)));
  world.services.targets.allowPrivateNetwork = false;
  world.services.targets.allowHttp = false;
  expect(await refused({ url: 'http://example.com/a' })).toBe('invalid_input /url');
  for (const host of ['127.0.0.1', '10.0.0.1', '[::1]', 'localhost', '169.254.169.254', 'metadata.google.internal']) {
    expect(await refused({ url: `https://${host}/a` })).toBe('invalid_input /url');
  }
  expect(await refused({ url: 'https://user:word@example.com/' })).toBe('invalid_input /url');
  expect(await refused({ url: 'ftp://example.com/' })).toBe('invalid_input /url');
  world.services.targets.allowPrivateNetwork = true;
  world.services.targets.allowHttp = true;
  expect(await refused({ types: ['trunkline.run.faled'] })).toBe('invalid_input /types/0');
  expect(await refused({ types: [] })).toBe('invalid_input /types');
  expect(await refused({ types: ['*.created'] })).toBe('invalid_input /types/0');
  expect(await refused({ filter: 'event.data.(' })).toBe('invalid_input /filter');
  expect(await refused({ connection: 'nowhere' })).toBe('invalid_input /connection');
  expect(await refused({ secret: 'mine' })).toBe('invalid_input /secret');
});

test('a key subscribes to and sees only what it may read', async () => {
  const own = key('trunkline/*/*', 'proptt2/dispatch/*');
  const both = await call('POST', '/v1/subscriptions', wanted());
  const depot = await call('POST', '/v1/subscriptions', wanted({ connection: 'depot' }));
  const mine = await call('POST', '/v1/subscriptions', wanted({ connection: 'dispatch' }), own);
  const admins = await call('POST', '/v1/subscriptions', wanted({ connection: 'proptt2/dispatch' }));
  const seen = (await list('/v1/subscriptions', own)).map(({ id }) => id).sort();
  expect(seen).toEqual([mine.id, admins.id].sort());
  expect(await list('/v1/subscriptions')).toHaveLength(4);
  expect(await refusal(call('POST', '/v1/subscriptions', wanted({ connection: 'depot' }), own))).toBe('forbidden');
  for (const { id } of [both, depot]) {
    expect(await refusal(call('GET', `/v1/subscriptions/${id}`, undefined, own))).toBe('not_found');
    expect(await refusal(call('DELETE', `/v1/subscriptions/${id}`, undefined, own))).toBe('not_found');
  }
  const widened = call('PATCH', `/v1/subscriptions/${mine.id}`, { connection: 'depot' }, own);
  expect(await refusal(widened)).toBe('forbidden');
  expect(await refusal(call('GET', '/v1/subscriptions', undefined, key('proptt2/dispatch/*')))).toBe('forbidden');
  for (const { id } of [both, depot, mine, admins]) await call('DELETE', `/v1/subscriptions/${id}`);
});

test('the event list is a polling trigger: a bare array, newest first, the same ids as delivered, [] when empty', async () => {
  const own = key('trunkline/events/read', 'proptt2/poller/*');
  expect(await list('/v1/events', own)).toEqual([]);
  const { ids } = await world.publish(Array.from({ length: 5 }, () => located({ connection: 'poller' })));
  await world.publish([located()]);
  const all = await list('/v1/events', own);
  expect(all.map(({ id }) => id)).toEqual([...ids].reverse());
  expect(Object.keys(all[0] ?? {}).sort()).toEqual(['connection', 'data', 'id', 'timestamp', 'type', 'vendor']);
  expect((await list('/v1/events?limit=3', own)).map(({ id }) => id)).toEqual([...ids].reverse().slice(0, 3));
  expect((await list(`/v1/events?after=${ids[1]}&connection=proptt2/poller`)).map(({ id }) => id)).toEqual(
    ids.slice(2),
  );
  expect(await call('GET', `/v1/events/${ids[0]}`, undefined, own)).toEqual(expect.objectContaining(all[4]));
  expect(await refusal(call('GET', `/v1/events/${ids[0]}`, undefined, key('trunkline/*/*')))).toBe('not_found');
  expect(await refusal(call('GET', '/v1/events?limit=501'))).toBe('invalid_input /limit');
  expect(await refusal(call('GET', '/v1/events?after=7'))).toBe('invalid_input /after');
  expect(await refusal(call('GET', `/v1/events?after=${ids[0]}&before=${ids[1]}`))).toBe('invalid_input /before');
});

test('every event type has a schema, and a sample that fits it and looks like a listed event', async () => {
  const types = await list('/v1/event-types');
  const declared = eventTypesOf(vendors);
  expect(types.map(({ type }) => type)).toEqual(declared.map(({ type }) => type));
  expect(types.map(({ type }) => type)).toContain('trunkline.connection.needs_attention');
  for (const { type, data, sample } of declared) {
    expect(data().safeParse(sample).success, type).toBe(true);
    const shown = types.find((each) => each.type === type);
    expect(shown).toMatchObject({ schema: { type: 'object' }, sample: { type, data: sample } });
  }
});

test('deliveries are listed with their attempts, filtered, paged, and replayed one by one', async () => {
  receiver.reply = (response) => response.writeHead(410).end('no');
  const other = await call('POST', '/v1/subscriptions', wanted({ connection: 'depot' }));
  receiver.reply = (response) => response.writeHead(500).end('no');
  const { id } = await call('POST', '/v1/subscriptions', wanted());
  for (let at = 0; at < 3; at++) {
    clock.advance(10);
    await world.publish([located()]);
  }
  clock.advance(10);
  await world.publish([located({ connection: 'depot' })]);
  await world.runtime.idle();
  const all = await list(`/v1/deliveries?subscription=${id}`);
  expect(all).toHaveLength(4);
  expect(all[0]).toMatchObject({
    state: 'retrying',
    eventType: 'trunkline.run.failed',
    connection: 'depot',
    replay: 0,
  });
  expect(all[0]?.attempts).toEqual([
    { number: 1, at: expect.stringMatching(/^20.*Z$/), ms: expect.any(Number), status: 500, excerpt: 'no' },
  ]);
  const ids = all.map((each) => each.id);
  const page = async (query: string) => (await list(`/v1/deliveries?${query}`)).map((each) => each.id);
  expect(await page(`subscription=${id}&limit=2`)).toEqual(ids.slice(0, 2));
  expect(await page(`subscription=${id}&limit=2&before=${ids[1]}`)).toEqual(ids.slice(2));
  expect(await page(`subscription=${id}&state=delivered`)).toEqual([]);
  expect(await page(`event=${all[0]?.eventId}`)).toHaveLength(2);
  expect(await page('limit=500')).toEqual(expect.arrayContaining(ids));
  expect((await list('/v1/deliveries', key('trunkline/*/*', 'proptt2/depot/*'))).length).toBe(2);
  expect(await call('GET', `/v1/deliveries/${ids[0]}`)).toMatchObject({ id: ids[0] });
  expect(await refusal(call('GET', `/v1/deliveries/${ids[1]}`, undefined, key('trunkline/*/*')))).toBe('not_found');

  receiver.reply = (response) => response.writeHead(200).end();
  receiver.received.length = 0;
  const replayed = await call('POST', `/v1/deliveries/${ids[0]}/replay`, {});
  expect(replayed).toMatchObject({ $status: 202, replay: 1, state: 'pending' });
  expect((await call('POST', `/v1/deliveries/${ids[0]}/replay`, {})).replay).toBe(2);
  await world.runtime.idle();
  expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([all[0]?.eventId, all[0]?.eventId]);
  expect(await call('GET', `/v1/deliveries/${replayed.id}`)).toMatchObject({ state: 'delivered' });
  await call('DELETE', `/v1/subscriptions/${id}`);
  expect(await refusal(call('POST', `/v1/deliveries/${ids[0]}/replay`, {}))).toBe('not_found');
  // They can still be read.
  expect(await page(`subscription=${id}&state=delivered`)).toHaveLength(2);
  await call('DELETE', `/v1/subscriptions/${other.id}`);
});

test('a range is replayed: what was cancelled, what is requested by state, and what was never delivered', async () => {
  const { id } = await call('POST', '/v1/subscriptions', wanted());
  const path = `/v1/subscriptions/${id}`;
  clock.advance(1000);
  const start = new Date(clock.now()).toISOString();
  const publish = async (count: number) => {
    clock.advance(10);
    const { ids } = await world.publish(Array.from({ length: count }, () => located()));
    await world.runtime.idle();
    return ids;
  };
  const delivered = await publish(2);
  receiver.reply = (response) => response.writeHead(500).end();
  const failed = await publish(3);
  await call('PATCH', path, { enabled: false });
  clock.advance(60_000);
  world.runtime.wake();
  await world.runtime.idle();
  const missed = await publish(2);
  const range = (body: object) => call('POST', '/v1/deliveries/replay', { subscription: id, from: start, ...body });
  expect(await refusal(range({}))).toBe('conflict');
  await call('PATCH', path, { enabled: true });
  receiver.reply = (response) => response.writeHead(200).end();
  const again = async (body: object) => {
    receiver.received.length = 0;
    const answer = await range(body);
    await world.runtime.idle();
    clock.advance(60_000);
    world.runtime.wake();
    await world.runtime.idle();
    expect(answer.deliveries).toHaveLength(receiver.received.length);
    return receiver.received.map(({ headers }) => headers['webhook-id']).sort();
  };
  expect(await again({})).toEqual([...failed].sort());
  expect(await again({})).toEqual([]);
  expect(await again({ missing: true })).toEqual([...missed].sort());
  expect(await again({ states: ['delivered'] })).toEqual([...delivered, ...failed, ...missed].sort());
  expect(await again({ states: ['delivered'], to: start })).toEqual([]);
  expect(await refusal(range({ from: 'yesterday' }))).toBe('invalid_input /from');
  await call('DELETE', path);
});

test('a key that may read hooks receives the events of hooks, and no others', async () => {
  const writes = 'trunkline/subscriptions/write';
  const hooks = key('trunkline/hooks/read', writes);
  const received = { types: ['trunkline.hook.received'] };
  expect(await refusal(call('POST', '/v1/subscriptions', wanted(received), key('talk/team/*', writes)))).toBe(
    'forbidden',
  );
  expect(await refusal(call('POST', '/v1/subscriptions', wanted({ types: ['talk.*'] }), hooks))).toBe('forbidden');
  const lost = wanted({ ...received, connection: 'hook-nowhere' });
  expect(await refusal(call('POST', '/v1/subscriptions', lost, hooks))).toBe('invalid_input /connection');
  await world.services.table.put({ ...keys.hook('hook-panel') });
  const all = await call('POST', '/v1/subscriptions', wanted(received), hooks);
  const one = await call('POST', '/v1/subscriptions', wanted({ ...received, connection: 'hook-panel' }), hooks);
  expect([all.$status, one.$status]).toEqual([201, 201]);
  clock.advance(10);
  receiver.received.length = 0;
  const through = (connection: string) =>
    world.event({ vendor: 'trunkline', connection, type: 'trunkline.hook.received', readBy: 'hooks' });
  const { ids } = await world.publish([through('hook-panel'), through('hook-other'), located()]);
  await world.runtime.idle();
  const got = receiver.received.map(({ headers }) => headers['webhook-id']).sort();
  expect(got).toEqual([ids[0], ids[0], ids[1]].sort());
  const talker = key('talk/team/*', 'trunkline/subscriptions/read');
  expect((await list('/v1/subscriptions', talker)).map(({ id }) => id)).not.toContain(all.id);
  for (const { id } of [all, one]) await call('DELETE', `/v1/subscriptions/${id}`, undefined, hooks);
});
