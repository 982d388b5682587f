import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi, type Started, startScript } from '../load/process.ts';
import { until } from '../support/until.ts';
import type { ShownRun } from './product.ts';

/** The whole product in a separate process, killed without warning between the executions that carry out one list. */
const directory = mkdtempSync(join(tmpdir(), 'trunkline-long-list-'));
const adminKey = 'tl_a-key-for-the-long-list-only';
let product: Started;
let port = '0';

async function start(): Promise<void> {
  const settings = { TRUNKLINE_DATA: directory, TRUNKLINE_ADMIN_KEY: adminKey, PORT: port, MAX_OPERATIONS: '260' };
  product = await startScript(join(import.meta.dirname, '../support/low-limit-process.ts'), settings, /^ready (\S+)/);
  port = new URL(product.value).port;
}

async function kill(): Promise<void> {
  const ended = new Promise((resolve) => product.child.once('exit', resolve));
  product.child.kill('SIGKILL');
  await ended;
}

const call = <T>(method: string, path: string, body?: unknown) =>
  callApi<T>(product.value, adminKey, method, path, body);
/** What the vendor has received, as its stand-in keeps it on disk. */
const texts = (): string[] => {
  const { sent } = JSON.parse(readFileSync(join(directory, 'sandbox', 'proptt2.json'), 'utf8')) as {
    sent: { text?: string }[];
  };
  return sent.flatMap(({ text }) => text ?? []);
};
/** The parts of a run's list: `FROM` once another execution is to carry out the items from there on, `FROM-end` once it has. */
const partsOf = (runId: string): string[] => {
  const folder = join(directory, 'files');
  const keys = readdirSync(folder)
    .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { key: string }).key);
  const prefix = `runs/parts/${runId}-1-`;
  return keys.flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : [])).sort();
};

beforeAll(start);
afterAll(async () => {
  await product?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('killed between the executions of a long list, a run carries out every item once and in order', async () => {
  const send = (name: string, message: string) => ({
    name,
    call: 'proptt2/demo/sendMessageToChannel',
    input: { channelId: 1, message },
    retry: { attempts: 1, seconds: 1 },
  });
  // The items that other executions begin with. They wait, so that the process is killed while no message is under way.
  const firstOfPart = [20, 44] as const;
  const [first, second] = firstOfPart;
  const { id: automation } = await call<{ id: string }>('POST', '/v1/automations', {
    name: 'Long list',
    when: { schedule: { cron: '0 0 1 1 *' } },
    do: [
      { name: 'greeting', set: 'Hello' },
      {
        name: 'people',
        forEach: '{% [0..59] %}',
        do: [
          { name: 'rest', if: `{% item in [${firstOfPart}] %}`, wait: { seconds: 1 } },
          send('line', '{% steps.greeting.output & " " & item & "." %}'),
        ],
      },
      send('count', '{% $string($count(steps.people.output.line.output)) & " sent." %}'),
    ],
  });
  const { id } = await call<{ id: string }>('POST', `/v1/automations/${automation}/run`, {});
  const run = () => call<ShownRun>('GET', `/v1/runs/${id}`);
  const hellos = (count: number) => Array.from({ length: count }, (_, at) => `Hello ${at}.`);

  // The first of them has started, and has sent nothing.
  await until(async () => (await run()).steps.some(({ name, index }) => name === 'rest' && index === first));
  await kill();
  expect(texts()).toEqual(hellos(first));
  await start();
  // The results of its items are stored; the execution that waits for them may not know it yet.
  await until(() => partsOf(id).includes(`${first}-end`));
  await kill();
  expect(texts()).toEqual(hellos(second));
  await start();

  await expect.poll(async () => (await run()).state).not.toBe('running');
  const { state, reason, steps } = await run();
  expect([state, reason]).toEqual(['succeeded', undefined]);
  expect(texts()).toEqual([...hellos(60), '60 sent.']);
  expect(partsOf(id)).toEqual(firstOfPart.flatMap((from) => [`${from}`, `${from}-end`]));
  const lines = steps.filter(({ name }) => name === 'line');
  expect(lines.map(({ index, attempts }) => [index, attempts])).toEqual(hellos(60).map((_, at) => [at, 1]));
});
