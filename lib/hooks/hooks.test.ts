import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { invokeHttp } from '../../test/support/function-request.ts';
import { type HookBench, startHookBench } from '../../test/support/hook-requests.ts';
import { systemClock, systemRandom } from '../aws/system.ts';
import { hookSecret } from '../core/secrets.ts';
import { type EventItem, findEvent, shownEvent } from '../events/log.ts';
import { keys } from '../store/items.ts';
import { keptRefusals } from './refusals.ts';

let bench: HookBench;
const lines: string[] = [];
const none = { verify: { kind: 'none' } };

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
  bench = await startHookBench();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.stop();
});

const idOf = (answer: { body: unknown }) => (answer.body as { eventId: string }).eventId;
const stored = (id: string) => findEvent({ table: bench.table, files: bench.files, clock: systemClock }, id);
const shown = async (id: string) => {
  const item = await stored(id);
  return item && shownEvent(bench.files, item);
};

describe('inbound messages', () => {
  test('a post is stored without secrets before it is answered, and starts its runs', async () => {
    const hook = await bench.make({ name: 'Alarm panel', ...none });
    const answer = await bench.post({
      path: hook.path,
      query: 'site=S12&tag=a&tag=b&token=secret-in-query&wait=0',
      body: { severity: 'critical' },
      headers: {
        'user-agent': 'AlarmPanel/4.2',
        'x-panel-model': 'P7',
        'x-event-key': 'repo:push',
        authorization: 'Bearer not-for-events',
        cookie: 'a=b',
        'x-gitlab-token': 'not-for-events',
        'x-hub-signature-256': 'sha256=not-for-events',
        'x-api-key': 'not-for-events',
        host: 'gateway.example',
      },
    });
    expect(answer).toMatchObject({ status: 202, body: { eventId: expect.stringMatching(/^evt_[\w-]{27}$/) } });
    expect(await stored(idOf(answer))).toMatchObject({ hook: hook.id });
    expect(await shown(idOf(answer))).toMatchObject({
      type: 'trunkline.hook.received',
      vendor: 'trunkline',
      connection: hook.id,
      data: {
        hookId: hook.id,
        hook: 'Alarm panel',
        contentType: 'application/json',
        headers: { 'user-agent': 'AlarmPanel/4.2', 'x-panel-model': 'P7', 'x-event-key': 'repo:push' },
        query: { site: 'S12', tag: ['a', 'b'] },
        body: { severity: 'critical' },
      },
    });
    const [run] = bench.eventsOf(hook.id);
    expect(run?.item.hook).toBe(hook.id);
    expect(run?.event).toMatchObject({ id: idOf(answer), data: { body: { severity: 'critical' } } });
    expect(JSON.stringify(await stored(idOf(answer)))).not.toContain('not-for-events');
  });

  test('the deployed function accepts the same post', async () => {
    const { handler } = await import('../../functions/hooks.ts');
    const hook = await bench.make(none);
    const answer = await invokeHttp(handler as never, { path: hook.path, body: { a: 1 } });
    expect(answer.status, answer.text).toBe(202);
    expect((await shown(idOf(answer)))?.data).toMatchObject({ body: { a: 1 } });
  });

  test('an unknown address is 404, and a wrong secret of a known hook no other', async () => {
    const hook = await bench.make(none);
    const start = hook.path.slice(0, -43);
    for (const path of [
      `${start}${'A'.repeat(43)}`,
      `/hooks/${'a'.repeat(16)}_${'A'.repeat(43)}`,
      `${hook.path}x`,
      '/hooks/',
      '/hooks/__proto__',
      `${hook.path}/more`,
    ]) {
      const answer = await bench.post({ path, body: {} });
      expect(answer, path).toMatchObject({
        status: 404,
        body: { code: 'not_found', message: 'There is no hook at this address.' },
      });
    }
    expect(await bench.read(hook.id)).toMatchObject({ received: 0, refused: 0 });
    expect((await bench.post({ path: `${hook.path}/`, body: {} })).status).toBe(202);
  });

  test('only POST is accepted, and browsers of other origins are not allowed', async () => {
    const hook = await bench.make(none);
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await bench.post({ path: hook.path, method, headers: { origin: 'https://elsewhere.example' } });
      expect(answer, method).toMatchObject({
        status: 405,
        headers: { allow: 'POST' },
        body: { code: 'method_not_allowed' },
      });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect(await bench.post({ path: hook.path, method: 'HEAD' })).toMatchObject({ status: 405 });
    expect(bench.eventsOf(hook.id)).toEqual([]);
  });

  test('up to 256 KB are in the event, more is stored as a file, and more than 10 MB is rejected', async () => {
    const hook = await bench.make(none);
    const text = { 'content-type': 'text/plain' };
    const most = 'x'.repeat(256 * 1024);
    const answer = await bench.post({ path: hook.path, body: most, headers: text });
    expect(answer.status, answer.text).toBe(202);
    expect((await stored(idOf(answer)))?.dataFile).toBeDefined();
    expect(bench.eventsOf(hook.id)[0]?.event.data.body).toHaveLength(256 * 1024);
    expect(await bench.post({ path: hook.path, body: `${most}x`, headers: text })).toMatchObject({ status: 202 });
    expect(bench.eventsOf(hook.id)[1]?.event.data.body).toMatchObject({ size: 256 * 1024 + 1, type: 'text/plain' });
    const tooMuch = 'x'.repeat(10 * 1024 * 1024 + 1);
    expect(await bench.post({ path: hook.path, body: tooMuch, headers: text })).toMatchObject({
      status: 413,
      body: { code: 'payload_too_large' },
    });
    expect(await bench.read(hook.id)).toMatchObject({ received: 2, refused: 1, lastRefusal: { status: 413 } });
  });

  test('only listed addresses may post', async () => {
    // The address of every request here is 192.0.2.1.
    const good = await bench.make({ ...none, allowFrom: ['2001:db8::/32', '192.0.2.0/24'] });
    expect((await bench.post({ path: good.path, body: {} })).status).toBe(202);
    const bad = await bench.make({ ...none, allowFrom: ['198.51.100.7'] });
    const answer = await bench.post({ path: bad.path, body: {} });
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(answer.text).not.toContain('198.51');
    expect(await bench.read(bad.id)).toMatchObject({
      refused: 1,
      lastRefusal: { reason: '192.0.2.1 is not on the list allowFrom.' },
    });
  });

  test('the last refused posts are kept with reason and body, without secrets, for their owner alone', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer', secret: 'right-secret' } });
    const authorization = 'Bearer wrong-secret';
    for (let number = 1; number <= keptRefusals + 2; number++) {
      const body = number === 1 ? 'no JSON' : { number, password: 'hunter2hunter2' };
      expect((await bench.post({ path: hook.path, body, headers: { authorization } })).status).toBe(401);
    }
    const { body } = await bench.call({ path: `/v1/hooks/${hook.id}/refusals` });
    const refusals = body as { status: number; reason: string; body: string; at: string }[];
    expect(refusals).toHaveLength(keptRefusals);
    expect(refusals.map((each) => JSON.parse(each.body).number)).toEqual(
      Array.from({ length: keptRefusals }, (_, at) => keptRefusals + 2 - at),
    );
    expect(refusals[0]).toMatchObject({ status: 401, reason: expect.any(String), at: expect.any(String) });
    expect(JSON.stringify(refusals)).not.toContain('hunter2');
  });

  test('a test is stored like a post, whatever the hook verifies, and its sender distinguishes it', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer' }, redact: ['body.name'] });
    const answer = await bench.call({
      path: `/v1/hooks/${hook.id}/test`,
      body: { body: { kind: 'fire', name: 'Kim' } },
    });
    expect(answer.status, answer.text).toBe(202);
    expect(await shown(idOf(answer))).toMatchObject({
      type: 'trunkline.hook.received',
      connection: hook.id,
      data: { body: { kind: 'fire' }, headers: { 'user-agent': 'Trunkline test' } },
    });
    expect(JSON.stringify(await shown(idOf(answer)))).not.toContain('Kim');
    expect(await bench.read(hook.id)).toMatchObject({ received: 1 });
  });

  test('a hook accepts `perMinute` messages a minute, and refused ones do not count', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer', secret: 'abcdefgh' }, perMinute: 3 });
    const post = (token: string) =>
      bench.post({ path: hook.path, body: {}, headers: { authorization: `Bearer ${token}` } });
    for (let at = 0; at < 5; at++) expect((await post('wrong')).status).toBe(401);
    for (let at = 0; at < 3; at++) expect((await post('abcdefgh')).status).toBe(202);
    const answer = await post('abcdefgh');
    expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(bench.eventsOf(hook.id)).toHaveLength(3);
  });

  test('a message whose runs cannot be started is stored and accepted, and the log says so', async () => {
    const hook = await bench.make(none);
    bench.runs.fail = true;
    const answer = await bench.post({ path: hook.path, body: {}, query: 'wait=5' });
    bench.runs.fail = false;
    expect(answer.status).toBe(202);
    expect(await stored(idOf(answer))).toBeDefined();
    expect(lines.join('')).toContain('the runs cannot be started');
  });
});

