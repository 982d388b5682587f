import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { admin, startBackends, storedCredentials, TestClock } from '../../../test/support/harness.ts';
import { startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';
import { dispatcher } from '../../api/route.ts';
import { loginRoutes } from '../../connections/logins/routes.ts';
import { connectionRoutes } from '../../connections/routes.ts';
import { GatewayError } from '../../core/errors.ts';
import { proptt2 } from '../proptt2/index.ts';
import { talk as vendor } from './index.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let talk: TalkUnderTest;
let clock: TestClock;
let name: string;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  clock = new TestClock();
  talk = await startTalk(backends, { changelog: false, now: clock.now }, clock);
  name = `login-${randomBytes(3).toString('hex')}`;
});
afterEach(() => talk.stop());

/** A control call as the admin key makes it, through the router with its schemas. */
async function control(method: string, path: string, body: object = {}) {
  const catalogue = { talk: vendor, proptt2 };
  const unheard = async () => undefined;
  const routes = [
    ...connectionRoutes(
      talk.process,
      catalogue,
      unheard,
      async () => [],
      async () => [],
    ),
    ...loginRoutes(talk.process, catalogue, unheard),
  ];
  const request = {
    method,
    path,
    query: new URLSearchParams(),
    headers: {},
    rawBody: Buffer.from(JSON.stringify(body)),
    requestId: 'test',
    signal: new AbortController().signal,
    sourceIp: '127.0.0.1',
  };
  const answer = await dispatcher(routes, talk.process, async () => undefined)(request, admin);
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape
  return answer.body as any;
}
const refusal = async (...given: Parameters<typeof control>) => {
  const failed = await control(...given).catch((error: unknown) => error);
  if (failed instanceof GatewayError) return failed;
  throw new Error(`Not refused but ${JSON.stringify(failed)}`);
};
const path = () => `/v1/connections/talk/${name}/login`;
const settings = () => ({ serverUrl: talk.sandbox.url, allowHttp: true, allowPrivateNetwork: true });
const secret = async () => storedCredentials(await talk.secrets.read(`trunkline/talk/${name}`));

