import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { showRun } from '../../lib/automations/runs/routes.ts';
import { services } from '../../lib/aws/services.ts';
import { changesSince, streamStart } from '../../lib/stream/changes.ts';
import { streamRoutes } from '../../lib/stream/routes.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Answer, type Bench, startBench } from './product.ts';

/** A key that may write in a chat room, and use all control calls, tries every way to read the room's messages. */
const words = 'the depot key is under the third stone';
const room = 'controlroom';
const message = 'talk.message.created';
let bench: Bench;
let receiver: Receiver;
let scopes: string[];
let thief: Record<string, string>;
let reader: Record<string, string>;
let eventId: string;
let runId: string;

const as = <T = Record<string, unknown>>(
  key: Record<string, string>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer<T>> => bench.call<T>(method, path, body, key);

async function keyWith(wanted: string[]): Promise<Record<string, string>> {
  const { status, body } = await bench.call<{ key: string }>('POST', '/v1/keys', { name: 'key', scopes: wanted });
  expect(status, JSON.stringify(body)).toBe(201);
  return { authorization: `Bearer ${body.key}` };
}

beforeAll(async () => {
  bench = await startBench();
  receiver = await startReceiver();
  receiver.reply = (response) => response.writeHead(200).end();
  const areas = ['hooks', 'subscriptions', 'automations', 'runs', 'deliveries', 'events'];
  const control = areas.flatMap((area) => [`trunkline/${area}/read`, `trunkline/${area}/write`]);
  scopes = ['talk/demo/sendChatMessage', 'proptt2/demo/sendAlertToChannel', ...control];
  thief = await keyWith(scopes);
  reader = await keyWith(['talk/demo/getChatMessages', ...control]);
  // A run of the admin that has the words in a call's input, in a wait's output and in a computed value.
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Relay',
    when: { event: message, connection: 'talk/demo' },
    dedupe: { key: '{% event.data.text %}', seconds: 60 },
    do: [
      { name: 'copy', set: { text: '{% event.data.text %}' } },
      {
        name: 'relay',
        call: 'proptt2/demo/sendAlertToChannel',
        input: { channelId: 1, message: '{% event.data.text %}' },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  await bench.call('POST', '/v1/subscriptions', { url: receiver.url, types: [message] });
  await bench.poll('talk', 'demo');
  bench.demo.talk.postMessage({ token: room, user: 'bob', message: words });
  await bench.poll('talk', 'demo');
  const [run] = await bench.runs(made.body.id, 1);
  expect(run).toMatchObject({ state: 'succeeded', eventId: expect.any(String) });
  runId = run?.id ?? '';
  eventId = run?.eventId ?? '';
}, 60_000);
afterAll(async () => {
  await receiver.close();
  await bench.close();
});

test('a key that may read the room finds the words in each of these places', async () => {
  const seen = [
    await as(reader, 'GET', '/v1/events'),
    await as(reader, 'GET', `/v1/events/${eventId}`),
    await as(await keyWith([...scopes, 'talk/demo/getChatMessages']), 'GET', `/v1/runs/${runId}`),
  ];
  for (const { body } of seen) expect(JSON.stringify(body)).toContain(words);
  expect((await as(reader, 'GET', '/v1/deliveries')).body).not.toEqual([]);
});

test('a key without a read operation finds them in none', async () => {
  const answers = [
    await as(thief, 'GET', '/v1/events'),
    await as(thief, 'GET', `/v1/events?type=${message}`),
    await as(thief, 'GET', '/v1/events?connection=talk/demo'),
    await as(thief, 'GET', '/v1/deliveries'),
    await as(thief, 'GET', '/v1/runs'),
    await as(thief, 'GET', `/v1/runs/${runId}`),
    await as(thief, 'GET', '/v1/hooks'),
  ];
  for (const { status, body } of answers) {
    expect(status).toBe(200);
    expect(JSON.stringify(body)).not.toContain(words);
  }
  const [typed, connected, deliveries] = answers.slice(1, 4);
  expect([typed?.body, connected?.body, deliveries?.body]).toEqual([[], [], []]);
  expect((await as(thief, 'GET', `/v1/events/${eventId}`)).status).toBe(404);
  const shown = await as<{ steps: { name: string; hidden?: boolean }[] }>(thief, 'GET', `/v1/runs/${runId}`);
  expect(shown.body).toMatchObject({ hidden: true, state: 'succeeded' });
  expect(shown.body.steps.map(({ name, hidden }) => [name, hidden])).toEqual([
    ['copy', true],
    ['relay', true],
  ]);
});

test('the reason of a failure quotes what a run has read to those alone who may read it, by every way to it', async () => {
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'Any',
    verify: { kind: 'none' },
  });
  const said = '{% $error(steps.read.output.messages[$contains(text, "depot")].text) %}';
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Quoting',
    when: { hook: hook.body.id },
    do: [
      { name: 'read', call: 'talk/demo/getChatMessages', input: { token: room } },
      { name: 'alert', call: 'proptt2/demo/sendAlertToChannel', input: { channelId: 1, message: said } },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const posted = await bench.call('POST', `${new URL(hook.body.url).pathname}?wait=20`, {}, { authorization: '' });
  expect(posted).toMatchObject({ status: 424, body: { runs: [{ state: 'failed' }] } });
  expect(JSON.stringify(posted.body)).not.toContain(words);
  const [run] = await bench.runs(made.body.id, 1);
  expect(run?.reason).toContain(words);
  const doors = [
    `/v1/runs?automation=${made.body.id}`,
    `/v1/runs/${run?.id}`,
    '/v1/alarms',
    `/v1/alarms?run=${run?.id}`,
    '/v1/automations',
    `/v1/automations/${made.body.id}`,
  ];
  const whole = await keyWith([...scopes, 'talk/demo/getChatMessages']);
  for (const door of doors) {
    expect([door, JSON.stringify((await as(whole, 'GET', door)).body)]).toEqual([door, expect.stringContaining(words)]);
    const { status, body } = await as(thief, 'GET', door);
    expect([door, status, JSON.stringify(body)]).toEqual([door, 200, expect.not.stringContaining(words)]);
  }
  const received = '/v1/events?type=trunkline.run.failed';
  await expect.poll(async () => (await bench.call<unknown[]>('GET', received)).body).not.toEqual([]);
  expect((await as(thief, 'GET', received)).body).toEqual([]);
  const principal = { keyId: 'k', name: 'key', scopes, perMinute: 1 };
  const { changes: frames } = await changesSince(services(), principal, {
    position: 0,
    stamp: 0,
    pausedSince: 0,
    automations: 0,
  });
  const shown = frames.flatMap((change) =>
    change.kind === 'run' ? [showRun(change.item, principal, Date.now())] : [],
  );
  expect(shown.findLast(({ id }) => id === run?.id)).toMatchObject({ state: 'failed', hidden: true });
  expect(JSON.stringify(shown)).not.toContain(words);
});

test('a dedupe key made of what an automation remembers is shown to those alone who may read where it came from', async () => {
  const verify = { kind: 'none' };
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', { name: 'Memory', verify });
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Remembering',
    when: { hook: hook.body.id },
    dedupe: { key: '{% memo.last ? memo.last : "nothing yet" %}', seconds: 60 },
    do: [
      { name: 'read', call: 'talk/demo/getChatMessages', input: { token: room } },
      {
        name: 'keep',
        remember: { key: 'last', value: '{% steps.read.output.messages[$contains(text, "depot")][0].text %}' },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const post = () => bench.call('POST', `${new URL(hook.body.url).pathname}?wait=20`, {}, { authorization: '' });
  for (const _ of [1, 2]) expect(await post()).toMatchObject({ body: { runs: [{ state: 'succeeded' }] } });
  const door = `/v1/runs?automation=${made.body.id}`;
  const whole = await keyWith([...scopes, 'talk/demo/getChatMessages']);
  const keysShown = async (key: Record<string, string>) =>
    (await as<{ dedupeKey?: string; hidden?: boolean }[]>(key, 'GET', door)).body.map(
      ({ dedupeKey, hidden }) => hidden ?? dedupeKey,
    );
  expect(await keysShown(whole)).toEqual([words, 'nothing yet']);
  expect(await keysShown(thief)).toEqual([true, true]);
});

test('the live stream carries them to readers alone', async () => {
  const start = await streamStart(services());
  const cursor = { ...start, position: 0, stamp: 0 };
  const principal = (own: string[]) => ({ keyId: 'k', name: 'key', scopes: own, perMinute: 1 });
  const streamedTo = async (own: string[]) =>
    JSON.stringify(
      (await changesSince(services(), principal(own), cursor)).changes.filter(({ kind }) => kind === 'event'),
    );
  expect(await streamedTo([...scopes, 'talk/demo/getChatMessages'])).toContain(words);
  expect(await streamedTo(scopes)).not.toContain(words);
  const [stream] = streamRoutes(services());
  const text = (own: string[]) =>
    stream?.handle({
      input: {},
      params: {},
      principal: principal(own),
      request: { headers: { 'last-event-id': '0-0' } },
    } as never);
  expect(JSON.stringify(await text(scopes))).not.toContain(words);
});

test.each([message, 'talk.message.*', 'talk.*'])('a subscription to %s is refused', async (type) => {
  for (const connection of [{}, { connection: 'demo' }, { connection: 'talk/demo' }]) {
    const wanted = { url: receiver.url, types: [type], ...connection };
    const refusal = await as(thief, 'POST', '/v1/subscriptions', wanted);
    expect(refusal).toMatchObject({ status: 403, body: { detail: expect.stringContaining('talk/') } });
  }
});

test('a subscription to everything delivers the part that its key may read, and no key can take over that of another', async () => {
  const subscribe = async (key: Record<string, string>, types: string[]) => {
    const { status, body } = await as<{ id: string }>(key, 'POST', '/v1/subscriptions', { url: receiver.url, types });
    expect(status, JSON.stringify(body)).toBe(201);
    return body.id;
  };
  const [all, own] = [await subscribe(thief, ['*']), await subscribe(reader, [message])];
  bench.demo.talk.postMessage({ token: room, user: 'bob', message: `${words} again` });
  await bench.poll('talk', 'demo');
  const deliveries = async (id: string) =>
    (await bench.call<{ eventType: string }[]>('GET', `/v1/deliveries?subscription=${id}`)).body;
  await vi.waitFor(async () => expect((await deliveries(own)).length).toBe(1), { timeout: 120_000, interval: 200 });
  expect((await deliveries(all)).filter(({ eventType }) => eventType.startsWith('talk.'))).toEqual([]);
  const path = `/v1/subscriptions/${own}`;
  expect((await as(thief, 'GET', path)).status).toBe(404);
  expect((await as(thief, 'PATCH', path, { url: `${receiver.url}/thief` })).status).toBe(404);
  const replay = { subscription: own, from: new Date(Date.now() - 3_600_000).toISOString() };
  expect((await as(thief, 'POST', '/v1/deliveries/replay', replay)).status).toBe(404);
  expect((await as(thief, 'PATCH', `/v1/subscriptions/${all}`, { types: [message] })).status).toBe(403);
});

test('an automation gets no event that its key may not read, in any of its parts', async () => {
  const credentials = { appPassword: 'alice-app-password', botSecret: 'a'.repeat(64) };
  expect((await bench.call('PATCH', '/v1/connections/talk/demo', { credentials })).status).toBe(200);
  const bot = await bench.call<{ id: string }>('POST', '/v1/hooks', {
    name: 'Bot',
    verify: { kind: 'talk-bot', connection: 'demo' },
  });
  expect(bot.status, JSON.stringify(bot.body)).toBe(201);
  const event = { event: message, connection: 'talk/demo' };
  const tell = { name: 'tell', call: 'talk/demo/sendChatMessage', input: { token: room, message: 'x' } };
  const daily = { schedule: { everySeconds: 3_600 } };
  const parts: Record<string, object> = {
    when: { when: event, do: [tell] },
    pattern: { when: { event: 'talk.*' }, do: [tell] },
    hook: { when: { hook: bot.body.id }, do: [tell] },
    waitFor: { when: daily, do: [{ name: 'wait', waitFor: { ...event, seconds: 60 } }, tell] },
    cancelOn: { when: daily, cancelOn: event, do: [tell] },
    unless: { when: daily, do: [{ ...tell, unless: event }] },
  };
  for (const [name, part] of Object.entries(parts)) {
    const wanted = { name, ...part };
    const refusal = await as(thief, 'POST', '/v1/automations', wanted);
    expect(refusal, name).toMatchObject({
      status: 403,
      body: { detail: expect.stringMatching(/needs the scope talk\//) },
    });
    expect((await bench.call('POST', '/v1/automations', wanted)).status, name).toBe(201);
    expect((await as(thief, 'PATCH', `/v1/automations/${name}`, { enabled: false })).status, name).toBe(403);
  }
});
