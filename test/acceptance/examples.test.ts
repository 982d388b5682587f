import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type Bench, startBench } from './product.ts';

const folder = join(dirname(dirname(import.meta.dirname)), 'examples');
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const started: ChildProcess[] = [];
afterEach(() => {
  for (const each of started.splice(0)) each.kill('SIGKILL');
});

function run([command, ...words]: readonly [string, ...string[]], env: Record<string, string> = {}) {
  const { url, adminKey } = bench.product;
  const child = spawn(command, words, {
    cwd: folder,
    env: { ...process.env, TRUNKLINE_URL: url, TRUNKLINE_KEY: adminKey, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  return child;
}

const sirens = () => bench.demo.proptt2.state.sent.filter(({ kind }) => kind === 'sos').length;

test.each([[['sh', 'call.sh']], [[process.execPath, 'call.mjs']], [['python3', 'call.py']]] as const)(
  '%j calls, and repeats without a second siren',
  async (command) => {
    const before = sirens();
    for (let turn = 0; turn < 2; turn++) {
      const child = run([...command, `alarm of ${command[1]}`]);
      const [output, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
      expect([code, error]).toEqual([0, '']);
      expect(JSON.parse(output)).toMatchObject({ code: '200' });
    }
    expect(sirens() - before).toBe(1);
    const refused = run([...command, 'another alarm'], { TRUNKLINE_KEY: 'tl_wrong' });
    const [output, error, [code]] = await Promise.all([
      text(refused.stdout),
      text(refused.stderr),
      once(refused, 'close'),
    ]);
    expect(code).not.toBe(0);
    expect(output + error).toContain('unauthorized');
  },
);

test.each([[[process.execPath, 'receive.mjs']], [['python3', 'receive.py']]] as const)(
  '%j accepts what Trunkline signed, and nothing else',
  async (command) => {
    const types = ['trunkline.hook.received'];
    const made = await bench.call<{ id: string; secret: string }>('POST', '/v1/subscriptions', {
      url: 'https://example.com/later',
      types,
      filter: `{% event.data.body.zone = '${command[1]}' %}`,
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    const child = run([...command], { TRUNKLINE_SIGNING_SECRET: made.body.secret, PORT: '0' });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await until(() => /listening on port \d+/.test(output));
    const url = `http://127.0.0.1:${output.match(/port (\d+)/)?.[1]}/`;
    const moved = await bench.call('PATCH', `/v1/subscriptions/${made.body.id}`, { url });
    expect(moved.status, JSON.stringify(moved.body)).toBe(200);
    const forged = { 'webhook-id': 'evt_1', 'webhook-timestamp': String(Math.floor(Date.now() / 1000)) };
    for (const signature of ['', 'v1,AAAA', `v1,${'A'.repeat(43)}=`]) {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { ...forged, 'webhook-signature': signature },
        body: '{"id":"evt_1","type":"forged","data":{}}',
      });
      expect(answer.status).toBe(401);
    }
    await fetch(bench.demo.hookUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ zone: command[1] }),
    });
    await until(() => output.includes('trunkline.hook.received'));
    expect(output).toContain(`"${command[1]}"`);
    expect(output).not.toContain('forged');
  },
);

test('automation.json can be stored, and its run alerts the channel and replies', async () => {
  const automation = JSON.parse(readFileSync(join(folder, 'automation.json'), 'utf8')) as { name: string };
  const path = `/v1/automations/${encodeURIComponent(automation.name)}`;
  const made = await bench.call<{ id: string }>('PUT', path, automation);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  await bench.poll('talk', 'demo');
  bench.demo.talk.postMessage({ token: 'controlroom', user: 'bob', message: 'Pump 2 is dry!' });
  await bench.poll('talk', 'demo');
  const [run] = await bench.runs(made.body.id, 1);
  expect(run, JSON.stringify(run)).toMatchObject({ state: 'succeeded' });
  expect(bench.demo.proptt2.state.sent.at(-1)).toMatchObject({ kind: 'alert', text: 'Bob: Pump 2 is dry!' });
});

test('a hook accepts what Alertmanager posts with that configuration', async () => {
  const config = readFileSync(join(folder, 'alertmanager.yml'), 'utf8');
  const hookOf = config.match(/^# {3}POST \/v1\/hooks (.*\n#.*)$/m)?.[1]?.replace('\n#', ' ') ?? '';
  const made = await bench.call<{ url: string; secret: string }>('POST', '/v1/hooks', JSON.parse(hookOf));
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  expect(config).toMatch(/type: Bearer\n +credentials: /);
  // What Alertmanager 0.27 posts, shortened.
  const post = (status: string, credentials = made.body.secret) =>
    fetch(made.body.url, {
      method: 'POST',
      headers: { authorization: `Bearer ${credentials}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        receiver: 'trunkline',
        status,
        alerts: [{ status, labels: { alertname: 'PumpDry', site: 'S12' }, annotations: {}, fingerprint: 'c0ffee' }],
        groupLabels: { alertname: 'PumpDry', site: 'S12' },
        version: '4',
        groupKey: '{}:{alertname="PumpDry", site="S12"}',
      }),
    });
  expect((await post('firing', 'wrong')).status).toBe(401);
  const first = await post('firing');
  expect(first.status).toBe(202);
  // Alertmanager repeats a notification while the alert is open.
  expect(await (await post('firing')).json()).toEqual(await first.json());
  expect(await (await post('resolved')).json()).not.toEqual({});
});

test('every example is run here and listed in the index', () => {
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  const mine = readFileSync(import.meta.filename, 'utf8');
  for (const file of readdirSync(folder).filter((name) => name !== 'README.md')) {
    expect(index).toContain(`(${file})`);
    expect(mine).toContain(`'${file}'`);
  }
});
