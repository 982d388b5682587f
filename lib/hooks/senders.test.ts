import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type HttpBridge, startHttpBridge } from '../../local/aws/http-bridge.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import type { Answer } from '../../test/support/function-request.ts';
import { TestClock } from '../../test/support/harness.ts';
import { type HookBench, startHookBench } from '../../test/support/hook-requests.ts';
import { proptt2Settings } from '../../test/support/proptt2-settings.ts';
import { RateLimit } from '../api/rate-limit.ts';
import { secretsManager } from '../aws/secrets.ts';
import { services } from '../aws/services.ts';
import { settingsFrom } from '../aws/settings.ts';
import { systemRandom } from '../aws/system.ts';
import { keys } from '../store/items.ts';
import { Hooks } from './hooks.ts';
import { receiveHook } from './receive.ts';

let bench: HookBench;
let sandbox: Proptt2Sandbox;
const lines: string[] = [];

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
  bench = await startHookBench();
  sandbox = await startProptt2Sandbox();
  const local = { allowHttp: true, allowPrivateNetwork: true };
  for (const connection of [
    {
      vendor: 'proptt2',
      name: 'dispatch',
      settings: { cloudUrl: sandbox.url, ownerId: 'owner@company.com', hid: 1, ...local },
      credentials: { interactionKey: 'bb00cc' },
    },
    {
      vendor: 'talk',
      name: 'team',
      settings: { serverUrl: 'http://127.0.0.1:8093', user: 'gateway', ...local },
      credentials: { appPassword: 'abcde-abcde', botSecret },
    },
  ]) {
    const made = await bench.call({ path: '/v1/connections', body: connection });
    expect(made.status, made.text).toBe(201);
  }
});
afterAll(async () => {
  vi.restoreAllMocks();
  await sandbox.close();
  await bench.stop();
});

const hmac = (secret: string, text: string) => createHmac('sha256', secret).update(text).digest('hex');
const idOf = (answer: { body: unknown }) => (answer.body as { eventId: string }).eventId;
const json = { 'content-type': 'application/json' };

/** A refusal gives the sender no details, and the hook's owner the reason. */
async function expectRefusal(answer: Answer, hookId: string, reason: string | RegExp): Promise<void> {
  expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized', retryable: false } });
  expect((answer.body as { message: string }).message).toBe(
    'The request was refused: its signature or its credentials are missing, wrong or too old.',
  );
  expect(((await bench.read(hookId)).lastRefusal as { reason: string }).reason).toMatch(reason);
}

