import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  admin,
  changeCredentials,
  memorySecrets,
  processOf,
  putConnection,
  startBackends,
  TestClock,
} from '../../test/support/harness.ts';
import type { JsonAnswer } from '../api/idempotency.ts';
import { RateLimit } from '../api/rate-limit.ts';
import type { HttpRequest } from '../api/request.ts';
import { dispatcher } from '../api/route.ts';
import type { Random } from '../core/clock.ts';
import type { SecretStore } from '../core/secrets.ts';
import { webhookHeaders } from '../core/standard-webhooks.ts';
import { appendEvents, type EventItem, eventId } from '../events/log.ts';
import { keys } from '../store/items.ts';
import { vendors } from '../vendors/index.ts';
import { Hooks } from './hooks.ts';
import { type HookRuns, type HookServices, receiveHook } from './receive.ts';
import { hookRoutes } from './routes.ts';
import { longestWait } from './wait.ts';

/** Names are unique. */
let made = 0;

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;

let backends: Awaited<ReturnType<typeof startBackends>>;
let one: ReturnType<typeof gateway>;
let other: ReturnType<typeof gateway>;
const clock = new TestClock();
const secrets = memorySecrets();

/** One imagined process: its calls on hooks and its receiver, over the table that all share. */
function gateway() {
  const process = processOf(backends.database, cached(secrets), clock);
  const random: Random = { number: Math.random, bytes: randomBytes };
  const hooks = new Hooks(process.table, clock, random);
  const reported: unknown[] = [];
  const services: HookServices = {
    ...process,
    random,
    hooks,
    hookRates: new RateLimit(),
    report: (error) => reported.push(error),
  };
  const started: EventItem[] = [];
  const runs: HookRuns = {
    startRuns: async (item) => {
      started.push(item);
      return [];
    },
    runResult: async () => undefined,
  };
  const dispatch = dispatcher(
    hookRoutes(services, vendors, async () => []),
    services,
    async () => undefined,
  );
  const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<JsonAnswer> =>
    receiveHook(services, vendors, runs, requestOf('POST', path, body, headers));
  return {
    ...process,
    services,
    runs,
    started,
    reported,
    post,
    status: (path: string, body = '{}', headers: Record<string, string> = {}) =>
      post(path, body, headers).then(
        (answer) => answer.status,
        (error: { status: number }) => error.status,
      ),
    control: async (method: string, path: string, body: object = {}) =>
      (await dispatch(requestOf(method, path, JSON.stringify(body), {}), admin)).body as Record<string, string>,
  };
}

/** Cached like Secrets Manager: a value that was read stays until a fresh one is requested. */
function cached(store: SecretStore): SecretStore {
  const known = new Map<string, string>();
  return {
    read: async (name, fresh = false) => {
      const before = fresh ? undefined : known.get(name);
      const value = before ?? (await store.read(name));
      if (value !== undefined) known.set(name, value);
      return value;
    },
    write: async (name, value) => {
      known.set(name, value);
      await store.write(name, value);
    },
    delete: async (name) => {
      known.delete(name);
      await store.delete(name);
    },
  };
}

function requestOf(method: string, path: string, body: string, headers: Record<string, string>): HttpRequest {
  const [name = '', query] = path.split('?');
  return {
    method,
    path: name,
    query: new URLSearchParams(query),
    headers: { host: 'gateway.example', 'content-type': 'application/json', ...headers },
    rawBody: Buffer.from(body),
    requestId: 'r',
    signal: new AbortController().signal,
    sourceIp: '192.0.2.1',
  };
}

async function make(body: object): Promise<{ id: string; path: string; secret: string }> {
  const { id = '', url = '', secret = '' } = await one.control('POST', '/v1/hooks', { name: `x ${++made}`, ...body });
  return { id, secret, path: new URL(url).pathname };
}

const none = { verify: { kind: 'none' } };
const idOf = (answer: JsonAnswer) => (answer.body as { eventId: string }).eventId;

