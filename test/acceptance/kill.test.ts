import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Started, startScript } from '../load/process.ts';
import { until } from '../support/until.ts';
import type { ShownRun } from './product.ts';

/** The whole product in a separate process, killed without warning: runs continue where they stopped and repeat no write. */
const directory = mkdtempSync(join(tmpdir(), 'trunkline-kill-'));
const adminKey = 'tl_a-key-for-the-kill-test-only';
const parts = ['first', 'second', 'third'];
let product: Started;
/** Resolves once the product runs, or runs again. */
let running: Promise<void>;
let port = '0';
let hook: string;
let automation: string;

async function start(): Promise<void> {
  product = await startScript(
    join(import.meta.dirname, '../../local/main.ts'),
    { PORT: port, TRUNKLINE_DATA: directory, TRUNKLINE_ADMIN_KEY: adminKey },
    /^ready (\S+)/,
  );
  port = new URL(product.value).port;
}

async function killAndRestart(): Promise<void> {
  const ended = new Promise((resolve) => product.child.once('exit', resolve));
  running = ended.then(start);
  product.child.kill('SIGKILL');
  await running;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${product.value}${path}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return JSON.parse(text) as T;
}

/** Posts until the message is accepted, as a good sender does, also across restarts. Returns the event. */
async function post(number: number): Promise<string> {
  for (;;) {
    const before = running;
    await before;
    try {
      const answer = await fetch(`${product.value}${hook}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-number': String(number) },
        body: JSON.stringify({ number }),
      });
      const text = await answer.text();
      if (answer.status !== 202) throw new Error(`The hook answered ${answer.status}: ${text}`);
      return (JSON.parse(text) as { eventId: string }).eventId;
    } catch (error) {
      if (running === before) throw error;
    }
  }
}

const runs = () => call<ShownRun[]>('GET', `/v1/runs?automation=${automation}&limit=200`);
const runOf = async (eventId: string): Promise<ShownRun | undefined> => {
  const found = (await runs()).find((run) => run.eventId === eventId);
  return found && call<ShownRun>('GET', `/v1/runs/${found.id}`);
};
/** The steps that call something; waits are steps too. */
const statesOf = (run: ShownRun | undefined) =>
  (run?.steps ?? []).filter(({ call }) => call?.startsWith('proptt2/')).map(({ name, state }) => `${name} ${state}`);
/** What the vendor has accepted, as stored on disk. */
const texts = () => {
  const file = readFileSync(join(directory, 'sandbox', 'proptt2.json'), 'utf8');
  const { sent } = JSON.parse(file) as { sent: { text?: string }[] };
  return sent.flatMap(({ text }) => text ?? []);
};
const textsOf = (number: number) => texts().filter((text) => text.endsWith(` ${number}.`));

beforeAll(async () => {
  running = start();
  await running;
  const made = await call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'Kill',
    verify: { kind: 'none' },
    dedupe: { header: 'x-number' },
  });
  hook = new URL(made.url).pathname;
  const send = (name: string) => ({
    name,
    call: 'proptt2/demo/sendMessageToChannel',
    input: { channelId: 1, message: `{% '${name} ' & event.data.body.number & '.' %}` },
  });
  const stored = await call<{ id: string }>('POST', '/v1/automations', {
    name: 'Kill',
    when: { hook: made.id },
    maxPerMinute: 600,
    do: [send('first'), { name: 'pause', wait: { seconds: 1 } }, send('second'), send('third')],
  });
  automation = stored.id;
});
afterAll(async () => {
  await product?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('a run that is killed while it waits continues after the restart and succeeds', async () => {
  const eventId = await post(0);
  // The wait begins once the execution has remembered the result of the step before it.
  await until(async () => (await runOf(eventId))?.steps.some(({ name }) => name === 'pause'));
  expect(statesOf(await runOf(eventId))).toEqual(['first succeeded']);
  expect(textsOf(0)).toEqual(['first 0.']);
  await killAndRestart();
  await expect.poll(async () => (await runOf(eventId))?.state).toBe('succeeded');
  expect(textsOf(0)).toEqual(parts.map((part) => `${part} 0.`));
});

test('killed at any moment, every run ends and nothing is sent twice', async () => {
  const events = new Map<number, string>();
  let number = 1;
  const moments: ((newest: number) => unknown)[] = [
    () => true,
    (newest) => events.has(newest),
    (newest) => textsOf(newest).length === 1,
    async (newest) => (await runOf(events.get(newest) ?? ''))?.steps.some(({ name }) => name === 'pause'),
    (newest) => textsOf(newest).length === 2,
    (newest) => textsOf(newest).length === 3,
  ];
  for (const moment of moments) {
    const posting = Array.from({ length: 4 }, async () => {
      const mine = number++;
      events.set(mine, await post(mine));
    });
    const newest = number - 1;
    await until(() => moment(newest));
    await killAndRestart();
    await Promise.all(posting);
  }
  expect(new Set(events.values()).size).toBe(events.size);
  const open = async () => (await runs()).filter(({ state }) => state === 'running').length;
  await expect.poll(open, { timeout: 120_000, interval: 500 }).toBe(0);

  const all = texts();
  expect(all.filter((text, at) => all.indexOf(text) !== at)).toEqual([]);
  const ended = await Promise.all(
    [...events].map(async ([mine, eventId]) => ({
      run: await runOf(eventId),
      sent: textsOf(mine).map((text) => text.split(' ')[0]),
    })),
  );
  const [succeeded = [], cut = []] = [true, false].map((whole) =>
    ended.filter(({ run }) => (run?.state === 'succeeded') === whole),
  );
  for (const { run, sent } of succeeded) expect(sent, JSON.stringify(run)).toEqual(parts);
  // Interrupted during a write: the run reports an unknown outcome and stops.
  for (const { run, sent } of cut) {
    const states = statesOf(run);
    const done = states.filter((each) => each.endsWith(' succeeded')).length;
    expect(run?.state, JSON.stringify(run)).toBe('failed');
    expect(states, JSON.stringify(run)).toHaveLength(done + 1);
    expect(states.at(-1), JSON.stringify(run)).toBe(`${parts[done]} unknown`);
    expect([parts.slice(0, done), parts.slice(0, done + 1)]).toContainEqual(sent);
  }
  const known = new Set<string | undefined>(events.values());
  expect((await runs()).filter(({ eventId }) => known.has(eventId))).toHaveLength(events.size);
  expect(succeeded.length, JSON.stringify(cut)).toBeGreaterThan(0);
}, 400_000);
