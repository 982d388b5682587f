import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { declaredApi } from '../../test/support/api-document.ts';
import { type Answer, invokeHttp, type TestRequest } from '../../test/support/function-request.ts';
import { startBackends } from '../../test/support/harness.ts';
import { site } from './routes.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let ask: (what: TestRequest) => Promise<Answer>;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const { handler } = await import('../../functions/site.ts');
  // middy's handler takes more arguments than Lambda gives.
  ask = (what) => invokeHttp(handler as never, what);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await backends.stop();
});

const host = (name: string, scheme = 'https') => ({ host: name, 'x-forwarded-proto': scheme });

describe('the document', () => {
  test('names the server by the host that was asked', async () => {
    const servers = async (headers: Record<string, string>) =>
      ((await ask({ path: '/openapi.json', headers })).body as { servers: unknown }).servers;
    expect(await servers(host('abc123.execute-api.eu-west-1.amazonaws.com'))).toEqual([
      { url: 'https://abc123.execute-api.eu-west-1.amazonaws.com' },
    ]);
    expect(await servers(host('127.0.0.1:8787', 'http'))).toEqual([{ url: 'http://127.0.0.1:8787' }]);
    expect(await servers(host('[::1]:8787', 'http'))).toEqual([{ url: 'http://[::1]:8787' }]);
  });

  test.each(['evil.example/path', 'a b', '"><script>', 'user@evil.example', '', 'x'.repeat(300)])(
    'takes %j for no host',
    async (name) => {
      const { body } = await ask({ path: '/openapi.json', headers: host(name) });
      expect((body as { servers: unknown }).servers).toEqual([{ url: '/' }]);
    },
  );

  test('is sent once to a client that caches it', async () => {
    const first = await ask({ path: '/openapi.json', headers: host('a.example') });
    expect(first.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-cache',
      vary: 'host, accept-encoding',
    });
    const tag = first.headers.etag ?? '';
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`]) {
      const again = await ask({ path: '/openapi.json', headers: { ...host('a.example'), 'if-none-match': known } });
      expect(again).toMatchObject({ status: 304, text: '' });
    }
    const other = await ask({ path: '/openapi.json', headers: { ...host('b.example'), 'if-none-match': tag } });
    expect(other.status).toBe(200);
  });

  test('is built once for each host, and any number of hosts does not fill the memory', async () => {
    let made = 0;
    const answer = site(() => {
      made++;
      return declaredApi();
    });
    const request = (name: string) => ({
      method: 'GET',
      path: '/openapi.json',
      query: new URLSearchParams(),
      headers: host(name),
      rawBody: Buffer.alloc(0),
      requestId: 'r',
      signal: new AbortController().signal,
      sourceIp: '192.0.2.1',
    });
    const services = { table: { get: async () => undefined }, clock: { now: Date.now } };
    const first = await answer(request('h0.example'), services);
    for (let more = 0; more < 25; more++) {
      const again = await answer(request(`h${more}.example`), services);
      expect(again.status).toBe(200);
    }
    const last = await answer(request('h24.example'), services);
    expect(last.body).toBe((await answer(request('h24.example'), services)).body);
    expect(first.body).not.toBe(last.body);
    expect(made).toBe(1);
  });
});

describe('the page', () => {
  test('has a policy without other hosts or inline scripts', async () => {
    const page = await ask({ path: '/docs' });
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    const policy = page.headers['content-security-policy'] ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;/);
    expect(policy).not.toMatch(/https?:|unsafe|\*/);
    expect(page.text).not.toMatch(/<script>|\son\w+=|https?:\/\/(?!www\.w3\.org)/);
  });

  test('has every file that it names, kept forever under its version and asked for again without', async () => {
    const { text } = await ask({ path: '/docs/' });
    const files = [...text.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, file = '']) => file);
    expect(files).toHaveLength(4);
    for (const file of files) {
      const [path = '', query = ''] = file.split('?');
      const versioned = await ask({ path, query });
      expect(versioned.status).toBe(200);
      expect(versioned.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(versioned.headers['content-type']).toMatch(/^text\/(css|javascript)/);
      expect(versioned.headers['x-content-type-options']).toBe('nosniff');
      expect(versioned.text).not.toContain('sourceMappingURL=swagger');
      expect(JSON.stringify(versioned).length).toBeLessThan(6 * 1024 * 1024);
      expect((await ask({ path, query: 'v=old' })).headers['cache-control']).toBe('no-cache');
    }
  });

  test('serves no other file', async () => {
    for (const path of [
      '/docs/swagger-ui-bundle.js.map',
      '/docs/../package.json',
      '/docs/constructor',
      '/docsx',
      '//v1/me',
      '/v1',
      '/healthz',
      '/favicon.ico',
      '/robots.txt',
    ]) {
      const answer = await ask({ path });
      expect(answer.status, path).toBe(404);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.body).toMatchObject({ code: 'not_found', status: 404 });
    }
  });
});

describe('methods', () => {
  test('HEAD is answered like GET, so that the server leaves out the text and keeps its length', async () => {
    for (const path of ['/docs', '/openapi.json', '/health', '/docs/swagger-ui-bundle.js', '/']) {
      const [got, head] = [await ask({ path }), await ask({ path, method: 'HEAD' })];
      expect([head.status, head.headers.etag, head.text.length]).toEqual([
        got.status,
        got.headers.etag,
        got.text.length,
      ]);
      expect(got.headers).toMatchObject({ 'access-control-allow-origin': '*' });
    }
  });

  test('other methods are refused with the allowed ones', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask({ path: '/openapi.json', method });
      expect(answer.status).toBe(405);
      expect(answer.headers).toMatchObject({ allow: 'GET, HEAD', 'content-type': 'application/problem+json' });
      expect(answer.body).toMatchObject({ code: 'method_not_allowed', status: 405 });
    }
    expect((await ask({ path: '/nowhere', method: 'POST' })).status).toBe(404);
  });
});

test('the root redirects to the page', async () => {
  expect(await ask({ path: '/' })).toMatchObject({ status: 302, headers: { location: '/docs' }, text: '' });
});

test('health says that the database does not answer', async () => {
  const answer = site(declaredApi);
  const down = answer(
    {
      method: 'GET',
      path: '/health',
      query: new URLSearchParams(),
      headers: {},
      rawBody: Buffer.alloc(0),
      requestId: 'r',
      signal: new AbortController().signal,
      sourceIp: '192.0.2.1',
    },
    { table: { get: () => Promise.reject(new Error('connect ECONNREFUSED')) }, clock: { now: Date.now } },
  );
  await expect(down).rejects.toMatchObject({ code: 'unavailable', status: 503, retryAfter: 5 });
});

test('health says that the disk is full, and where it is not, how much room there is', async () => {
  const table = { get: async () => ({ checkedAt: Date.now(), checks: [{ name: 'database', ok: true, message: '' }] }) };
  const health = async (freeBytes: number) => {
    const request = {
      method: 'GET',
      path: '/health',
      query: new URLSearchParams(),
      headers: {},
      rawBody: Buffer.alloc(0),
      requestId: 'r',
      signal: new AbortController().signal,
      sourceIp: '192.0.2.1',
    };
    const services = { table, clock: { now: Date.now }, files: { freeBytes: async () => freeBytes } };
    const { status, body } = await site(declaredApi)(request, services as never);
    return [status, (body as { checks: { name: string }[] }).checks.find(({ name }) => name === 'disk')];
  };
  expect(await health(200_000_000)).toEqual([200, { name: 'disk', ok: true, message: '200 MB are left for data' }]);
  expect(await health(0)).toEqual([
    503,
    { name: 'disk', ok: false, message: '0 MB are left for data: free some space' },
  ]);
});

test('a bundle of the site reads its files from beside itself', async () => {
  const root = join(import.meta.dirname, '..', '..');
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-site-'));
  try {
    const entry = join(folder, 'docs.mjs');
    await build({
      entryPoints: [join(root, 'lib/site/docs/assets.ts')],
      outfile: entry,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      logLevel: 'silent',
    });
    const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
    const { docsAssets } = (await import(/* @vite-ignore */ pathToFileURL(entry).href)) as {
      docsAssets: () => Promise<Record<string, { text: string }>>;
    };
    await expect(docsAssets()).rejects.toThrow('swagger-ui-dist');
    for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js']) cpSync(join(swagger, file), join(folder, file));
    expect((await docsAssets())['/docs/swagger-ui-bundle.js']?.text.length).toBeGreaterThan(1e6);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