beforeAll(async () => {
  backends = await startBackends();
  one = gateway();
  other = gateway();
  const talk = { serverUrl: 'https://cloud.example.com', user: 'gateway' };
  await putConnection(one, 'talk', 'team', talk, { appPassword: 'x', botSecret: 's'.repeat(64) });
  await putConnection(one, 'talk', 'changing', talk, { appPassword: 'x', botSecret: 'a'.repeat(64) });
  await putConnection(
    one,
    'proptt2',
    'dispatch',
    { cloudUrl: 'https://ptt.example', ownerId: 'o', hid: 1 },
    { interactionKey: 'k' },
  );
});
afterAll(async () => {
  one.close();
  other.close();
  await backends.stop();
});
beforeEach(() => {
  one.started.length = 0;
  other.started.length = 0;
});

test.each([
  ['the id of a message', {}, { 'webhook-id': 'm' }, 7 * day],
  ['a header of choice', { dedupe: { header: 'x-id' } }, { 'x-id': 'm' }, 7 * day],
  ['an Idempotency-Key', {}, { 'idempotency-key': 'm' }, day],
  ['an expression', { dedupe: { key: '{% event.data.body.a %}' } }, {}, day],
  ['the body', { dedupe: { body: true } }, {}, day],
  ['what the hook says', { dedupe: { seconds: 300 } }, { 'webhook-id': 'm' }, 300 * second],
])('%s identifies repeats within its window, in every process', async (_, more, headers, window) => {
  const hook = await make({ ...none, ...more });
  const first = idOf(await one.post(hook.path, '{"a":1}', headers));
  clock.advance(window - 1);
  expect(idOf(await other.post(hook.path, '{"a":1}', headers))).toBe(first);
  clock.advance(1);
  const next = idOf(await other.post(hook.path, '{"a":1}', headers));
  expect(next).not.toBe(first);
  // The second message starts a new window.
  clock.advance(window - 1);
  expect(idOf(await one.post(hook.path, '{"a":1}', headers))).toBe(next);
});

test('for two seconds, the same bytes from ProPTT2 are one press', async () => {
  const hook = await make({ verify: { kind: 'proptt2-callback', connection: 'dispatch' } });
  const press = async (process: typeof one) =>
    ((await process.post(hook.path, '{"cmd":"fn","channelId":3}')).body as { eventIds: string[] }).eventIds;
  const first = await press(one);
  clock.advance(1999);
  expect(await press(other)).toEqual(first);
  clock.advance(1);
  const second = await press(other);
  expect(second).not.toEqual(first);
  clock.advance(100);
  expect(await press(one)).toEqual(second);
});

test('an address rotates with an overlap: the new one works at once everywhere, the old one until its time', async () => {
  const hook = await make(none);
  expect([await one.status(hook.path), await other.status(hook.path)]).toEqual([202, 202]);
  clock.advance(2 * second);
  const rotated = await one.control('POST', `/v1/hooks/${hook.id}/rotate`, { overlapSeconds: 3600 });
  const next = new URL(rotated.url ?? '').pathname;
  expect([await one.status(next), await other.status(next)]).toEqual([202, 202]);
  expect([await one.status(hook.path), await other.status(hook.path)]).toEqual([202, 202]);
  clock.advance(hour - 1);
  expect(await other.status(hook.path)).toBe(202);
  clock.advance(1);
  expect([await one.status(hook.path), await other.status(hook.path), await other.status(next)]).toEqual([
    404, 404, 202,
  ]);
});

test('a rotation without overlap, and a deletion, take effect everywhere within ten seconds', async () => {
  const hook = await make(none);
  await other.status(hook.path);
  const rotated = await one.control('POST', `/v1/hooks/${hook.id}/rotate`, { overlapSeconds: 0 });
  const next = new URL(rotated.url ?? '').pathname;
  expect(await one.status(hook.path)).toBe(404);
  clock.advance(10 * second);
  expect([await other.status(hook.path), await other.status(next)]).toEqual([404, 202]);
  await one.control('DELETE', `/v1/hooks/${hook.id}`);
  expect(await one.status(next)).toBe(404);
  clock.advance(10 * second);
  expect(await other.status(next)).toBe(404);
});

