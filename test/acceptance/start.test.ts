import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { visit } from '../console/browser.ts';
import { startChromium } from '../support/chromium.ts';
import { listeningPorts, processTree } from '../support/listening-ports.ts';
import { series } from '../support/prometheus.ts';

type Ports = Record<'proptt2' | 'talk' | 'timetonic', number>;

const root = dirname(dirname(import.meta.dirname));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
const data = mkdtempSync(join(tmpdir(), 'trunkline-start-'));
const command = () => (scripts.start ?? '').replace(/^(\w+=\S+ )*node /, '').split(' ');
let server: ChildProcess;
let startedAt = 0;
let output = '';
let url = '';
let key = '';

/** What `npm start` runs, without npm between it and its signals. */
beforeAll(async () => {
  const built = spawnSync('npm', ['run', '--silent', 'prestart'], { cwd: root, encoding: 'utf8' });
  expect([built.status, built.stdout]).toEqual([0, '']);
  startedAt = Date.now();
  server = spawn(process.execPath, command(), {
    cwd: root,
    env: { ...process.env, PORT: '0', TRUNKLINE_DATA: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  server.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  await vi.waitFor(() => expect(output).toMatch(/^ready /m), { timeout: 120_000 });
  url = output.match(/^ready (\S+)/m)?.[1] ?? '';
  key = output.match(/Admin key {3}(tl_\S+)/)?.[1] ?? '';
});
afterAll(() => {
  server?.kill('SIGKILL');
  rmSync(data, { recursive: true, force: true });
});

const headers = () => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
const post = async (path: string, body: object) => {
  const answer = await fetch(url + path, { method: 'POST', headers: headers(), body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};

test('the links stay the last lines: the product itself says nothing while it starts', async () => {
  // The first tick has ended.
  await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(200), { timeout: 120_000 });
  // Each later one, a minute apart, may have added its line.
  const received = output.split('\n').filter((line) => line.includes('"tick":"keep-sessions"'));
  expect(received.length).toBeLessThanOrEqual(Math.floor((Date.now() - startedAt) / 60_000));
  const shown = output.split('\n').filter((line) => line !== '');
  expect(shown[0]).toMatch(/^Post an alarm to the demo hook/);
  const links = shown.slice(
    0,
    shown.findIndex((line) => line.startsWith('ready ')),
  );
  expect(links.filter((line) => line.startsWith('{'))).toEqual([]);
});

test('it has threads for more lookups of names than a few that nobody answers', () => {
  const tasks = `/proc/${server.pid}/task`;
  const names = readdirSync(tasks).map((task) => readFileSync(join(tasks, task, 'comm'), 'utf8').trim());
  expect(names.filter((name) => name === 'libuv-worker')).toHaveLength(32);
});

test('the scripts that start it use nothing of a POSIX shell', () => {
  for (const name of ['prepack', 'build', 'prestart', 'start'])
    expect(scripts[name], name).toMatch(/^(npm run --silent|node)( [\w./=-]+)+$/);
});

test('from the start to the first alarm in the console, a user needs no documentation', async () => {
  const [link = ''] = output.match(/http\S+\/console#sign-in=\S+/) ?? [];
  const browser = await startChromium();
  const visitor = await visit(browser, url, {}, link);
  const { page } = visitor;
  // The buttons that a user sees.
  await page.getByRole('link', { name: 'Send a test alarm' }).click();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.locator('.row', { hasText: 'Demo alarm' }).filter({ hasText: 'Done' }).waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Status' }).click();
  await page.locator('.alarm', { hasText: 'The siren sounded' }).waitFor();
  await visitor.end();
  await browser.close();
});

test('the command that it prints works', () => {
  const [command = ''] = output.match(/curl \S+\/hooks\/\S+ .*/) ?? [];
  const { stdout } = spawnSync('sh', ['-c', `${command} --silent`], { encoding: 'utf8' });
  expect(JSON.parse(stdout)).toMatchObject({ eventId: expect.any(String) });
});

test('metrics are there for a key that may read them, and count what happened', async () => {
  const scrape = async (scopes: string[]) => {
    const made = await post('/v1/keys', { name: 'scraper', scopes });
    return fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${made.body.key}` } });
  };
  expect((await fetch(`${url}/metrics`)).status).toBe(401);
  expect((await scrape(['trunkline/events/read'])).status).toBe(403);
  const read = async () => series(await (await scrape(['trunkline/metrics/read'])).text());
  await vi.waitFor(async () => expect((await read())['trunkline_runs_ended_total{state="succeeded"}']).toBe(2), {
    timeout: 120_000,
  });
  const found = await read();
  expect(found['trunkline_hook_posts_total{status="202"}']).toBe(1);
  expect(found['trunkline_requests_total{kind="other",status="401"}']).toBe(1);
  expect(found['trunkline_executions{function="run-automation",state="running"}']).toBe(0);
  expect(found['trunkline_queue_age_seconds{function="deliver-event"}']).toBe(0);
  expect(found.process_resident_memory_bytes).toBeGreaterThan(1e7);
});

test('the admin key is shown once', () => {
  expect(key).toMatch(/^tl_/);
  expect(output.split(key)).toHaveLength(2);
});

test('files next to the code are found: expressions, the page and its assets', async () => {
  const made = await post('/v1/automations', {
    name: 'Fire',
    when: { event: 'talk.message.created' },
    do: [{ name: 'sos', call: 'proptt2/demo/sendSosToChannel', input: { channelId: '{% event.data.channel * 2 %}' } }],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const rehearsed = await post(`/v1/automations/${made.body.id}/test`, { event: { data: { channel: 21 } } });
  expect(JSON.stringify(rehearsed.body)).toContain('"channelId":42');
  for (const path of ['/docs', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/openapi.json']) {
    expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
  }
});

/** Those of some processes that still run. */
function alive(ids: readonly string[]): string {
  return spawnSync('ps', ['-o', 'pid=,args=', '-p', ids.join(',')], { encoding: 'utf8' }).stdout.trim();
}

test('every port but that of the API requires a secret, and none accepts web pages', async () => {
  const own = Number(new URL(url).port);
  const ports = listeningPorts(processTree(server.pid ?? 0)).filter((port) => port !== own);
  const { proptt2, talk, timetonic } = JSON.parse(readFileSync(join(data, 'sandbox/ports.json'), 'utf8')) as Ports;
  const vendors = [proptt2, talk, timetonic];
  // Database, Secrets Manager, Lambda and the three stand-in vendors.
  expect(ports.length).toBeGreaterThanOrEqual(6);
  const ask = async (port: number, headers: Record<string, string>, target: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${port}${target}`, { method, headers });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    return `${port} ${method} ${target} ${answer.status}`;
  };
  for (const port of ports) {
    const origin = { origin: 'http://evil.example' };
    for (const [target, method] of [
      ['/', 'GET'],
      ['/', 'POST'],
      ['/', 'OPTIONS'],
      ['/__sandbox/state', 'GET'],
    ] as const) {
      expect(await ask(port, origin, target, method)).toBe(`${port} ${method} ${target} 403`);
    }
    // Without an origin, a stand-in vendor asks for its control key, and a service of AWS for a signature.
    const isVendor = vendors.includes(port);
    const answer = isVendor ? await ask(port, {}, '/__sandbox/state') : await ask(port, {}, '/', 'POST');
    expect(answer.slice(-4)).toBe(isVendor ? ' 401' : ' 403');
  }
});

test.each([
  ['a port that is in use', () => ({ PORT: new URL(url).port }), /port \d+ is in use\..* set PORT/],
  [
    'a data folder that cannot be made',
    () => ({ TRUNKLINE_DATA: '/proc/nope' }),
    /cannot be created: .*\/proc\/nope.* Set TRUNKLINE_DATA/,
  ],
])('%s ends the start with an explanation', (_, settings, words) => {
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-second-'));
  const env = { ...process.env, PORT: '0', TRUNKLINE_DATA: folder, ...settings() };
  const second = spawnSync(process.execPath, command(), { cwd: root, env, encoding: 'utf8', timeout: 120_000 });
  rmSync(folder, { recursive: true, force: true });
  expect([second.status, second.stderr]).toEqual([1, expect.stringMatching(words)]);
});

test('it continues when nobody reads its log any more', async () => {
  server.stdout?.destroy();
  // Each call is logged: at the latest when the product ends, which the last test expects to go well.
  for (const path of ['/v1/proptt2/demo/getChannelList', '/v1/talk/demo/getRooms'])
    expect((await fetch(url + path, { headers: headers() })).status).toBe(200);
});

test('it needs little memory when idle, and Ctrl-C ends all of it', async () => {
  const memory = () => Number(readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1]) / 1024;
  // 137 MB were measured; this is no benchmark, but sees what doubles it.
  expect(memory()).toBeLessThan(250);
  const children = () =>
    spawnSync('ps', ['-o', 'pid=', '--ppid', String(server.pid)], { encoding: 'utf8' })
      .stdout.trim()
      .split(/\s+/);
  const had = children();
  expect(had.length).toBeGreaterThan(0);
  server.kill('SIGINT');
  const [code] = await once(server, 'exit');
  expect(code).toBe(0);
  await expect.poll(() => alive(had)).toBe('');
});

test('a SIGTERM to npm ends all of it', async () => {
  const env = { ...process.env, PORT: '0', TRUNKLINE_DATA: data };
  const npm = spawn('npm', ['start'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let received = '';
  npm.stdout.on('data', (chunk: Buffer) => {
    received += chunk.toString('utf8');
  });
  await expect.poll(() => received).toMatch(/^ready /m);
  const all = processTree(npm.pid ?? 0).map(String);
  // npm, the product, and its database.
  expect(all.length).toBeGreaterThan(2);
  npm.kill('SIGTERM');
  await expect.poll(() => alive(all)).toBe('');
});
