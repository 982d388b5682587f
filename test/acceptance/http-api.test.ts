import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { publishAdminKey } from '../../lib/api/keys/admin-key.ts';
import { adminKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { vendorNames } from '../../lib/vendors/index.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import { type Answer, invokeHttp, type TestRequest } from '../support/function-request.ts';
import { memoryFiles, startBackends } from '../support/harness.ts';
import { proptt2Settings } from '../support/proptt2-settings.ts';

const adminKey = 'tl_an-admin-key-for-tests-only';
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let ask: (what: TestRequest, key?: string) => Promise<Answer>;
const lines: string[] = [];

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env, { TRUNKLINE_ALLOWED_ORIGINS: 'https://desk.example,http://localhost:5173' });
  const { services, useFiles } = await import('../../lib/aws/services.ts');
  useFiles(memoryFiles());
  const { secrets } = services();
  for (const vendor of vendorNames) await secrets.write(sessionKeySecret(vendor), `a key of tests for ${vendor}`);
  await secrets.write(adminKeySecret, adminKey.slice(3));
  await publishAdminKey(services());
  const control = await import('../../functions/control.ts');
  const proptt2 = await import('../../functions/proptt2.ts');
  ask = (what, key = adminKey) =>
    // middy's handler takes more arguments than Lambda gives.
    invokeHttp((what.path.startsWith('/v1/proptt2/') ? proptt2.handler : control.handler) as never, {
      ...what,
      headers: { authorization: `Bearer ${key}`, ...what.headers },
    });
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
  sandbox = await startProptt2Sandbox();
  const made = await ask({ path: '/v1/connections', body: connection('dispatch') });
  expect(made.status, made.text).toBe(201);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await sandbox.close();
  await backends.stop();
});
beforeEach(() => {
  sandbox.reset();
});

function connection(name: string, more: object = {}) {
  const settings = {
    ...proptt2Settings(sandbox.url),
    ...more,
  };
  return { vendor: 'proptt2', name, settings, credentials: { interactionKey: 'bb00cc' } };
}

async function keyWith(...scopes: string[]): Promise<string> {
  const made = await ask({ path: '/v1/keys', body: { name: 'of a test', scopes } });
  expect(made.status, made.text).toBe(201);
  return (made.body as { key: string }).key;
}

