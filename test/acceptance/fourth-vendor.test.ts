import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

/** A copy of the project to which a fourth vendor is added: its folder, its function, and its entry in the catalogue. */
const root = dirname(dirname(import.meta.dirname));
const copy = mkdtempSync(join(tmpdir(), 'trunkline-vendor-'));
const fixture = (name: string) => readFileSync(join(root, 'test/fixtures/fourth-vendor', name), 'utf8');
const adminKey = 'tl_the-admin-key-of-this-test';
const pages: unknown[] = [];
const pagerServer = createServer((request, response) => {
  void json(request).then((body) => {
    pages.push({ path: request.url, token: request.headers.authorization, body });
    const isOff = (body as { to: string }).to === 'off';
    response.writeHead(isOff ? 410 : 200).end(JSON.stringify({ id: pages.length }));
  });
});
let product: ChildProcess;
let url = '';

beforeAll(async () => {
  for (const each of [
    'lib',
    'functions',
    'cdk',
    'build',
    'cli',
    'local',
    'sandbox',
    'recipes',
    'package.json',
    'tsconfig.json',
    'cdk.json',
  ]) {
    if (readdirSync(root).includes(each)) cpSync(join(root, each), join(copy, each), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, 'lib/vendors/pager'));
  writeFileSync(join(copy, 'lib/vendors/pager/index.ts'), fixture('pager.ts.txt'));
  writeFileSync(join(copy, 'functions/pager.ts'), fixture('function.ts.txt'));
  const catalogue = join(copy, 'lib/vendors/index.ts');
  const source = readFileSync(catalogue, 'utf8');
  const entry = '  timetonic: { ...timetonic, ...timetonicEvents },\n';
  expect(source).toContain(entry);
  writeFileSync(catalogue, `import { pager } from './pager/index.ts';\n${source.replace(entry, `${entry}  pager,\n`)}`);

  await new Promise<void>((resolve) => pagerServer.listen(0, '127.0.0.1', resolve));
  product = spawn(process.execPath, ['local/main.ts'], {
    cwd: copy,
    env: {
      ...process.env,
      PORT: '0',
      TRUNKLINE_DATA: join(copy, 'data'),
      TRUNKLINE_ADMIN_KEY: adminKey,
      TRUNKLINE_SANDBOX: 'off',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  product.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await vi.waitFor(() => expect(output).toMatch(/^ready /m), { timeout: 110_000 });
  url = output.match(/^ready (\S+)/m)?.[1] ?? '';
});
afterAll(async () => {
  product?.kill('SIGKILL');
  await new Promise((resolve) => pagerServer.close(resolve));
  rmSync(copy, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

test('the API takes connections, scopes and calls of it', async () => {
  const { port } = pagerServer.address() as AddressInfo;
  const made = await call('POST', '/v1/connections', {
    vendor: 'pager',
    name: 'tower',
    settings: { baseUrl: `http://127.0.0.1:${port}`, allowHttp: true, allowPrivateNetwork: true },
    credentials: { token: 'abcdef' },
  });
  expect(made).toMatchObject({ status: 201, body: { vendor: 'pager', name: 'tower' } });
  expect(await call('POST', '/v1/keys', { name: 'pager', scopes: ['pager/tower/*'] })).toMatchObject({ status: 201 });
  expect(await call('POST', '/v1/pager/tower/sendPage', { to: '4711', text: 'Fire' })).toEqual({
    status: 200,
    body: { id: 1 },
  });
  expect(pages).toEqual([{ path: '/pages', token: 'Bearer abcdef', body: { to: '4711', text: 'Fire' } }]);
  expect(await call('POST', '/v1/pager/tower/sendPage', { to: '4711' })).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/text' }] },
  });
});

test('its own error codes reach the caller', async () => {
  expect(await call('POST', '/v1/pager/tower/sendPage', { to: 'off', text: 'Fire' })).toMatchObject({
    status: 409,
    body: { code: 'pager_off', vendor: 'pager', retryable: false },
  });
});

test('the OpenAPI document describes it', async () => {
  const { body } = await call('GET', '/openapi.json');
  const codes = ['components', 'schemas', 'Problem', 'properties', 'code', 'enum'];
  expect(body).toHaveProperty(codes, expect.arrayContaining(['pager_off', 'room_not_found', 'not_found']));
  expect(body).toHaveProperty(['paths', '/v1/pager/{connection}/sendPage', 'post', 'operationId'], 'pager.sendPage');
});

test('the deployment has a function with the rights of a vendor, and a session key', () => {
  const program = `
    import { App } from 'aws-cdk-lib';
    import { functions } from './functions/declarations.ts';
    import { trunkline } from './cdk/trunkline.ts';
    const app = new App({ outdir: 'cdk.out' });
    trunkline(app, functions, () => 'functions');
    const { stacks } = app.synth();
    const names = stacks.flatMap(({ template }) => Object.values(template.Resources)).map(({ Properties = {} }) => Properties.Handler ?? Properties.Name);
    process.stdout.write(JSON.stringify(names.filter((name) => /pager/.test(name))));`;
  const out = execFileSync(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    cwd: copy,
    encoding: 'utf8',
  });
  expect(JSON.parse(out)).toEqual(expect.arrayContaining(['pager.handler', 'trunkline/pager/_session-key']));
});

test('types agree without a change elsewhere', () => {
  const config = {
    extends: './tsconfig.json',
    include: ['lib/vendors/index.ts', 'functions', 'local/main.ts', 'cdk/app.ts'],
    exclude: ['lib/site/console'],
  };
  writeFileSync(join(copy, 'tsconfig.vendor.json'), JSON.stringify(config));
  const tsc = join(copy, 'node_modules/.bin/tsc');
  expect(execFileSync(tsc, ['-p', 'tsconfig.vendor.json'], { cwd: copy, encoding: 'utf8' })).toBe('');
});
