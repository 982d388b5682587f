import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ShownRun } from '../acceptance/product.ts';
import { type Started, startScript } from '../load/process.ts';
import { demoInputs, type Installed } from './desk.ts';

/** The whole product in a separate process, killed while three recipes are running, and started again. */
const directory = mkdtempSync(join(tmpdir(), 'trunkline-recipes-'));
const adminKey = 'tl_a-key-for-the-crash-test-only';
let product: Started;
let port = '0';

async function start(): Promise<void> {
  product = await startScript(
    join(import.meta.dirname, '../../local/main.ts'),
    { PORT: port, TRUNKLINE_DATA: directory, TRUNKLINE_ADMIN_KEY: adminKey },
    /^ready (\S+)/,
  );
  port = new URL(product.value).port;
}

async function call<T>(method: string, path: string, body?: unknown, key = adminKey): Promise<T> {
  const answer = await fetch(`${product.value}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return JSON.parse(text) as T;
}

const runOf = async (automation: string): Promise<ShownRun | undefined> => {
  const [run] = await call<ShownRun[]>('GET', `/v1/runs?automation=${automation}`);
  return run && call<ShownRun>('GET', `/v1/runs/${run.id}`);
};
const ended = async (automation: string) => {
  await expect
    .poll(async () => (await runOf(automation))?.state, { timeout: 120_000, interval: 200 })
    .toMatch(/ed$|al$/);
  return runOf(automation);
};
const lines = async (text: string) =>
  (
    await call<{ messages: { text: string }[] }>('GET', '/v1/talk/demo/getChatMessages?token=controlroom&limit=100')
  ).messages.flatMap((message) => (message.text.includes(text) ? [message.text] : []));
const users = async () =>
  (await call<{ users: { strId: string }[] }>('GET', '/v1/proptt2/demo/getUserList')).users.filter(({ strId }) =>
    strId.endsWith('@many.ptt'),
  );
const rows = async () => {
  const { tableValues } = await call<{ tableValues: { rows: { fields: Record<string, { value: unknown }> }[] } }>(
    'POST',
    '/v1/timetonic/demo/getNamedTableValues',
    { bookOwner: 'demo', bookCode: 'operations', tableCode: 'people', format: 'rows', maxRows: 1000 },
  );
  return tableValues.rows.map(({ fields }) => String(fields.Status?.value));
};

let strong: string;
const install = async (recipe: string, inputs: object) => {
  const made = await call<Installed>('POST', `/v1/recipes/${recipe}/install`, { inputs }, strong);
  const idOf = (part: string) => made.automations.find(({ name }) => (name.split(': ')[1] ?? '') === part)?.id ?? '';
  const [hook] = made.hooks;
  const post = (body: object) => call('POST', new URL(hook?.url ?? '').pathname, body, hook?.secret);
  return { idOf, post };
};

beforeAll(async () => {
  await start();
  const scopes = ['*/*/*', 'trunkline/*/*', 'proptt2/demo/deleteUser'];
  strong = (await call<{ key: string }>('POST', '/v1/keys', { name: 'recipes', scopes, perMinute: 100_000 })).key;
}, 120_000);
afterAll(() => {
  product?.child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

test('after a crash timers continue, memory is kept, and a batch is completed without duplicates', async () => {
  const { radio, chat, room, ...tables } = demoInputs;
  const received = { radio, chat, room, ...tables };
  const fence = (await install('geofence', received)).idOf('');
  await call('POST', `/v1/automations/${fence}/run`, {}, strong);
  expect((await ended(fence))?.state).toBe('succeeded');
  expect(await lines('Dispatcher entered')).toHaveLength(1);

  const monitoring = await install('monitoring-alert', {
    ...received,
    onCall: 1,
    next: 2,
    everybody: 3,
    firstSeconds: 8,
    secondSeconds: 600,
  });
  const onboarding = await install('onboarding', { radio, chat, ...tables });
  const { bookTables } = await call<{
    bookTables: { categories: { code: string; id: string; fields: { id: string; name: string }[] }[] };
  }>('POST', '/v1/timetonic/demo/getBookTables', { bookOwner: 'demo', bookCode: 'operations', includeFields: true });
  const people = bookTables.categories.find(({ code }) => code === 'people');
  const id = (name: string) => String(people?.fields.find((field) => field.name === name)?.id);
  const emails = Array.from({ length: 18 }, (_, at) => `n${at}@many.ptt`);
  const row = (email: string, at: number): [string, object] => [
    `tmp${at}`,
    { [id('Email')]: email, [id('Name')]: email, [id('Status')]: 'Approved', [id('Channels')]: '56' },
  ];
  // More than ten rows would be written by a separate run.
  for (const half of [emails.slice(0, 9), emails.slice(9)]) {
    const rows = Object.fromEntries(half.map((email) => row(email, emails.indexOf(email))));
    await call('POST', '/v1/timetonic/demo/createOrUpdateTableRows', { rows });
  }
  await onboarding.post({ button: 'people' });
  await expect.poll(async () => (await users()).length, { timeout: 120_000, interval: 20 }).toBeGreaterThan(3);
  await monitoring.post({ dedup_key: 'K', action: 'trigger', severity: 'critical', summary: 'K is down' });
  await expect.poll(() => lines('K is down'), { timeout: 120_000 }).toHaveLength(1);
  const gone = new Promise((resolve) => product.child.once('exit', resolve));
  product.child.kill('SIGKILL');
  await gone;
  await start();

  const alerted = async () =>
    (await runOf(monitoring.idOf('incident')))?.steps.find(({ name }) => name === 'alert')?.state;
  await expect.poll(alerted, { timeout: 120_000, interval: 200 }).toBe('succeeded');
  expect(await lines('K is down')).toHaveLength(1);
  await ended(onboarding.idOf(''));
  await onboarding.post({ button: 'people' });
  await expect
    .poll(async () => new Set(await rows()), { timeout: 120_000, interval: 200 })
    .toEqual(new Set(['Active']));
  expect((await users()).map(({ strId }) => strId).sort()).toEqual([...emails].sort());
  await call('POST', `/v1/automations/${fence}/run`, {}, strong);
  expect((await ended(fence))?.state).toBe('succeeded');
  expect(await lines('Dispatcher entered')).toHaveLength(1);
}, 240_000);