describe('operations', () => {
  test("an SOS goes out and the answer is the vendor's own", async () => {
    const answer = await ask({ path: '/v1/proptt2/dispatch/sendSosToChannel', body: { channelId: 1 } });
    expect(answer).toMatchObject({
      status: 200,
      body: { code: '200' },
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.headers['x-request-id']).toMatch(/^request-/);
    expect(answer.headers.ratelimit).toMatch(/^"minute";r=\d+;t=\d+$/);
  });

  test('reads answer GET with the input as query', async () => {
    const answer = await ask({ path: '/v1/proptt2/dispatch/getRecordList', query: 'start=0&pageSize=3' });
    expect(answer.status, answer.text).toBe(200);
    expect((answer.body as { records: unknown[] }).records).toHaveLength(3);
  });

  test('writes do not answer GET', async () => {
    const answer = await ask({ path: '/v1/proptt2/dispatch/sendSosToChannel', query: 'channelId=1', method: 'GET' });
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' }, body: { code: 'method_not_allowed' } });
    const read = await ask({ path: '/v1/proptt2/dispatch/getRecordList', method: 'PUT' });
    expect(read).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } });
    const control = await ask({ path: '/v1/keys', method: 'PUT' });
    expect(control).toMatchObject({ status: 405, headers: { allow: 'POST, GET, HEAD' } });
    expect(sandbox.counts()).toEqual({});
  });

  test.each([
    [{ channelId: 'one' }, '/channelId', 'must be an integer'],
    [{}, '/channelId', 'is required'],
    [{ channelId: 1, loud: true }, '/loud', 'is not a field'],
    [{ channelId: -1 }, '/channelId', 'must be at least 0'],
    [{ channelId: 1.5 }, '/channelId', 'must be an integer'],
  ])('%j is refused by the name of the field', async (body, pointer, message) => {
    const answer = await ask({ path: '/v1/proptt2/dispatch/sendSosToChannel', body });
    expect(answer.status).toBe(422);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).toMatchObject({
      code: 'invalid_input',
      retryable: false,
      errors: [{ pointer, message: expect.stringContaining(message) }],
    });
    expect(sandbox.counts()).toEqual({});
  });

  test("the vendor's meaning of its errors is kept", async () => {
    const link = { channelId: 2, userId: 5 };
    await ask({ path: '/v1/proptt2/dispatch/linkUserToChannel', body: { ...link, ensure: true } });
    const again = await ask({ path: '/v1/proptt2/dispatch/linkUserToChannel', body: link });
    expect(again).toMatchObject({
      status: 409,
      body: {
        code: 'vendor_conflict',
        vendor: 'proptt2',
        vendorCode: '409',
        message: expect.stringContaining('linked'),
      },
    });
    const user = { strId: 'twice@company.com', password: 'p', name: 'Twice', type: 50 };
    await ask({ path: '/v1/proptt2/dispatch/createUser', body: user });
    const twice = await ask({ path: '/v1/proptt2/dispatch/createUser', body: user });
    expect(twice).toMatchObject({ status: 412, body: { code: 'vendor_precondition_failed' } });
    const ensured = await ask({ path: '/v1/proptt2/dispatch/createUser', body: { ...user, ensure: true } });
    expect(ensured).toMatchObject({ status: 200, body: { existing: true, id: expect.any(Number) } });
  });

  test('an id that does not exist is 404 with what there is, not 500', async () => {
    const answer = await ask({ path: '/v1/proptt2/dispatch/sendSosToChannel', body: { channelId: 4242 } });
    expect(answer).toMatchObject({
      status: 404,
      body: { code: 'vendor_not_found', errors: [{ pointer: '/channelId' }] },
    });
  });

  test('operations newer than the server are refused before the vendor is asked', async () => {
    await ask({ path: '/v1/connections', body: connection('old', { hid: 2, serverVersion: '1.9' }) });
    const answer = await ask({ path: '/v1/proptt2/old/sendSosToChannel', body: { channelId: 1 } });
    expect(answer).toMatchObject({ status: 424, body: { code: 'vendor_too_old' } });
    expect(sandbox.counts()).toEqual({});
  });

  test('raw reaches an endpoint that is not declared, and a declared one goes the way of its operation', async () => {
    const key = await keyWith('proptt2/dispatch/raw');
    const notices = await ask({ path: '/v1/proptt2/dispatch/raw/notices' }, key);
    expect(notices).toMatchObject({ status: 200, body: { notices: [] } });
    const sos = { path: '/v1/proptt2/dispatch/raw/channels/1/sendSOS', method: 'POST' };
    expect(await ask(sos, key)).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('sendSosToChannel') },
    });
    expect((await ask(sos, await keyWith('proptt2/dispatch/raw', 'proptt2/dispatch/sendSosToChannel'))).status).toBe(
      200,
    );
    expect((await ask({ path: '/v1/proptt2/dispatch/raw/auth', body: {} }, key)).status).toBe(403);
    expect((await ask({ path: '/v1/proptt2/dispatch/raw/notices' }, await keyWith('proptt2/dispatch/*'))).status).toBe(
      403,
    );
  });

  test('a vendor that asks for a pause is 429 with Retry-After', async () => {
    sandbox.fault({ kind: 'status', status: 429, path: '/channels', times: 1, headers: { 'retry-after': '7' } });
    const answer = await ask({ path: '/v1/proptt2/dispatch/getChannelList' });
    expect(answer).toMatchObject({
      status: 429,
      body: { code: 'vendor_rate_limited', retryable: true },
      headers: { 'retry-after': '7' },
    });
  });
});