describe('standard-webhooks', () => {
  const body = '{"type":"invoice.paid","data":{"id":7}}';
  const signed = (secret: string, id: string, text = body, at = new Date()) => ({
    ...json,
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, text),
  });

  test('what the reference library signs is accepted, once for each id', async () => {
    const hook = await bench.make({ verify: { kind: 'standard-webhooks' } });
    expect(hook.secret).toMatch(/^whsec_[A-Za-z0-9+/=]{44}$/);
    const first = await bench.post({ path: hook.path, body, headers: signed(hook.secret, 'msg_1') });
    expect(first.status, first.text).toBe(202);
    const again = await bench.post({
      path: hook.path,
      body,
      headers: signed(hook.secret, 'msg_1', body, new Date(Date.now() + 60_000)),
    });
    expect(idOf(again)).toBe(idOf(first));
    expect(bench.eventsOf(hook.id)).toHaveLength(1);
    const data = bench.eventsOf(hook.id)[0]?.event.data;
    expect(data).toMatchObject({ body: { type: 'invoice.paid' }, headers: { 'webhook-id': 'msg_1' } });
    expect(data?.headers).toHaveProperty('webhook-signature', '[redacted]');
  });

  test("the sender's own secret is accepted, and not shown again", async () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    const hook = await bench.make({ verify: { kind: 'standard-webhooks', secret } });
    expect(hook.secret).toBeUndefined();
    expect((await bench.post({ path: hook.path, body, headers: signed(secret, 'msg_1') })).status).toBe(202);
  });

  test('the signature is over the bytes: another space, another id, another time are refused', async () => {
    const hook = await bench.make({ verify: { kind: 'standard-webhooks' } });
    const good = signed(hook.secret, 'msg_2');
    const attempts: [string, Record<string, string>, RegExp][] = [
      [`${body} `, good, /does not|no signature fits/],
      [body, { ...good, 'webhook-id': 'msg_3' }, /no signature fits/],
      [body, signed(hook.secret, 'msg_2', body, new Date(Date.now() - 301_000)), /seconds old/],
      [body, signed(`whsec_${Buffer.alloc(32, 1).toString('base64')}`, 'msg_2'), /no signature fits/],
      [body, json, /not all there/],
    ];
    for (const [text, headers, reason] of attempts) {
      await expectRefusal(await bench.post({ path: hook.path, body: text, headers }), hook.id, reason);
    }
    expect(bench.eventsOf(hook.id)).toEqual([]);
    expect(await bench.read(hook.id)).toMatchObject({ received: 0, refused: attempts.length });
  });

  test('the old and the new secret are valid during the overlap, and a rotation creates a new one', async () => {
    const hook = await bench.make({ verify: { kind: 'standard-webhooks' } });
    const rotate = async (more: object) =>
      (await bench.call({ path: `/v1/hooks/${hook.id}/rotate`, body: { what: 'secret', ...more } })).body as {
        secret: string;
      };
    const status = async (secret: string, id: string) =>
      (await bench.post({ path: hook.path, body, headers: signed(secret, id) })).status;
    const next = await rotate({});
    expect(next.secret).not.toBe(hook.secret);
    expect([await status(hook.secret, 'a'), await status(next.secret, 'b')]).toEqual([202, 202]);
    const last = await rotate({ overlapSeconds: 0 });
    expect([await status(next.secret, 'c'), await status(last.secret, 'd')]).toEqual([401, 202]);
  });

  test('a sender that uses its new secret at once is accepted by a process that knew only the old one', async () => {
    const hook = await bench.make({ verify: { kind: 'standard-webhooks' } });
    const clock = new TestClock(Date.now());
    const elsewhere = {
      ...services(),
      clock,
      secrets: secretsManager(settingsFrom(process.env), clock, () => undefined),
      hooks: new Hooks(bench.table, clock, systemRandom),
      hookRates: new RateLimit(),
      report: () => undefined,
    };
    const runs = { startRuns: async () => [], runResult: async () => undefined };
    const status = async (secret: string, id: string) => {
      const given = { method: 'POST', path: hook.path, query: new URLSearchParams(), headers: signed(secret, id) };
      const more = {
        rawBody: Buffer.from(body),
        requestId: id,
        signal: new AbortController().signal,
        sourceIp: '192.0.2.1',
      };
      return (await receiveHook(elsewhere, {}, runs, { ...given, ...more })).status;
    };
    expect(await status(hook.secret, 'a')).toBe(202);
    clock.advance(2_000);
    const rotate = { path: `/v1/hooks/${hook.id}/rotate`, body: { what: 'secret' } };
    const { secret } = (await bench.call(rotate)).body as { secret: string };
    expect(await status(secret, 'b')).toBe(202);
    expect(await bench.read(hook.id)).toMatchObject({ received: 2, refused: 0 });
  });
});

describe('github', () => {
  test('the documented example is accepted', async () => {
    // From GitHub's page on validating deliveries.
    const hook = await bench.make({ verify: { kind: 'github', secret: "It's-a-Secret-to-Everybody" } });
    const text = 'Hello, World!';
    const headers = {
      'content-type': 'text/plain',
      'x-github-event': 'ping',
      'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'x-hub-signature-256': `sha256=${hmac("It's-a-Secret-to-Everybody", text)}`,
    };
    const first = await bench.post({ path: hook.path, body: text, headers });
    expect(first.status, first.text).toBe(202);
    expect(bench.eventsOf(hook.id)[0]?.event.data).toMatchObject({ body: text, headers: { 'x-github-event': 'ping' } });
    expect(idOf(await bench.post({ path: hook.path, body: text, headers }))).toBe(idOf(first));
    await expectRefusal(await bench.post({ path: hook.path, body: `${text}!`, headers }), hook.id, /does not fit/);
  });

  test('a form is verified by its bytes before it is read', async () => {
    const hook = await bench.make({ verify: { kind: 'github' } });
    const text = 'payload=%7B%22ref%22%3A%22main%22%7D';
    const answer = await bench.post({
      path: hook.path,
      body: Buffer.from(text),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-hub-signature-256': `sha256=${hmac(hook.secret, text)}`,
      },
    });
    expect(answer.status, answer.text).toBe(202);
    expect(bench.eventsOf(hook.id)[0]?.event.data.body).toEqual({ ref: 'main' });
  });
});