describe('a login in the browser', () => {
  test('creates a connection without a typed password', async () => {
    const started = await control('POST', path(), { settings: settings(), credentials: { botSecret: 'b'.repeat(40) } });
    expect(started).toMatchObject({ state: 'waiting', expiresAt: '2026-01-05T02:31:09.000Z' });
    expect(started.url).toMatch(new RegExp(`^${talk.sandbox.url}/index.php/login/v2/flow/`));
    const { pollToken } = talk.sandbox.state.loginFlows[0] ?? {};
    expect(JSON.stringify(started)).not.toContain(pollToken);
    expect(Buffer.from(started.login, 'base64url').toString('latin1')).not.toContain(pollToken);
    expect(await control('POST', path(), { login: started.login })).toMatchObject({ state: 'waiting' });
    const granted = talk.sandbox.grantLogin({ user: 'zoë', login: started.url });
    const done = await control('POST', path(), { login: started.login });
    expect(done).toMatchObject({
      state: 'done',
      connection: { name, settings: { user: 'zoë' }, credentials: ['appPassword', 'botSecret'] },
    });
    expect(JSON.stringify(done)).not.toContain(granted.appPassword);
    expect(await secret()).toEqual({ appPassword: granted.appPassword, botSecret: 'b'.repeat(40) });
    const check = await control('POST', `/v1/connections/talk/${name}/check`);
    expect(check).toMatchObject({ ok: true });
    // The server returns it once. A caller that repeats the request after a lost response gets the outcome.
    expect(await control('POST', path(), { login: started.login })).toMatchObject({
      state: 'done',
      connection: { name },
    });
    expect(await secret()).toMatchObject({ appPassword: granted.appPassword });
  });

  test('unlocks a connection whose app password was revoked, and keeps its other credentials', async () => {
    await control('POST', '/v1/connections', {
      vendor: 'talk',
      name,
      settings: { ...settings(), user: 'alice' },
      credentials: { appPassword: 'wrong', botSecret: 'b'.repeat(40) },
    });
    expect(await control('POST', `/v1/connections/talk/${name}/check`)).toMatchObject({ ok: false });
    expect(await control('GET', `/v1/connections/talk/${name}`)).toMatchObject({ session: { state: 'locked' } });
    const { login } = await control('POST', path());
    talk.sandbox.grantLogin({ user: 'alice' });
    await control('POST', path(), { login });
    expect(await control('POST', `/v1/connections/talk/${name}/check`)).toMatchObject({ ok: true });
    expect(await secret()).toMatchObject({ botSecret: 'b'.repeat(40) });
  });

  test('is stored before it is acknowledged, even when storing fails at first', async () => {
    const started = await control('POST', path(), { settings: settings() });
    talk.sandbox.grantLogin({ user: 'alice', login: started.url });
    const { write } = talk.secrets;
    let failures = 2;
    talk.secrets.write = async (...given) => {
      if (failures-- > 0) throw new Error('Secrets Manager is not there');
      return write(...given);
    };
    expect(await control('POST', path(), { login: started.login })).toMatchObject({ state: 'done' });
  });

  test('does not send credentials to an address on another host', async () => {
    talk.sandbox.configure({ publicUrl: 'https://evil.example' });
    const refused = await refusal('POST', path(), { settings: settings() });
    expect([refused.status, refused.code]).toEqual([424, 'connection_needs_attention']);
    expect(refused.message).toContain('https://evil.example');
    talk.sandbox.configure({ publicUrl: null });
    const started = await control('POST', path(), { settings: settings() });
    talk.sandbox.grantLogin({ user: 'alice', login: started.url });
    talk.sandbox.configure({ publicUrl: 'https://evil.example' });
    expect((await refusal('POST', path(), { login: started.login })).message).toContain('https://evil.example');
    expect(await secret()).toEqual({});
    // The server has forgotten the grant. A repeated request returns the outcome, not `waiting`.
    talk.sandbox.configure({ publicUrl: null });
    const again = await refusal('POST', path(), { login: started.login });
    expect([again.code, again.message]).toEqual([
      'connection_needs_attention',
      expect.stringContaining('https://evil.example'),
    ]);
  });

  test('continues after an outage', async () => {
    const { login, url } = await control('POST', path(), { settings: settings() });
    talk.sandbox.setMaintenance(true);
    expect((await refusal('POST', path(), { login })).status).toBeGreaterThanOrEqual(500);
    talk.sandbox.setMaintenance(false);
    expect(await control('POST', path(), { login })).toMatchObject({ state: 'waiting' });
    talk.sandbox.grantLogin({ user: 'alice', login: url });
    expect(await control('POST', path(), { login })).toMatchObject({ state: 'done' });
  });

  test('is started and finished for one connection, in time, and only where the vendor has it', async () => {
    const { login } = await control('POST', path(), { settings: settings() });
    expect((await refusal('POST', '/v1/connections/talk/another/login', { login })).code).toBe('invalid_request');
    expect((await refusal('POST', path(), { login: 'made up' })).code).toBe('invalid_request');
    clock.advance(21 * 60_000);
    expect(await control('POST', path(), { login })).toMatchObject({ state: 'expired' });
    expect((await refusal('POST', path())).code).toBe('not_found');
    expect((await refusal('POST', path(), { settings: { serverUrl: 'https://x.example', guest: 1 } })).code).toBe(
      'invalid_input',
    );
    expect((await refusal('POST', '/v1/connections/talk/Bad_Name/login', { settings: settings() })).code).toBe(
      'invalid_request',
    );
    expect((await refusal('POST', '/v1/connections/proptt2/x/login', {})).code).toBe('method_not_allowed');
    talk.sandbox.setVersion({ era: 'A' });
    expect((await refusal('POST', path(), { settings: settings() })).code).toBe('vendor_too_old');
  });

  test('a connection without a browser login needs user and app password, or neither for a guest', async () => {
    const make = (more: object, credentials: object) => ({
      vendor: 'talk',
      name,
      settings: { ...settings(), ...more },
      credentials,
    });
    expect((await refusal('POST', '/v1/connections', make({}, { appPassword: 'x' }))).errors).toMatchObject([
      { pointer: '/settings/user' },
    ]);
    expect((await refusal('POST', '/v1/connections', make({ user: 'a' }, {}))).errors).toMatchObject([
      { pointer: '/credentials/appPassword' },
    ]);
    expect((await refusal('POST', '/v1/connections', make({ user: 'a:b' }, { appPassword: 'x' }))).code).toBe(
      'invalid_input',
    );
    expect(
      (
        await refusal(
          'POST',
          '/v1/connections',
          make({ serverUrl: 'http://127.0.0.1', user: 'a', allowHttp: false }, { appPassword: 'x' }),
        )
      ).code,
    ).toBe('invalid_input');
    expect((await refusal('POST', '/v1/connections', make({ user: 'a', guest: true }, {}))).code).toBe('invalid_input');
    expect(await control('POST', '/v1/connections', make({ guest: true }, {}))).toMatchObject({ credentials: [] });
  });
});