test('guessing the secret of a known hook reads the table at most once a second', async () => {
  const hook = await make(none);
  await other.status(hook.path);
  clock.advance(2 * second);
  const before = other.table.requests;
  // The last sign of a token has spare bits, so the guess changes one before it.
  const [head, right, tail] = [hook.path.slice(0, -5), hook.path.at(-5), hook.path.slice(-4)];
  for (const guess of [...'ABCDEFGHIJKLMNOPQRSTU'].filter((sign) => sign !== right).slice(0, 20)) {
    expect(await other.status(`${head}${guess}${tail}`)).toBe(404);
  }
  expect(other.table.requests - before).toBeLessThanOrEqual(1);
});

test('a warm hook writes the message, its claim and the counters, and reads nothing', async () => {
  const hook = await make(none);
  await one.status(hook.path);
  const before = one.table.requests;
  await one.post(hook.path, '{}', { 'webhook-id': 'w' });
  expect(one.table.requests - before).toBe(2);
});

test('a signing secret rotates with an overlap, in every process', async () => {
  const hook = await make({ verify: { kind: 'standard-webhooks' } });
  const status = (process: typeof one, secret: string) => {
    const id = `m${Math.random().toString(36).slice(2)}`;
    const headers = webhookHeaders({ id, timestamp: Math.floor(clock.time / 1000), body: '{}' }, [secret]);
    return process.status(hook.path, '{}', headers);
  };
  expect([await one.control('GET', `/v1/hooks/${hook.id}`)]).toEqual([
    expect.not.objectContaining({ secret: expect.anything() }),
  ]);
  const statuses = (secret: string) => Promise.all([status(one, secret), status(other, secret)]);
  expect(await statuses(hook.secret)).toEqual([202, 202]);
  const { secret: next = '' } = await one.control('POST', `/v1/hooks/${hook.id}/rotate`, {
    what: 'secret',
    overlapSeconds: 600,
  });
  clock.advance(10 * second);
  expect(await statuses(next)).toEqual([202, 202]);
  expect(await statuses(hook.secret)).toEqual([202, 202]);
  clock.advance(590 * second);
  expect(await statuses(hook.secret)).toEqual([401, 401]);
  expect(await statuses(next)).toEqual([202, 202]);
});

test('another kind of verification has another secret everywhere, whatever a process has cached', async () => {
  const hook = await make({ verify: { kind: 'bearer', secret: 'the-first-one' } });
  const status = (process: typeof one, token: string) =>
    process.status(hook.path, '{}', { authorization: `Bearer ${token}` });
  expect([await status(one, 'the-first-one'), await status(other, 'the-first-one')]).toEqual([202, 202]);
  const change = (verify: object) => one.control('PATCH', `/v1/hooks/${hook.id}`, { verify });
  await change({ kind: 'none' });
  await change({ kind: 'bearer', secret: 'the-second-one' });
  clock.advance(10 * second);
  expect([await status(one, 'the-first-one'), await status(other, 'the-first-one')]).toEqual([401, 401]);
  expect([await status(one, 'the-second-one'), await status(other, 'the-second-one')]).toEqual([202, 202]);
});

test('of two concurrent rotations, one is refused and the secret of the other works', async () => {
  const hook = await make({ verify: { kind: 'standard-webhooks' } });
  const rotate = (process: typeof one) => process.control('POST', `/v1/hooks/${hook.id}/rotate`, { what: 'secret' });
  const outcomes = await Promise.allSettled([rotate(one), rotate(other)]);
  const secretsMade = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value.secret ?? ''] : []));
  expect(secretsMade).toHaveLength(1);
  expect(outcomes.find((each) => each.status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } });
  clock.advance(10 * second);
  const headers = webhookHeaders({ id: 'm', timestamp: Math.floor(clock.time / 1000), body: '{}' }, secretsMade);
  expect(await other.status(hook.path, '{}', headers)).toBe(202);
});

test('a message is stored with its claim or not at all: after a failed write, sending it again is not a repeat', async () => {
  const hook = await make({ ...none, dedupe: { body: true } });
  const transact = one.table.transact.bind(one.table);
  one.table.transact = async () => {
    throw new Error('the table is away');
  };
  await expect(one.post(hook.path, '{"a":1}')).rejects.toThrow('the table is away');
  one.table.transact = transact;
  const answer = await one.post(hook.path, '{"a":1}');
  expect(answer.headers).toEqual({});
  expect(one.started.map(({ id }) => id)).toEqual([idOf(answer)]);
});