describe('keys', () => {
  test('401 only for our own key', async () => {
    for (const key of ['tl_wrong', 'nonsense', '']) {
      const answer = await ask({ path: '/v1/me' }, key);
      expect(answer).toMatchObject({
        status: 401,
        body: { code: 'unauthorized' },
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
  });

  test('a key does what its scopes say and no more', async () => {
    const key = await keyWith('proptt2/dispatch/*');
    expect((await ask({ path: '/v1/proptt2/dispatch/getChannelList' }, key)).status).toBe(200);
    expect((await ask({ path: '/v1/proptt2/dispatch/deleteChannel', body: { channelId: 5 } }, key)).status).toBe(403);
    expect((await ask({ path: '/v1/proptt2/dispatch/getSessionKey', body: {} }, key)).status).toBe(403);
    expect((await ask({ path: '/v1/proptt2/other/getChannelList' }, key)).status).toBe(403);
    expect((await ask({ path: '/v1/keys' }, key)).status).toBe(403);
    expect((await ask({ path: '/v1/me' }, key)).body).toMatchObject({ scopes: ['proptt2/dispatch/*'] });
  });

  test('no key makes another with more than it has', async () => {
    const maker = await keyWith('trunkline/keys/write', 'proptt2/dispatch/*');
    const more = await ask({ path: '/v1/keys', body: { name: 'more', scopes: ['proptt2/*/*'] } }, maker);
    expect(more).toMatchObject({ status: 403, body: { errors: [{ pointer: '/scopes/0' }] } });
    const exact = await ask(
      { path: '/v1/keys', body: { name: 'more', scopes: ['proptt2/dispatch/deleteChannel'] } },
      maker,
    );
    expect(exact.status).toBe(403);
    const less = await ask({ path: '/v1/keys', body: { name: 'less', scopes: ['proptt2/dispatch/*'] } }, maker);
    expect(less.status, less.text).toBe(201);
  });

  test('a rotated key overlaps, a revoked one is dead', async () => {
    const key = await keyWith('proptt2/dispatch/*');
    const id = key.split('_')[1];
    const rotated = await ask({ path: `/v1/keys/${id}/rotate`, body: { overlapSeconds: 60 } });
    const next = (rotated.body as { key: string }).key;
    expect((await ask({ path: '/v1/me' }, key)).status).toBe(200);
    expect((await ask({ path: '/v1/me' }, next)).status).toBe(200);
    expect((await ask({ path: `/v1/keys/${id}`, method: 'DELETE' })).status).toBe(200);
    expect((await ask({ path: '/v1/me' }, next)).status).toBe(401);
  });

  test('every control write leaves an audit entry', async () => {
    const id = (await keyWith('proptt2/dispatch/*')).split('_')[1];
    const audit = (await ask({ path: '/v1/audit', query: 'limit=1' })).body;
    const by = { keyId: 'admin', sourceIp: '192.0.2.1', outcome: 'done' };
    expect(audit).toMatchObject([{ ...by, operation: 'createKey', created: id, fields: ['name', 'scopes'] }]);
    const path = '/v1/connections/proptt2/dispatch';
    const changed = await ask({ path, method: 'PATCH', body: { settings: { monthlyCalls: 90_000 } } });
    expect(changed.status, changed.text).toBe(200);
    expect((await ask({ path: '/v1/audit', query: 'limit=1' })).body).toMatchObject([
      { ...by, operation: 'changeConnection', target: 'proptt2/dispatch', fields: ['settings.monthlyCalls'] },
    ]);
  });
});

describe('idempotency', () => {
  const sos = { path: '/v1/proptt2/dispatch/sendSosToChannel', body: { channelId: 1 } };
  const sirens = () => sandbox.counts()['POST /openapi/1/channels/1/sendSOS'] ?? 0;

  test('the same key and body is done once and answered alike', async () => {
    const headers = { 'idempotency-key': '"alarm-1"' };
    const first = await ask({ ...sos, headers });
    const again = await ask({ ...sos, headers: { 'idempotency-key': 'alarm-1' } });
    expect(again).toMatchObject({
      status: first.status,
      body: first.body as object,
      headers: { 'idempotent-replayed': 'true' },
    });
    expect(sirens()).toBe(1);
  });

  test('ten at once are one siren; the others hear 409 or the answer', async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, () => ask({ ...sos, headers: { 'idempotency-key': 'alarm-2' } })),
    );
    expect(sirens()).toBe(1);
    expect(all.every(({ status }) => status === 200 || status === 409)).toBe(true);
  });

  test('another body under the same key is 422', async () => {
    await ask({ ...sos, headers: { 'idempotency-key': 'alarm-3' } });
    const other = await ask({ ...sos, body: { channelId: 2 }, headers: { 'idempotency-key': 'alarm-3' } });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });

  test('a documented no is kept, an unknown outcome is kept, what never reached the vendor is not', async () => {
    const missing = {
      path: '/v1/proptt2/dispatch/sendSosToChannel',
      body: { channelId: 77 },
      headers: { 'idempotency-key': 'alarm-4' },
    };
    expect((await ask(missing)).status).toBe(404);
    const asked = sandbox.counts()['POST /openapi/1/channels/77/sendSOS'];
    expect(await ask(missing)).toMatchObject({ status: 404, headers: { 'idempotent-replayed': 'true' } });
    expect(sandbox.counts()['POST /openapi/1/channels/77/sendSOS']).toBe(asked);

    sandbox.fault({ kind: 'reset', when: 'after', path: '/sendSOS', times: 1 });
    const lost = { ...sos, headers: { 'idempotency-key': 'alarm-5' } };
    expect(await ask(lost)).toMatchObject({ status: 504, body: { code: 'outcome_unknown', retryable: false } });
    expect(await ask(lost)).toMatchObject({
      status: 504,
      body: { code: 'outcome_unknown' },
      headers: { 'idempotent-replayed': 'true' },
    });

    sandbox.fault({ kind: 'status', status: 429, path: '/sendSOS', times: 1 });
    const paused = { ...sos, headers: { 'idempotency-key': 'alarm-6' } };
    expect((await ask(paused)).status).toBe(429);
    expect((await ask(paused)).status).toBe(200);
  });

  test("a control write is done once too, and what it showed is stored under the caller's own secret", async () => {
    const make = {
      path: '/v1/keys',
      body: { name: 'once', scopes: ['proptt2/dispatch/*'] },
      headers: { 'idempotency-key': 'make-1' },
    };
    const first = await ask(make);
    const again = await ask(make);
    expect(again).toMatchObject({
      status: 201,
      body: first.body as object,
      headers: { 'idempotent-replayed': 'true' },
    });
    const all = (await ask({ path: '/v1/keys' })).body as { name: string }[];
    expect(all.filter((key) => key.name === 'once')).toHaveLength(1);
  });
});