describe('stripe', () => {
  test('a signed event is accepted once for each id, and only with its own secret', async () => {
    const secret = 'whsec_stripe_shows_this';
    const hook = await bench.make({ verify: { kind: 'stripe', secret } });
    const body = '{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","type":"charge.failed"}';
    const at = Math.floor(Date.now() / 1000);
    const headers = (key: string, time = at) => ({
      ...json,
      'stripe-signature': `t=${time},v1=${hmac(key, `${time}.${body}`)}`,
    });
    const first = await bench.post({ path: hook.path, body, headers: headers(secret) });
    expect(first.status, first.text).toBe(202);
    expect(idOf(await bench.post({ path: hook.path, body, headers: headers(secret, at - 60) }))).toBe(idOf(first));
    await expectRefusal(
      await bench.post({ path: hook.path, body, headers: headers('wrong') }),
      hook.id,
      /no signature fits/,
    );
    await expectRefusal(
      await bench.post({ path: hook.path, body, headers: headers(secret, at - 400) }),
      hook.id,
      /seconds old/,
    );
  });
});

describe('basic and bearer', () => {
  test('a sender that sends its password only after a challenge gets one', async () => {
    const hook = await bench.make({ verify: { kind: 'basic', user: 'panel', password: 'p:ä' } });
    const asked = await bench.post({ path: hook.path, body: '{}', headers: json });
    expect(asked.headers['www-authenticate']).toBe('Basic realm="hook", charset="UTF-8"');
    await expectRefusal(asked, hook.id, /is missing/);
    const authorization = `Basic ${Buffer.from('panel:p:ä').toString('base64')}`;
    expect((await bench.post({ path: hook.path, body: '{}', headers: { ...json, authorization } })).status).toBe(202);
    const rotated = await bench.call({
      path: `/v1/hooks/${hook.id}/rotate`,
      body: { what: 'secret', user: 'panel', password: 'next', overlapSeconds: 0 },
    });
    expect(rotated.status, rotated.text).toBe(200);
    expect((await bench.post({ path: hook.path, body: '{}', headers: { ...json, authorization } })).status).toBe(401);
  });

  test('a bearer token is generated if none is given', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer' } });
    const post = (token: string) =>
      bench.post({ path: hook.path, body: '{}', headers: { ...json, authorization: `Bearer ${token}` } });
    expect((await post(hook.secret)).status).toBe(202);
    expect((await post(`${hook.secret}0`)).status).toBe(401);
    expect(JSON.stringify(bench.eventsOf(hook.id))).not.toContain(hook.secret);
  });

  test.each([
    [{ kind: 'none' }, { what: 'secret' }, '/what'],
    [{ kind: 'none' }, { secret: 'abcdefgh' }, '/secret'],
    [{ kind: 'github' }, { what: 'secret', secret: 'short' }, '/secret'],
    [{ kind: 'github' }, { what: 'secret', user: 'a', password: 'b' }, '/secret'],
    [{ kind: 'basic', user: 'a', password: 'b' }, { what: 'secret' }, '/user'],
    [{ kind: 'stripe', secret: 'abcdefgh' }, { what: 'secret' }, '/secret'],
    [{ kind: 'proptt2-callback', connection: 'dispatch' }, { what: 'secret' }, '/what'],
  ])('a rotation of %j with %j is refused', async (verify, body, pointer) => {
    const hook = await bench.make({ verify });
    const answer = await bench.call({ path: `/v1/hooks/${hook.id}/rotate`, body });
    expect(answer, answer.text).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });
});

interface Recorded {
  request: { headers: Record<string, string>; rawBody: string };
}

const recorded = (name: string) =>
  (
    JSON.parse(
      readFileSync(new URL(`../../test/fixtures/talk/recorded/${name}.json`, import.meta.url), 'utf8'),
    ) as Recorded
  ).request;