/** A signed push of a Talk server to its bot about a message. */
function toldByTalk(messageId: string, botSecret: string): [string, Record<string, string>] {
  const body = JSON.stringify({
    type: 'Create',
    actor: { type: 'Person', id: 'users/bob', name: 'Bob' },
    object: {
      type: 'Note',
      id: messageId,
      name: 'message',
      content: '{"message":"hi","parameters":[]}',
      mediaType: 'text/markdown',
    },
    target: { type: 'Collection', id: 'roomtoken', name: 'Room' },
  });
  const random = randomBytes(32).toString('hex');
  return [
    body,
    {
      'x-nextcloud-talk-random': random,
      'x-nextcloud-talk-signature': createHmac('sha256', botSecret).update(random).update(body).digest('hex'),
      'x-nextcloud-talk-backend': 'https://cloud.example.com/',
    },
  ];
}

test('a bot secret that another process changed is valid here within ten seconds', async () => {
  const hook = await make({ verify: { kind: 'talk-bot', connection: 'changing' } });
  const received = (botSecret: string) => other.status(hook.path, ...toldByTalk('5', botSecret));
  expect(await received('a'.repeat(64))).toBe(200);
  await changeCredentials(one, 'talk', 'changing', { appPassword: 'x', botSecret: 'b'.repeat(64) });
  clock.advance(10 * second);
  expect([await received('a'.repeat(64)), await received('b'.repeat(64))]).toEqual([401, 200]);
});

test('a message that a poll of Talk found before the bot pushed it starts the runs of the hook', async () => {
  const hook = await make({ verify: { kind: 'talk-bot', connection: 'team' } });
  const [body, headers] = toldByTalk('77', 's'.repeat(64));
  const known = {
    vendor: 'talk',
    connection: 'team',
    type: 'talk.message.created',
    readBy: 'getChatMessages',
    id: 'cloud.example.com/roomtoken/77',
  } as const;
  const timestamp = new Date(clock.time - 500).toISOString();
  await appendEvents(one, [{ ...known, timestamp, data: { text: 'found by a poll' } }]);
  const answer = await one.post(hook.path, body, headers);
  expect(answer).toMatchObject({ status: 200, body: { eventIds: [eventId(known)] } });
  expect(one.started).toMatchObject([{ id: eventId(known), hook: hook.id, timestamp }]);
  expect((await other.post(hook.path, body, headers)).headers).toEqual({ 'idempotent-replayed': 'true' });
  expect(other.started).toEqual([]);
});

test('no message is lost when the counters cannot be written', async () => {
  const hook = await make(none);
  const update = one.table.update.bind(one.table);
  one.table.update = async () => {
    throw new Error('throttled');
  };
  expect(await one.status(hook.path)).toBe(202);
  one.table.update = update;
});

test('however long the requested wait, the response comes within 25 s', async () => {
  const hook = await make(none);
  const { startRuns } = one.runs;
  one.runs.startRuns = async () => ['run_a', 'run_b'];
  let slept = 0;
  const sleep = clock.sleep;
  clock.sleep = async (ms) => {
    slept += ms;
    clock.advance(ms);
  };
  const answer = await one.post(`${hook.path}?wait=9999`, '{}');
  clock.sleep = sleep;
  one.runs.startRuns = startRuns;
  expect(answer).toMatchObject({ status: 202, body: { runs: [{ id: 'run_a', state: 'running' }, { id: 'run_b' }] } });
  expect(slept).toBe(longestWait * second);
});

test('a hook that lost its secret asks its sender to send again', async () => {
  const hook = await make({ verify: { kind: 'bearer', secret: 'abcdefgh' } });
  await secrets.delete(`trunkline/hooks/${hook.id}`);
  await expect(other.post(hook.path, '{}', { authorization: 'Bearer abcdefgh' })).rejects.toMatchObject({
    status: 503,
    retryAfter: 5,
  });
  expect(await one.table.get(keys.hookStatus(hook.id))).toBeUndefined();
});
