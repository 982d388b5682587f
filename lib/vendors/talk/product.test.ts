import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, startBench } from '../../../test/acceptance/product.ts';
import { botSecret } from '../../../test/support/listener.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';

/** Talk as a user of the whole product meets it, over HTTP. */
const token = 'controlroom';
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const events = async (type: string) =>
  (await bench.call<TrunklineEvent[]>('GET', `/v1/events?type=${type}&connection=talk/demo&limit=100`)).body;

test('a message is posted and read back, once for one idempotency key', async () => {
  const body = { token, message: 'Hello from Trunkline' };
  const key = { 'idempotency-key': 'hello-1' };
  const [first, again] = [
    await bench.call('POST', '/v1/talk/demo/sendChatMessage', body, key),
    await bench.call('POST', '/v1/talk/demo/sendChatMessage', body, key),
  ];
  expect([first.status, again.status]).toEqual([201, 201]);
  expect(again.body).toEqual(first.body);
  const page = await bench.call<{ messages: { text: string }[]; cursor: string }>(
    'GET',
    `/v1/talk/demo/getChatMessages?token=${token}&limit=5`,
  );
  expect(page.body.messages.filter(({ text }) => text === body.message)).toHaveLength(1);
  const rest = await bench.call('GET', `/v1/talk/demo/getChatMessages?token=${token}&after=${page.body.cursor}`);
  expect(rest.body).toEqual({ messages: [], cursor: page.body.cursor, earlier: null });
});

test('a connection is made by a login in the browser', async () => {
  const settings = { serverUrl: bench.demo.talk.url, allowHttp: true, allowPrivateNetwork: true };
  const path = '/v1/connections/talk/by-login/login';
  const started = await bench.call<{ login: string; url: string }>('POST', path, { settings });
  expect(started.status, JSON.stringify(started.body)).toBe(200);
  bench.demo.talk.grantLogin({ user: 'bob', login: started.body.url });
  expect(await bench.call('POST', path, { login: started.body.login })).toMatchObject({ body: { state: 'done' } });
  expect((await bench.call('POST', '/v1/talk/by-login/getRooms', {})).status).toBe(200);
});

test("a bot's pushes are events at once, lost ones after the next poll, and each fact is one event", async () => {
  await bench.poll('talk', 'demo');
  const credentials = { appPassword: 'alice-app-password', botSecret };
  expect((await bench.call('PATCH', '/v1/connections/talk/demo', { credentials })).status).toBe(200);
  const hook = await bench.call<{ url: string; id: string }>('POST', '/v1/hooks', {
    name: 'talk bot',
    verify: { kind: 'talk-bot', connection: 'demo' },
  });
  expect(hook.status, JSON.stringify(hook.body)).toBe(201);
  bench.demo.talk.installBot({ name: 'Trunkline', secret: botSecret, url: hook.body.url, features: 3, rooms: [token] });
  const say = (message: string) => bench.demo.talk.postMessage({ token, user: 'bob', message });
  const texts = async () => (await events('talk.message.created')).map(({ data }) => data.text).sort();

  const { id } = say('pushed');
  await bench.demo.talk.pushesSettled();
  // An event is in the list once the table's stream has delivered it.
  await expect.poll(texts).toEqual(['pushed']);
  bench.demo.talk.setPushes('drop');
  say('lost');
  bench.demo.talk.setPushes('on');
  await bench.poll('talk', 'demo');
  await expect.poll(texts).toEqual(['lost', 'pushed']);
  expect((await bench.call<{ received: number }>('GET', `/v1/hooks/${hook.body.id}`)).body.received).toBeGreaterThan(0);
  const [newest] = await events('talk.*');
  expect(newest).toMatchObject({ vendor: 'talk', connection: 'demo', id: expect.stringMatching(/^evt_/) });
  await bench.call('POST', '/v1/talk/demo/sendBotMessage', { token, message: 'I heard', replyTo: id });
  await bench.demo.talk.pushesSettled();
  await bench.poll('talk', 'demo');
  await expect.poll(texts).toEqual(['lost', 'pushed']);
  expect(bench.demo.talk.state.bots.map(({ errorCount }) => errorCount)).toEqual([0]);
});

test('the documents contain the event types and the operations', async () => {
  const types = await bench.call<{ type: string; sample: unknown }[]>('GET', '/v1/event-types');
  const mine = types.body.filter(({ type }) => type.startsWith('talk.')).map(({ type }) => type);
  expect(mine).toHaveLength(17);
  const document = await bench.call<{ paths: Record<string, unknown> }>('GET', '/openapi.json');
  expect(Object.keys(document.body.paths).filter((path) => path.startsWith('/v1/talk/')).length).toBeGreaterThanOrEqual(
    35,
  );
});