const botSecret = 'test-only-bot-secret-0123456789-0123456789-abcdef';

describe('talk-bot', () => {
  const lower = (headers: Record<string, string>) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const { headers, rawBody } = recorded('talk17__webhook_0_create');

  test('a recorded push becomes one event of the connection and is answered with 200', async () => {
    const hook = await bench.make({ verify: { kind: 'talk-bot', connection: 'team' } });
    expect(hook).toMatchObject({ verify: { kind: 'talk-bot', vendor: 'talk', connection: 'team' } });
    const post = () => bench.post({ path: hook.path, query: 'wait=20', body: rawBody, headers: lower(headers) });
    const all = await Promise.all(Array.from({ length: 10 }, post));
    expect(all.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    const events = bench.eventsOf('team');
    expect(events).toHaveLength(1);
    expect(events[0]?.event).toMatchObject({
      id: JSON.parse(all[0]?.text ?? '').eventIds[0],
      type: 'talk.message.created',
      vendor: 'talk',
      data: { token: '5kqineb7', messageId: 142, actorId: 'alice' },
    });
    expect(events[0]?.item.hook).toBe(hook.id);
  });

  test('a push that is not an event is accepted, and nothing is stored', async () => {
    const hook = await bench.make({ verify: { kind: 'talk-bot', connection: 'talk/team' } });
    const other = recorded('talk17__webhook_1_activity');
    const before = bench.started.length;
    const answer = await bench.post({ path: hook.path, body: other.rawBody, headers: lower(other.headers) });
    expect(answer).toMatchObject({ status: 200, body: { eventIds: [] } });
    expect(bench.started.length).toBe(before);
  });

  test('a changed byte, another random text and another server are refused', async () => {
    const hook = await bench.make({ verify: { kind: 'talk-bot', connection: 'team' } });
    const attempts: [string, Record<string, string>, RegExp][] = [
      [rawBody.replace('Alice', 'Bob'), headers, /not that of the bot/],
      [rawBody, { ...headers, 'X-Nextcloud-Talk-Random': 'x'.repeat(64) }, /not that of the bot/],
      [
        rawBody,
        { ...headers, 'X-Nextcloud-Talk-Backend': 'https://evil.example/' },
        /which is not that of this connection/,
      ],
      [rawBody, json, /not that of the bot/],
    ];
    for (const [body, given, reason] of attempts) {
      const answer = await bench.post({ path: hook.path, body, headers: lower(given) });
      await expectRefusal(answer, hook.id, reason);
    }
  });

  test('a bot secret that was stored a moment ago is valid, and without one the sender gets no details', async () => {
    const hook = await bench.make({ verify: { kind: 'talk-bot', connection: 'team' } });
    const change = (credentials: object) =>
      bench.call({
        path: '/v1/connections/talk/team',
        method: 'PATCH',
        body: { credentials },
      });
    const post = () => bench.post({ path: hook.path, body: rawBody, headers: lower(headers) });
    await change({ botSecret: null });
    const answer = await post();
    expect(answer).toMatchObject({ status: 424, body: { code: 'connection_needs_attention' } });
    expect(answer.text).not.toContain('botSecret');
    expect(await bench.read(hook.id)).toMatchObject({ lastRefusal: { reason: expect.stringContaining('botSecret') } });
    await change({ botSecret });
    expect((await post()).status).toBe(200);
  });
});

describe('proptt2-callback', () => {
  let bridge: HttpBridge;
  let url: string;

  beforeAll(async () => {
    // The stand-in posts over real HTTP, through the local replacement of API Gateway.
    bridge = await startHttpBridge({
      routes: [{ method: 'ANY', path: '/hooks/{token}', functionName: 'hooks', handler: bench.handler as never }],
    });
    url = bridge.url;
  });
  afterAll(() => bridge.close());

  test('a function key and a video call are events of the connection', async () => {
    const hook = await bench.make({ verify: { kind: 'proptt2-callback', connection: 'dispatch' } });
    const pressed = await sandbox.sendCallback(url + hook.path, {
      cmd: 'fn',
      channelId: 3,
      senderName: 'Kim Müller 100%',
      latitude: 37.012,
      longitude: 127.106,
    });
    expect(pressed).toMatchObject({ status: 200, body: expect.stringContaining('evt_') });
    await sandbox.sendCallback(url + hook.path, { cmd: 'vc', videoChannelId: 3, URL: 'rtsp://10.0.0.11:41344/8523' });
    expect(bench.eventsOf('dispatch').map(({ event }) => event)).toMatchObject([
      {
        type: 'proptt2.function_key.pressed',
        vendor: 'proptt2',
        data: { channelId: 3, senderName: 'Kim Müller 100%', latitude: 37.012 },
      },
      { type: 'proptt2.video_call.started', data: { url: 'rtsp://10.0.0.11:41344/8523' } },
    ]);
  });

  test('the same bytes within two seconds are one press, through whichever hook; a wrong address is 404', async () => {
    const [one, other] = [
      await bench.make({ verify: { kind: 'proptt2-callback', connection: 'dispatch' } }),
      await bench.make({ verify: { kind: 'proptt2-callback', connection: 'proptt2/dispatch' } }),
    ];
    const press = (path: string) => sandbox.sendCallback(url + path, { cmd: 'fn', channelId: 5 });
    const before = bench.eventsOf('dispatch').length;
    const answers = await Promise.all([press(one.path), press(one.path), press(other.path), press(one.path)]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(bench.eventsOf('dispatch')).toHaveLength(before + 1);
    expect((await press(`${one.path.slice(0, -1)}${one.path.endsWith('A') ? 'B' : 'A'}`)).status).toBe(404);
  });

  test('an unknown command is kept, and invalid percent-encoding and invalid JSON crash nothing', async () => {
    const hook = await bench.make({ verify: { kind: 'proptt2-callback', connection: 'dispatch' } });
    const post = (body: string) => bench.post({ path: hook.path, body, headers: json });
    expect(await post('{"cmd":"zz","x":1}')).toMatchObject({ status: 200 });
    expect(bench.eventsOf('dispatch').at(-1)?.event).toMatchObject({
      type: 'proptt2.callback.received',
      data: { cmd: 'zz' },
    });
    expect(await post('{"cmd":"fn","channelId":3,"senderName":"user%zzname"}')).toMatchObject({ status: 200 });
    expect(bench.eventsOf('dispatch').at(-1)?.event.data).toMatchObject({ senderName: 'user%zzname' });
    expect(await post('[1]')).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
  });

  test('a hook on a connection requires a key that may see the connection', async () => {
    const made = await bench.call({
      path: '/v1/keys',
      body: { name: 'x', scopes: ['trunkline/hooks/write', 'talk/*/*'] },
    });
    const answer = await bench.call(
      { path: '/v1/hooks', body: { name: 'x', verify: { kind: 'proptt2-callback', connection: 'dispatch' } } },
      (made.body as { key: string }).key,
    );
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ pointer: '/verify/connection' }] } });
  });

  test('a deleted connection puts its hook out of order', async () => {
    const settings = {
      ...proptt2Settings(sandbox.url),
      hid: 2,
    };
    const connection = { vendor: 'proptt2', name: 'gone', settings, credentials: { interactionKey: 'bb00cc' } };
    await bench.call({ path: '/v1/connections', body: connection });
    const hook = await bench.make({ verify: { kind: 'proptt2-callback', connection: 'gone' } });
    // The call refuses to delete what a hook uses; a restored backup may lack it all the same.
    expect((await bench.call({ path: '/v1/connections/proptt2/gone', method: 'DELETE' })).status).toBe(409);
    await services().table.delete(keys.connection('proptt2', 'gone'));
    services().connections.forget('proptt2', 'gone');
    const answer = await bench.post({ path: hook.path, body: '{"cmd":"fn"}', headers: json });
    expect(answer).toMatchObject({ status: 424, body: { code: 'connection_needs_attention' } });
    expect(answer.text).not.toContain('gone');
  });
});

test('no log line contains a secret of a hook', async () => {
  expect(lines.length).toBeGreaterThan(50);
  expect(lines.join('')).not.toContain(botSecret);
  expect(lines.join('')).not.toMatch(/whsec_[A-Za-z0-9+/]{20}/);
});