describe('repeats', () => {
  test('ten identical posts at once are one event, and all get its id', async () => {
    const hook = await bench.make({ ...none, dedupe: { body: true } });
    const all = await Promise.all(Array.from({ length: 10 }, () => bench.post({ path: hook.path, body: { a: 1 } })));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(all.map(idOf)).size).toBe(1);
    expect(bench.eventsOf(hook.id)).toHaveLength(1);
    expect(all.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(9);
    expect(await bench.read(hook.id)).toMatchObject({ received: 1, repeated: 9 });
    expect(idOf(await bench.post({ path: hook.path, body: { a: 2 } }))).not.toBe(idOf(all[0] ?? { body: {} }));
  });

  test.each([
    ['webhook-id', 'msg_1'],
    ['svix-id', 'msg_2'],
  ])('the id of a message in %s identifies a repeat, whatever its body', async (header, id) => {
    const hook = await bench.make(none);
    const post = (value: string, body: object) => bench.post({ path: hook.path, body, headers: { [header]: value } });
    const first = await post(id, { a: 1 });
    expect(idOf(await post(id, { a: 2 }))).toBe(idOf(first));
    expect(idOf(await post(`${id}-next`, { a: 1 }))).not.toBe(idOf(first));
  });

  test('without an id every post is a new message', async () => {
    const hook = await bench.make(none);
    const all = await Promise.all(Array.from({ length: 3 }, () => bench.post({ path: hook.path, body: { a: 1 } })));
    expect(new Set(all.map(idOf)).size).toBe(3);
  });

  test('an Idempotency-Key belongs to one body', async () => {
    const hook = await bench.make(none);
    const headers = { 'idempotency-key': 'alarm-1' };
    const first = await bench.post({ path: hook.path, body: { a: 1 }, headers });
    expect(idOf(await bench.post({ path: hook.path, body: { a: 1 }, headers }))).toBe(idOf(first));
    expect(await bench.post({ path: hook.path, body: { a: 2 }, headers })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });

  test('a chosen header, or an expression, can identify the message', async () => {
    const byHeader = await bench.make({ ...none, dedupe: { header: 'X-Event-Id' } });
    const one = (value: string) => bench.post({ path: byHeader.path, body: {}, headers: { 'x-event-id': value } });
    expect(idOf(await one('1'))).toBe(idOf(await one('1')));
    expect(idOf(await one('1'))).not.toBe(idOf(await one('2')));

    const byKey = await bench.make({
      ...none,
      dedupe: { key: "{% event.data.body.site & '|' & event.data.body.zone %}", seconds: 300 },
    });
    const alarm = (zone: string, state: string) => bench.post({ path: byKey.path, body: { site: 'S1', zone, state } });
    expect(idOf(await alarm('Z1', 'open'))).toBe(idOf(await alarm('Z1', 'closed')));
    expect(idOf(await alarm('Z1', 'open'))).not.toBe(idOf(await alarm('Z2', 'open')));
  });

  test('a key that cannot be evaluated loses no message, and the owner sees why', async () => {
    const hook = await bench.make({ ...none, dedupe: { key: '{% $number(event.data.body.n) %}' } });
    const post = () => bench.post({ path: hook.path, body: { n: 'not a number' } });
    const [one, other] = [await post(), await post()];
    expect([one.status, other.status]).toEqual([202, 202]);
    expect(idOf(one)).not.toBe(idOf(other));
    expect(await bench.read(hook.id)).toMatchObject({
      received: 2,
      lastProblem: expect.stringContaining('dedupe key failed'),
    });
  });

  test('repeats are recognised for each hook separately', async () => {
    const headers = { 'webhook-id': 'msg_9' };
    const [one, other] = [await bench.make(none), await bench.make(none)];
    const ids = [
      idOf(await bench.post({ path: one.path, body: {}, headers })),
      idOf(await bench.post({ path: other.path, body: {}, headers })),
    ];
    expect(new Set(ids).size).toBe(2);
  });

  test('an event that a subscription delivers to a hook is not a new event', async () => {
    const hook = await bench.make(none);
    const first = idOf(await bench.post({ path: hook.path, body: {} }));
    const other = await bench.make(none);
    const again = await bench.post({ path: other.path, body: {}, headers: { 'webhook-id': first } });
    expect(again).toMatchObject({ status: 202, body: { eventId: first } });
    expect(bench.eventsOf(other.id)).toEqual([]);
  });
});

describe('waiting', () => {
  const waiting = async (state: string, more: object = {}) => {
    const hook = await bench.make(none);
    const id = `run_${hook.id.slice(5)}`;
    bench.runs.of = (event) => (event.connection === hook.id ? [id] : []);
    bench.runs.unfinished.add(id);
    bench.runs.results.set(id, { id, state, ...more } as never);
    return { id, hook, answer: await bench.post({ path: hook.path, body: {}, query: 'wait=20' }) };
  };

  test('the answer is the result of the run', async () => {
    const { id, answer } = await waiting('succeeded');
    expect(answer).toMatchObject({
      status: 200,
      body: { eventId: expect.any(String), runs: [{ id, state: 'succeeded' }] },
    });
  });

  test('a failed run is not answered with 200', async () => {
    const { id, answer } = await waiting('failed', { reason: 'Talk could not be reached.' });
    expect(answer).toMatchObject({
      status: 424,
      headers: { 'content-type': 'application/problem+json' },
      body: {
        code: 'run_failed',
        retryable: false,
        runs: [{ id, state: 'failed', reason: 'Talk could not be reached.' }],
      },
    });
  });

  test('a run that takes longer is 202 with its `Location`', async () => {
    const hook = await bench.make(none);
    bench.runs.of = () => ['run_slow'];
    const answer = await bench.post({ path: hook.path, body: {}, query: 'wait=1' });
    expect(answer).toMatchObject({
      status: 202,
      headers: { location: '/v1/runs/run_slow' },
      body: { runs: [{ id: 'run_slow', state: 'running' }] },
    });
  });

  test('without a run there is nothing to wait for, and a wait that is not a number is ignored', async () => {
    bench.runs.of = () => [];
    const hook = await bench.make(none);
    for (const wait of ['20', '-1', 'long', '1e9']) {
      expect((await bench.post({ path: hook.path, body: {}, query: `wait=${wait}` })).status).toBe(202);
    }
  });

  test('a repeat that waits gets the result of the first run', async () => {
    const hook = await bench.make({ ...none, dedupe: { body: true } });
    bench.runs.of = (event) => [`run_${event.id}`];
    const first = await bench.post({ path: hook.path, body: { a: 1 } });
    const id = `run_${idOf(first)}`;
    bench.runs.results.set(id, { id, state: 'partial' });
    const again = await bench.post({ path: hook.path, body: { a: 1 }, query: 'wait=5' });
    expect(again).toMatchObject({ status: 424, body: { eventId: idOf(first), runs: [{ id, state: 'partial' }] } });
    bench.runs.of = () => [];
  });
});

describe('the calls on hooks', () => {
  test('the address is shown once and stored only as a hash', async () => {
    const hook = await bench.make({ name: 'Once', ...none });
    expect(hook.url).toMatch(/^https:\/\/gateway\.example\/hooks\/[a-z2-7]{16}_[A-Za-z0-9_-]{43}$/);
    const secret = hook.path.slice(-43);
    const item = JSON.stringify(await bench.table.get(keys.hook(hook.id)));
    expect(item).not.toContain(secret);
    for (const path of [`/v1/hooks/${hook.id}`, '/v1/hooks'])
      expect((await bench.call({ path })).text).not.toContain(secret);
    await bench.post({ path: hook.path, body: {} });
    expect(lines.join('')).not.toContain(secret);
  });

  test('a hook shows its last message, redacted and cut', async () => {
    const hook = await bench.make(none);
    await bench.post({ path: hook.path, body: { password: 'hunter2-hunter2', text: 'ü'.repeat(3000) } });
    const seen = await bench.read(hook.id);
    expect(seen).toMatchObject({ received: 1, repeated: 0, refused: 0, lastReceivedAt: expect.any(String) });
    const sample = String(seen.lastBody);
    expect(sample).not.toContain('hunter2');
    expect(sample).toContain('"text":"üüü');
    expect(Buffer.byteLength(sample)).toBeLessThanOrEqual(2048);
    expect(sample).toMatch(/ü…$/);
    const list = (await bench.call({ path: '/v1/hooks' })).body as { id: string; received: number }[];
    expect(list.find(({ id }) => id === hook.id)).toMatchObject({ received: 1 });
  });

  test('a change takes effect, null removes', async () => {
    const hook = await bench.make({ ...none, dedupe: { body: true }, allowFrom: ['192.0.2.1'] });
    const changed = await bench.call({
      path: `/v1/hooks/${hook.id}`,
      method: 'PATCH',
      body: { name: 'Renamed', dedupe: null, allowFrom: null, perMinute: 5 },
    });
    expect(changed).toMatchObject({ status: 200, body: { name: 'Renamed', perMinute: 5 } });
    expect(changed.body).not.toHaveProperty('dedupe');
    expect(changed.body).not.toHaveProperty('allowFrom');
    const posts = [await bench.post({ path: hook.path, body: {} }), await bench.post({ path: hook.path, body: {} })];
    expect(new Set(posts.map(idOf)).size).toBe(2);
  });

  test('another way to verify replaces the secret of the one before', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer', secret: 'first-secret' } });
    const change = (verify: object) => bench.call({ path: `/v1/hooks/${hook.id}`, method: 'PATCH', body: { verify } });
    const post = (token: string) =>
      bench.post({ path: hook.path, body: {}, headers: { authorization: `Bearer ${token}` } });
    expect((await post('first-secret')).status).toBe(202);
    expect((await change({ kind: 'none' })).status).toBe(200);
    expect(await bench.secrets.read(hookSecret(hook.id), true)).toBeUndefined();
    expect((await post('whatever')).status).toBe(202);
    const made = (await change({ kind: 'bearer' })).body as { secret: string };
    expect(made.secret).toMatch(/^[0-9a-f]{64}$/);
    expect((await post('first-secret')).status).toBe(401);
    expect((await post(made.secret)).status).toBe(202);
  });

  test('a change of the same kind keeps the secret and what else is not named', async () => {
    const change = async (id: string, verify: object) => {
      const answer = await bench.call({ path: `/v1/hooks/${id}`, method: 'PATCH', body: { verify } });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.body).not.toHaveProperty('secret');
      return answer.body as { verify: object };
    };
    const signed = await bench.make({
      verify: { kind: 'hmac', header: 'X-One', algorithm: 'sha512', secret: 'sender-secret' },
    });
    expect(await change(signed.id, { header: 'X-Two', encoding: 'base64' })).toMatchObject({
      verify: { kind: 'hmac', hmac: { header: 'X-Two', algorithm: 'sha512', encoding: 'base64' } },
    });
    const signature = createHmac('sha512', 'sender-secret').update('{}').digest('base64');
    expect(await bench.post({ path: signed.path, body: {}, headers: { 'x-two': signature } })).toMatchObject({
      status: 202,
    });

    const basic = await bench.make({ verify: { kind: 'basic', user: 'panel', password: 'a:b' } });
    const post = (pair: string) =>
      bench.post({
        path: basic.path,
        body: {},
        headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
      });
    await change(basic.id, { user: 'door' });
    expect([(await post('panel:a:b')).status, (await post('door:a:b')).status]).toEqual([401, 202]);
    await change(basic.id, { kind: 'basic', password: 'next' });
    expect([(await post('door:a:b')).status, (await post('door:next')).status]).toEqual([401, 202]);

    const wrong = await bench.call({
      path: `/v1/hooks/${basic.id}`,
      method: 'PATCH',
      body: { verify: { kind: 'github', user: 'door' } },
    });
    expect(wrong).toMatchObject({ status: 422, body: { errors: [{ pointer: '/verify/user' }] } });
  });

  test('sending the current secret again keeps the previous one valid for its overlap', async () => {
    const hook = await bench.make({ verify: { kind: 'bearer', secret: 'first-secret' } });
    const body = { what: 'secret', secret: 'second-secret' };
    expect((await bench.call({ path: `/v1/hooks/${hook.id}/rotate`, body })).status).toBe(200);
    const verify = { kind: 'bearer', secret: 'second-secret' };
    expect((await bench.call({ path: `/v1/hooks/${hook.id}`, method: 'PATCH', body: { verify } })).status).toBe(200);
    for (const token of ['first-secret', 'second-secret']) {
      const headers = { authorization: `Bearer ${token}` };
      expect(await bench.post({ path: hook.path, body: {}, headers })).toMatchObject({ status: 202 });
    }
  });

  test('a deleted hook is gone with its secret and its counters', async () => {
    const hook = await bench.make({ verify: { kind: 'github' } });
    expect(hook.secret).toMatch(/^[0-9a-f]{64}$/);
    await bench.post({ path: hook.path, body: {} });
    expect((await bench.call({ path: `/v1/hooks/${hook.id}`, method: 'DELETE' })).status).toBe(204);
    expect(await bench.secrets.read(hookSecret(hook.id), true)).toBeUndefined();
    expect(await bench.table.get(keys.hookStatus(hook.id))).toBeUndefined();
    expect((await bench.post({ path: hook.path, body: {} })).status).toBe(404);
    for (const method of ['GET', 'DELETE']) {
      expect((await bench.call({ path: `/v1/hooks/${hook.id}`, method })).status).toBe(404);
    }
  });

  test.each([
    [{ verify: { kind: 'morse' } }, '/verify/kind'],
    [{}, '/verify'],
    [{ verify: { kind: 'none', secret: 'x' } }, '/verify/secret'],
    [{ verify: { kind: 'stripe' } }, '/verify/secret'],
    [{ verify: { kind: 'github', secret: 'short' } }, '/verify/secret'],
    [{ verify: { kind: 'standard-webhooks', secret: 'whsec_AAAA' } }, '/verify/secret'],
    [{ verify: { kind: 'basic', user: 'a:b', password: 'c' } }, '/verify/user'],
    [{ verify: { kind: 'proptt2-callback' } }, '/verify/connection'],
    [{ verify: { kind: 'proptt2-callback', connection: 'nowhere' } }, '/verify/connection'],
    [{ verify: { kind: 'proptt2-callback', connection: 'talk/dispatch' } }, '/verify/connection'],
    [{ ...none, dedupe: { header: 'a', body: true } }, '/dedupe'],
    [{ ...none, dedupe: { key: 'event.id' } }, '/dedupe/key'],
    [{ ...none, dedupe: { key: '{% event. %}' } }, '/dedupe/key'],
    [{ ...none, dedupe: { seconds: 0 } }, '/dedupe/seconds'],
    [{ ...none, allowFrom: ['10.0.0.0/33'] }, '/allowFrom/0'],
    [{ ...none, allowFrom: ['example.com'] }, '/allowFrom/0'],
    [{ ...none, allowFrom: [] }, '/allowFrom'],
    [{ ...none, perMinute: 0 }, '/perMinute'],
    [{ ...none, url: 'https://mine' }, '/url'],
  ])('%j is refused at %s', async (body, pointer) => {
    const answer = await bench.call({ path: '/v1/hooks', body: { name: 'x', ...body } });
    expect(answer, answer.text).toMatchObject({ status: 422, body: { code: 'invalid_input', errors: [{ pointer }] } });
  });

  test('each call needs its scope', async () => {
    const key = async (...scopes: string[]) =>
      ((await bench.call({ path: '/v1/keys', body: { name: 'x', scopes } })).body as { key: string }).key;
    const reader = await key('trunkline/hooks/read');
    const writer = await key('trunkline/hooks/write');
    const hook = await bench.make(none);
    expect((await bench.call({ path: '/v1/hooks' }, reader)).status).toBe(200);
    expect((await bench.call({ path: '/v1/hooks', body: { name: 'x', ...none } }, reader)).status).toBe(403);
    expect((await bench.call({ path: `/v1/hooks/${hook.id}/rotate`, body: {} }, reader)).status).toBe(403);
    expect((await bench.call({ path: '/v1/hooks' }, writer)).status).toBe(403);
    expect((await bench.call({ path: '/v1/hooks', body: { name: 'x', ...none } }, writer)).status).toBe(201);
  });

  test('events of hooks are shown to keys that may read hooks, and to no others', async () => {
    const { listEvents, readableConnections } = await import('../events/list.ts');
    const { mayReadEvent } = await import('../events/reading.ts');
    const { settleEvents } = await import('../events/settle.ts');
    const hook = await bench.make(none);
    const id = idOf(await bench.post({ path: hook.path, body: {} }));
    const item = (await stored(id)) as EventItem;
    await settleEvents({ table: bench.table, clock: systemClock, random: systemRandom }, [item]);
    const sees = async (...scopes: string[]) => {
      const found = await listEvents(
        { table: bench.table, files: bench.files, clock: systemClock, vendorNames: ['proptt2'] },
        { limit: 10, connection: hook.id, scopes, known: readableConnections(scopes) },
      );
      expect(found.length === 1).toBe(mayReadEvent(scopes, item));
      return found.length === 1;
    };
    expect(await sees('*/*/*')).toBe(true);
    expect(await sees('trunkline/hooks/read')).toBe(true);
    expect(await sees('trunkline/hooks/read', 'proptt2/dispatch/*')).toBe(true);
    expect(await sees('trunkline/hooks/write')).toBe(false);
    expect(await sees('trunkline/events/read', 'proptt2/*/*')).toBe(false);
  });
});