describe('the check says in words', () => {
  const check = async (user: string, more: Parameters<TalkUnderTest['connect']>[1] = {}) => {
    const { call } = await talk.connect(user, more);
    const findings = await vendor.check(call() as Parameters<typeof vendor.check>[0]);
    return findings.map(({ subject, state, message }) => `${state} ${subject}: ${message}`);
  };

  test('what is right', async () => {
    expect(await check('alice', { credentials: { botSecret: 'b'.repeat(40) } })).toEqual([
      `good reach: ${talk.sandbox.url} is Nextcloud 27.1.10 RC1.`,
      expect.stringMatching(/^good clock: The server's clock is \d s/),
      'good account: The app password is right; the account is alice.',
      'good version: Talk 17.1.6: rooms and calls v4, chat by message id, messages of at most 32000 characters.',
      expect.stringMatching(/^good bot/),
    ]);
    talk.sandbox.setVersion({ era: 'A' });
    expect((await check('bob')).at(-1)).toBe(
      'good version: Talk 3.0 by its features: rooms and calls v1, chat of the v1 document, messages of at most 1000 characters.',
    );
  });

  test('what is wrong: password (tried once), host, Nextcloud, maintenance, Talk, clock, user id', async () => {
    expect((await check('alice', { credentials: { appPassword: 'wrong' } })).at(-1)).toMatch(
      /^bad account: .*app password of alice/,
    );
    expect(talk.sandbox.journal.filter(({ status }) => status === 401)).toHaveLength(1);
    expect(await check('alice', { settings: { serverUrl: 'http://127.0.0.1:9' } })).toEqual([
      expect.stringMatching(/^bad reach/),
    ]);
    expect(await check('alice', { settings: { serverUrl: `${talk.sandbox.url}/elsewhere` } })).toEqual([
      expect.stringMatching(/^bad reach: .*is not a Nextcloud/),
    ]);
    talk.sandbox.configure({ talkAllowed: { alice: false } });
    expect((await check('alice')).at(-1)).toMatch(/^bad talk: .*may not use Talk/);
    talk.sandbox.configure({ talkAllowed: { alice: true } });
    talk.sandbox.setMaintenance(true);
    expect((await check('alice')).at(-2)).toMatch(/^bad maintenance/);
    talk.sandbox.setMaintenance(false);
    talk.sandbox.advance(120_000);
    expect(await check('alice')).toContainEqual(
      expect.stringMatching(/^warning clock: The server's clock is 1\d\d s ahead/),
    );
    talk.sandbox.addUser({ id: 'u-17', loginName: 'kim', appPassword: 'kim-app-password' });
    expect(await check('kim')).toContainEqual(expect.stringMatching(/^good account: .* the account is u-17/));
  });
});