describe('responses', () => {
  const channels = { path: '/v1/proptt2/dispatch/getChannelList' };

  test('a long one is compressed as the caller prefers, a short one is not', async () => {
    const long = { path: '/v1/event-types' };
    const plain = await ask(long);
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.text.length).toBeGreaterThan(1400);
    for (const [accepted, coding] of [
      ['gzip, deflate, br', 'br'],
      ['gzip', 'gzip'],
      ['br;q=0.1, gzip', 'gzip'],
      ['br;q=0, *', 'gzip'],
      ['identity, br;q=0, gzip;q=0', undefined],
    ] as const) {
      const answer = await ask({ ...long, headers: { 'accept-encoding': accepted } });
      expect(answer.headers['content-encoding'], accepted).toBe(coding);
      expect(answer.headers).toMatchObject({ vary: 'accept-encoding, origin', etag: plain.headers.etag });
      expect(answer.text).toBe(plain.text);
    }
    const short = await ask({ path: '/v1/me', headers: { 'accept-encoding': 'gzip' } });
    expect(short.headers['content-encoding']).toBeUndefined();
  });

  test.each([channels, { path: '/v1/event-types' }, { path: '/v1/connections' }])(
    '$path is sent once to a caller that caches it, and HEAD returns the same headers',
    async (read) => {
      const first = await ask(read);
      const { etag = '' } = first.headers;
      expect(first.headers).toMatchObject({
        etag: expect.stringMatching(/^W\/"/),
        'cache-control': 'private, no-cache',
      });
      for (const known of [etag, `"other", ${etag.slice(2)}`, '*']) {
        const again = await ask({ ...read, headers: { 'if-none-match': known } });
        expect(again).toMatchObject({ status: 304, text: '', headers: { etag } });
      }
      expect(await ask({ ...read, headers: { 'if-none-match': '"other"' } })).toMatchObject({ status: 200 });
      const head = await ask({ ...read, method: 'HEAD' });
      expect(head).toMatchObject({ status: 200, text: first.text, headers: { etag } });
    },
  );

  test('a HEAD of what is no read is refused as its GET is', async () => {
    const sos = { path: '/v1/proptt2/dispatch/sendSosToChannel', query: 'channelId=1' };
    for (const method of ['GET', 'HEAD']) {
      expect(await ask({ ...sos, method })).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    }
    expect(sandbox.counts()).toEqual({});
  });

  test('a body in a coding that is not taken is 415', async () => {
    const key = await keyWith('trunkline/keys/write', 'proptt2/dispatch/*', 'proptt2/dispatch/raw');
    for (const path of ['/v1/keys', '/v1/proptt2/dispatch/sendSosToChannel', '/v1/proptt2/dispatch/raw/notices']) {
      const answer = await ask({ path, body: { channelId: 1 }, headers: { 'content-encoding': 'gzip' } }, key);
      expect(answer).toMatchObject({
        status: 415,
        headers: { 'accept-encoding': 'identity' },
        body: { code: 'unsupported_media_type' },
      });
    }
  });

  test('pages of the allowed origins may call, others may not', async () => {
    const preflight = (origin: string) =>
      ask(
        {
          path: '/v1/proptt2/dispatch/sendSosToChannel',
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'POST' },
        },
        '',
      );
    const allowed = await preflight('https://desk.example');
    expect(allowed).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'https://desk.example',
        'access-control-allow-headers': expect.stringContaining('idempotency-key'),
        'access-control-allow-methods': expect.stringContaining('POST'),
        vary: 'origin',
      },
    });
    const refused = await preflight('https://evil.example');
    expect(refused.status).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBeUndefined();

    const called = await ask({ ...channels, headers: { origin: 'http://localhost:5173' } });
    expect(called.headers).toMatchObject({
      'access-control-allow-origin': 'http://localhost:5173',
      'access-control-expose-headers': expect.stringContaining('x-request-id'),
    });
    const failed = await ask({ path: '/v1/nowhere', headers: { origin: 'https://desk.example' } });
    expect(failed).toMatchObject({
      status: 404,
      headers: { 'access-control-allow-origin': 'https://desk.example', vary: 'origin' },
    });
    const other = await ask({ ...channels, headers: { origin: 'https://desk.example.evil' } });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
    for (const { headers } of [allowed, called, failed]) {
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    }
  });
});

