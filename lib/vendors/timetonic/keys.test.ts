import { afterAll, beforeAll, expect, test } from 'vitest';
import { storedCredentials } from '../../../test/support/harness.ts';
import { failure, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import { logIn } from '../../../test/support/timetonic-client.ts';
import type { Principal } from '../../api/keys/key-check.ts';
import { invoke } from '../../connections/invoke.ts';
import { credentialsSecret } from '../../core/secrets.ts';
import { timetonic } from './index.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
beforeAll(async () => {
  tt = await startTimetonic();
});
afterAll(() => tt.stop());

const logins = () => tt.sandbox.journal.filter(({ body }) => /req=createSesskey/.test(body)).length;

/** Calls an operation that a key must name. */
function asOperator(name: string, operation: string, input: Record<string, unknown> = {}) {
  const principal: Principal = {
    keyId: 'op',
    name: 'Operator',
    scopes: [`timetonic/${name}/${operation}`],
    perMinute: 1e9,
  };
  const scope = { requestId: 'test', signal: new AbortController().signal };
  return invoke(tt.gateway, timetonic, { principal, connection: name, operation, input }, scope) as Promise<{
    body: Record<string, unknown>;
  }>;
}
const stored = (name: string) => storedCredentials(tt.secrets.values.get(credentialsSecret('timetonic', name)));

test('an expired session key is replaced by one login for all callers', async () => {
  const { call, name } = await tt.connect();
  await call('getUserInfo');
  tt.sandbox.control.killSesskey();
  tt.sandbox.reset();
  const other = tt.another();
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, () => call('getUserInfo')),
    ...Array.from({ length: 10 }, () => other.call('timetonic', name, 'getUserInfo')),
  ]);
  expect(answers.every((answer) => (answer as { status: string }).status === 'ok')).toBe(true);
  expect(logins()).toBe(1);
  other.close();
});

test('a refused write is sent again once, since it was not carried out', async () => {
  const { call } = await tt.connect();
  await call('getUserInfo');
  tt.sandbox.control.killSesskey();
  const before = tt.sandbox.state.messages.length;
  await call('sendMsg', { bookOwner: 'demo', bookCode: 'operations', msg: 'once' });
  expect(tt.sandbox.state.messages.length).toBe(before + 1);
});

test('a dead oauthkey locks the connection after one try and says what to do', async () => {
  const { call, name } = await tt.connect({}, { oauthkey: 'dead-dead-dead-dead-dead-0' });
  tt.sandbox.reset();
  const first = await failure(call('getUserInfo'));
  expect(first).toMatchObject({ code: 'connection_needs_attention', status: 424 });
  expect(first.message).toContain('Store login and password again');
  await failure(call('getUserInfo'));
  await failure(call('getAllBooks'));
  expect(logins()).toBe(1);
  expect(tt.gateway.attention.filter(({ connection }) => connection === name)).toHaveLength(1);
  const findings = await timetonic.check(
    (await tt.connect({}, { oauthkey: 'dead-dead-dead-dead-dead-1' })).vendorCall(),
  );
  const bad = findings.filter(({ state }) => state === 'bad').map(({ subject }) => subject);
  expect(bad).toEqual(['credentials', 'renewal']);
});

test('a pasted key is used, and when it dies the connection says that it cannot be renewed', async () => {
  const { sesskey } = (await logIn(tt.sandbox)).me;
  const { call } = await tt.connect({}, { sesskey });
  expect(await call('getUserInfo')).toMatchObject({ status: 'ok' });
  tt.sandbox.control.killSesskey({ key: sesskey });
  const dead = await failure(call('getUserInfo'));
  expect(dead).toMatchObject({ code: 'connection_needs_attention' });
  expect(dead.message).toContain('A pasted key cannot be renewed');
});

test('login and password are exchanged for keys and not stored', async () => {
  const { vendorCall } = await tt.connect();
  const exchange = timetonic.connection.exchange;
  if (!exchange) throw new Error('no exchange');
  const kept = await exchange({ login: 'demo@example.com', password: 'demo-password' }, vendorCall());
  expect(Object.keys(kept).sort()).toEqual(['appkey', 'oauthkey']);
  const wrong = await failure(exchange({ login: 'demo', password: 'wrong' }, vendorCall()));
  expect(wrong).toMatchObject({ code: 'connection_needs_attention', session: undefined });
  const other = await failure(exchange({ login: 'alex', password: 'alex-password' }, vendorCall()));
  expect(other).toMatchObject({ code: 'invalid_input', errors: [{ pointer: '/settings/user' }] });
});

test('exactly one credential is accepted', () => {
  const { validate } = timetonic.connection;
  const settings = tt.settingsOf() as never;
  for (const wrong of [
    {},
    { login: 'a' },
    { password: 'b' },
    { oauthkey: 'a', sesskey: 'b' },
    { login: 'a', password: 'b', oauthkey: 'c' },
  ]) {
    expect(() => validate?.(settings, wrong)).toThrow('credentials were refused');
  }
  validate?.(settings, { login: 'a', password: 'b' });
  validate?.(settings, { sesskey: 'b' });
});

test('dropAllSessions keeps the current key, warns, and a death after it needs a person', async () => {
  const { call, name } = await tt.connect();
  await call('getUserInfo');
  const { body } = await asOperator(name, 'dropAllSessions');
  expect(body.warning).toContain('cannot be renewed');
  expect(await call('getUserInfo')).toMatchObject({ status: 'ok' });
  expect(stored(name).oauthkey).toBeUndefined();
  const findings = await timetonic.check((await tt.connect()).vendorCall());
  expect(findings.length).toBeGreaterThan(3);
  tt.sandbox.control.killSesskey({ key: stored(name).sesskey ?? '' });
  expect((await failure(call('getUserInfo'))).message).toContain('dropAllSessions');
});

test('session operations answer the state of the session and never a key', async () => {
  const { name, call } = await tt.connect();
  await call('getUserInfo');
  const made = (await asOperator(name, 'createSesskey')).body;
  expect(Object.keys(made).sort()).toEqual(['expiresAt', 'generation']);
  const again = (await asOperator(name, 'createOauthkey', { login: 'demo', password: 'demo-password' })).body;
  expect(again.generation).toBe(Number(made.generation) + 1);
  expect((await asOperator(name, 'createAppkey', { appname: 'x' })).body).toEqual({ status: 'ok', appname: 'x' });
  expect(Object.keys(stored(name)).sort()).toEqual(['appkey', 'oauthkey']);
});

test('the key of an SMS gateway is stored, used and never shown', async () => {
  const { call, name } = await tt.connect();
  const answer = await call('registerSMSGateway', { phoneNumber: '+33134455667', appname: 'phone' });
  const key = stored(name)['gateway:+33134455667'] ?? 'none';
  expect(tt.sandbox.state.sesskeys[key]).toEqual({ gateway: '+33134455667' });
  expect(JSON.stringify(answer)).not.toContain(key);
  await call('unregisterSMSGateway', { phoneNumber: '+33134455667' });
  expect(tt.sandbox.state.gateways['+33134455667']).toBeUndefined();
  expect(await failure(call('unregisterSMSGateway', { phoneNumber: '+33134455667' }))).toMatchObject({
    code: 'vendor_not_found',
  });
});

test('no request has a key in its address', () => {
  expect(tt.sandbox.journal.filter(({ query }) => Object.keys(query).length > 0)).toEqual([]);
  expect(tt.sandbox.journal.flatMap(({ refusal }) => refusal ?? [])).toEqual([]);
});
