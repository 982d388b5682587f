import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Bench, startBench } from './product.ts';

let bench: Bench;

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  bench = await startBench();
});
afterAll(async () => {
  await bench?.close();
  vi.restoreAllMocks();
});

/** A request without the admin key, as a browser makes it. */
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: object) =>
  fetch(`${bench.product.url}${path}`, {
    method,
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });

async function signIn(key: string) {
  const answer = await ask('POST', '/v1/sign-in', { authorization: `Bearer ${key}` });
  const header = answer.headers.get('set-cookie') ?? '';
  const body = (await answer.json()) as { csrfToken: string; scopes: string[] };
  return { status: answer.status, header, cookie: header.split(';')[0] ?? '', body };
}

test('a key is exchanged for a cookie that no script and no other site can use', async () => {
  const { status, header, cookie, body } = await signIn(bench.product.adminKey);
  expect(status).toBe(200);
  expect(header).toMatch(/; Path=\/v1; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  expect(body).toMatchObject({ id: 'admin', scopes: ['*/*/*'], csrfToken: expect.any(String) });
  expect(JSON.stringify(body)).not.toContain(cookie.split('_').at(-1));
  expect(await (await ask('GET', '/v1/sign-in', { cookie })).json()).toEqual(body);
});

test('the cookie reads everywhere, and writes with the token of the page, at control and vendors alike', async () => {
  const { cookie, body } = await signIn(bench.product.adminKey);
  expect((await ask('GET', '/v1/proptt2/demo/getChannelList', { cookie })).status).toBe(200);
  const sos = '/v1/proptt2/demo/sendSosToChannel';
  expect((await ask('POST', sos, { cookie }, { channelId: 1 })).status).toBe(403);
  expect((await ask('POST', sos, { cookie, 'x-csrf-token': body.csrfToken }, { channelId: 1 })).status).toBe(200);
});

test('a sign-in has the scopes of its key', async () => {
  const { body: key } = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Reader',
    scopes: ['trunkline/runs/read'],
  });
  const { cookie, body } = await signIn(key.key);
  expect(body.scopes).toEqual(['trunkline/runs/read']);
  expect((await ask('GET', '/v1/runs', { cookie })).status).toBe(200);
  expect((await ask('GET', '/v1/hooks', { cookie })).status).toBe(403);
});

test('the printed link signs in once', async () => {
  const link = new URL(await bench.product.consoleLink());
  expect(link.pathname).toBe('/console');
  const token = link.hash.replace('#sign-in=', '');
  expect(await signIn(token)).toMatchObject({ status: 200, body: { id: 'admin' } });
  expect(await signIn(token)).toMatchObject({
    status: 401,
    body: { message: expect.stringContaining('used already') },
  });
});

test('signing out ends the cookie', async () => {
  const { cookie, body } = await signIn(bench.product.adminKey);
  const out = await ask('DELETE', '/v1/sign-in', { cookie, 'x-csrf-token': body.csrfToken });
  expect(out.status).toBe(204);
  expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
  expect((await ask('GET', '/v1/sign-in', { cookie })).status).toBe(401);
});

test('behind https the cookie stays on https', async () => {
  const proxied = await ask('POST', '/v1/sign-in', { authorization: `Bearer ${bench.product.adminKey}` });
  expect(proxied.headers.get('set-cookie')).not.toContain('Secure');
  const { setCookie } = await import('../../lib/api/sign-ins/sign-ins.ts');
  expect(setCookie({ id: 'a', secret: 'b' }, true)).toMatch(/; Secure$/);
});