describe('connections', () => {
  test('no answer and no log line shows a credential', async () => {
    const answer = await ask({ path: '/v1/connections/proptt2/dispatch' });
    expect(answer.body).toMatchObject({
      id: 'proptt2/dispatch',
      credentials: ['interactionKey'],
      session: { state: expect.any(String) },
    });
    expect(answer.text).not.toContain('bb00cc');
    const session = sandbox.company('owner@company.com').hosts[1]?.sessions ?? {};
    const secrets = ['bb00cc', adminKey, ...Object.keys(session)].filter((secret) => secret.length > 5);
    for (const secret of secrets) expect(lines.some((line) => line.includes(secret))).toBe(false);
    expect(lines.length).toBeGreaterThan(20);
  });

  test.each([
    [{ cloudUrl: 'http://10.0.0.1', allowHttp: false, allowPrivateNetwork: false }, 'https'],
    [{ cloudUrl: 'https://169.254.169.254' }, 'metadata'],
    [{ hid: 11 }, '/settings/hid'],
    [{ surprise: 1 }, '/settings/surprise'],
    [{ timeZone: 'Mars/Base' }, '/settings/timeZone'],
  ])('settings %j are refused', async (more, words) => {
    const answer = await ask({ path: '/v1/connections', body: connection('refused', more) });
    expect(answer.status).toBe(422);
    expect(answer.text).toContain(words);
  });

  test('the same name twice is 409; unknown is 404; deleted is gone with its secret', async () => {
    expect((await ask({ path: '/v1/connections', body: connection('dispatch') })).status).toBe(409);
    expect((await ask({ path: '/v1/connections/proptt2/nothing' })).status).toBe(404);
    await ask({ path: '/v1/connections', body: connection('short-lived', { hid: 3 }) });
    expect((await ask({ path: '/v1/connections/proptt2/short-lived', method: 'DELETE' })).status).toBe(204);
    const gone = await ask({ path: '/v1/proptt2/short-lived/getChannelList' });
    expect(gone).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('the check explains what is wrong', async () => {
    const good = await ask({ path: '/v1/connections/proptt2/dispatch/check', body: {} });
    expect(good.body).toMatchObject({ ok: true });
    await ask({
      path: '/v1/connections',
      body: { ...connection('wrong', { hid: 4 }), credentials: { interactionKey: 'not this one' } },
    });
    const wrong = await ask({ path: '/v1/connections/proptt2/wrong/check', body: {} });
    expect(wrong.body).toMatchObject({ ok: false });
    expect(wrong.text).toContain('interaction key');
    await ask({ path: '/v1/connections', body: connection('nowhere', { hid: 5, cloudUrl: 'http://127.0.0.1:9' }) });
    expect((await ask({ path: '/v1/connections/proptt2/nowhere/check', body: {} })).text).toContain(
      'could not be reached',
    );
  });

  test('a changed key unlocks a locked connection', async () => {
    await ask({
      path: '/v1/connections',
      body: { ...connection('mended', { hid: 6 }), credentials: { interactionKey: 'not this one' } },
    });
    expect((await ask({ path: '/v1/proptt2/mended/getChannelList' })).body).toMatchObject({
      code: 'connection_needs_attention',
    });
    await ask({
      path: '/v1/connections/proptt2/mended',
      method: 'PATCH',
      body: { credentials: { interactionKey: 'bb00cc' } },
    });
    expect((await ask({ path: '/v1/proptt2/mended/getChannelList' })).status).toBe(200);
  });
});
