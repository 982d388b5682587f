import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { memorySecrets, processOf, startBackends, TestClock } from '../../../test/support/harness.ts';
import { adminKeySecret } from '../../core/secrets.ts';
import { publishAdminKey } from '../keys/admin-key.ts';
import { KeyCheck } from '../keys/key-check.ts';
import { ApiKeys } from '../keys/keys.ts';
import { signInRoutes } from './routes.ts';
import { SignIns, setCookie } from './sign-ins.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let process: ReturnType<typeof processOf>;
let clock: TestClock;
const secrets = memorySecrets();

beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
beforeEach(async () => {
  clock = new TestClock();
  secrets.values.set(adminKeySecret, 'the-admin-key-of-this-test');
  process = processOf(backends.database, secrets, clock);
  await publishAdminKey(process);
});
afterEach(() => process.close());

const adminHeaders = { authorization: 'Bearer tl_the-admin-key-of-this-test' };
const signIns = () => new SignIns(process.table, clock, process.random);
/** Checks a request as a process does that remembers nothing. */
const check = (headers: Record<string, string>, method = 'GET', path = '/v1/me') =>
  new KeyCheck(process.table, clock).check({ method, path, headers });
const cookieOf = (header: string) => ({ cookie: header.split(';')[0] ?? '' });

async function signIn(headers: Record<string, string>): Promise<{ cookie: string }> {
  const { keyId, keyHash = '' } = await check(headers);
  return cookieOf(setCookie((await signIns().open({ keyId, keyHash })).token, false));
}

test('a sign-in represents its key for twelve hours', async () => {
  const cookie = await signIn(adminHeaders);
  expect(await check(cookie)).toMatchObject({ keyId: 'admin', scopes: ['*/*/*'] });
  clock.advance(12 * 3_600_000 - 1);
  expect(await check(cookie)).toMatchObject({ keyId: 'admin' });
  clock.advance(1);
  await expect(check(cookie)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a sign-in ends with its key: revoked, rotated out, or the admin key replaced', async () => {
  const keys = new ApiKeys(process.table, clock, process.random, process.keyCheck);
  const admin = await check(adminHeaders);
  const made = await keys.create(admin, 'Night shift', ['talk/*/*'], 100);
  const cookie = await signIn({ authorization: `Bearer ${made.key}` });
  expect(await check(cookie)).toMatchObject({ keyId: made.item.id, scopes: ['talk/*/*'], perMinute: 100 });

  await keys.rotate(admin, made.item.id, 60);
  expect(await check(cookie)).toMatchObject({ keyId: made.item.id });
  clock.advance(60_001);
  await expect(check(cookie)).rejects.toMatchObject({ code: 'unauthorized' });

  const other = await keys.create(admin, 'Day shift', ['talk/*/*'], 100);
  const second = await signIn({ authorization: `Bearer ${other.key}` });
  await keys.revoke(admin, other.item.id);
  await expect(check(second)).rejects.toMatchObject({ code: 'unauthorized' });

  const third = await signIn(adminHeaders);
  secrets.values.set(adminKeySecret, 'another-admin-key');
  await publishAdminKey(process);
  await expect(check(third)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a process that remembers a sign-in forgets it within ten seconds', async () => {
  const { keyId, keyHash = '' } = await check(adminHeaders);
  const { token } = await signIns().open({ keyId, keyHash });
  const cookie = cookieOf(setCookie(token, false));
  const request = { method: 'GET', path: '/v1/me', headers: cookie };
  expect(await process.keyCheck.check(request)).toMatchObject({ keyId: 'admin' });
  await signIns().close(token);
  clock.advance(10_000);
  await expect(process.keyCheck.check(request)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('everything but a read needs the token of the page', async () => {
  const cookie = await signIn(adminHeaders);
  const [get] = signInRoutes({ ...process }).filter(({ operationId }) => operationId === 'getSignIn');
  const answer = (await get?.handle({
    request: { method: 'GET', path: '/v1/sign-in', headers: cookie } as never,
    principal: await check(cookie),
    params: {},
    input: {},
  })) as { body: { csrfToken: string } };
  await expect(check(cookie, 'POST')).rejects.toMatchObject({ code: 'forbidden' });
  await expect(check({ ...cookie, 'x-csrf-token': 'guess' }, 'DELETE')).rejects.toMatchObject({ code: 'forbidden' });
  expect(await check({ ...cookie, 'x-csrf-token': answer.body.csrfToken }, 'POST')).toMatchObject({ keyId: 'admin' });
});

test('a link signs in once, within an hour, and does nothing else', async () => {
  const { keyId, keyHash = '' } = await check(adminHeaders);
  const linked = (token: string) => ({ authorization: `Bearer ${token}` });
  const link = await signIns().createLink({ keyId, keyHash });
  await expect(check(linked(link))).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(check(linked(link), 'POST', '/v1/keys')).rejects.toMatchObject({ code: 'unauthorized' });
  const tries = await Promise.allSettled(Array.from({ length: 5 }, () => check(linked(link), 'POST', '/v1/sign-in')));
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);

  const late = await signIns().createLink({ keyId, keyHash });
  clock.advance(3_600_000);
  await expect(check(linked(late), 'POST', '/v1/sign-in')).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a cookie whose secret is not the one that was given out is refused', async () => {
  const { cookie } = await signIn(adminHeaders);
  const forged = `${cookie.slice(0, -43)}${'A'.repeat(43)}`;
  await expect(check({ cookie: forged })).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(check({ cookie: 'trunkline_sign_in=nonsense' })).rejects.toMatchObject({ code: 'unauthorized' });
});
