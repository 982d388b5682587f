import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Visit } from './browser.ts';
import { type Stage, startStage } from './stage.ts';

// What an operator sees, and may rely on, while something between the browser and Trunkline is broken.
let stage: Stage;
let visitor: Visit;
let page: Visit['page'];

beforeAll(async () => {
  stage = await startStage();
  visitor = stage.page;
  page = visitor.page;
});
afterEach(() => visitor?.expectClean());
afterAll(() => stage?.close());

const newestRun = async (query: string) =>
  (await stage.bench.call<{ id: string }[]>('GET', `/v1/runs?limit=1&${query}`)).body[0]?.id ?? '';

test('a replay whose response was lost sounds the siren once, however often it is pressed', async () => {
  const run = await newestRun(`automation=${stage.alarmId}&state=succeeded`);
  await visitor.open(`/runs/${run}`, 'Fire alarm');
  const before = stage.sirens();
  await page.getByRole('button', { name: 'Replay' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('checkbox').check();
  await page.route(
    '**/replay',
    async (route) => {
      await route.fetch();
      await route.abort();
    },
    { times: 1 },
  );
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await dialog.getByText('it is not known whether this was done').waitFor();
  await expect.poll(stage.sirens).toBe(before + 1);
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await page.getByText('A replay of').waitFor();
  await page.locator('.verdict', { hasText: 'Done' }).waitFor();
  expect(stage.sirens()).toBe(before + 1);
  // Answered, the next one is another replay.
  await visitor.open(`/runs/${run}`, 'Fire alarm');
  await page.getByRole('button', { name: 'Replay' }).click();
  await dialog.getByRole('checkbox').check();
  await dialog.getByRole('button', { name: 'Replay' }).click();
  await expect.poll(stage.sirens).toBe(before + 2);
});

test('the page does not call itself live while Trunkline accepts requests and answers none of them', async () => {
  const other = await stage.operator();
  const { page } = other;
  await page.clock.install();
  await page.reload();
  await page.locator('.fresh', { hasText: 'Live' }).waitFor();
  await page.locator('.headline', { hasText: 'failed in the last 24 hours' }).waitFor();
  // A process that is stopped, or a connection that a router has forgotten.
  await page.route(/\/(?:v1|health)\b/, () => undefined);
  await page.clock.runFor(20_000);
  await page.locator('.fresh', { hasText: /^No answer for \d+.s/ }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  // What was asked meanwhile is given up, and asked again.
  await page.clock.runFor(60_000);
  await page.locator('.fresh', { hasText: 'Live' }).waitFor();
  await other.end();
});
