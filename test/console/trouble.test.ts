import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import { keys } from '../../lib/store/items.ts';
import { phone, type Visit } from './browser.ts';
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

/** What the API answers while its table does not. */
const unavailable = { status: 503, json: { code: 'unavailable', message: 'The table does not answer.' } };

const postOnly = (body: object) =>
  fetch(stage.hook.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

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

test('once Trunkline answers again, no part of the page waits to find that out', async () => {
  const other = await stage.operator();
  const { page } = other;
  await page.clock.install();
  await page.reload();
  await page.locator('.row', { hasText: 'ProPTT2 · demo' }).waitFor();
  await page.route(/\/(?:v1|health)\b/, (route) => route.abort());
  // After so long, each part asks only once a minute.
  await page.clock.runFor(150_000);
  await page.locator('.headline', { hasText: 'Trunkline does not answer.' }).waitFor();
  await page.unrouteAll();
  await page.locator('.section', { hasText: 'Connections' }).getByRole('button', { name: 'Try again' }).click();
  await page.locator('.headline', { hasText: 'failed in the last 24 hours' }).waitFor();
  await page.locator('.notice').first().waitFor({ state: 'detached' });
  await other.end();
});

test('an outage can be read, and another attempt made, on a phone and where the page is enlarged', async () => {
  const other = await stage.operator({ viewport: phone });
  await other.page.locator('.row', { hasText: 'ProPTT2 · demo' }).waitFor();
  await other.page.context().setOffline(true);
  await other.page.locator('.fresh', { hasText: 'No answer' }).waitFor();
  await other.page.locator('.headline', { hasText: 'Trunkline does not answer.' }).waitFor();
  await other.expectAccessible();
  await other.page.setViewportSize({ width: 320, height: 568 });
  await other.expectAccessible();
  // Online, it asks by itself.
  await other.page.context().setOffline(false);
  await other.page.locator('.fresh', { hasText: 'Live' }).waitFor();
  await other.expectAccessible();
  await other.end();
});

test('a response that took long does not make the clocks differ', async () => {
  const other = await stage.operator();
  const { page } = other;
  await page.clock.install();
  const held = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const health = async () => ({
    headers: { date: new Date(await page.evaluate<number>('Date.now()')).toUTCString() },
    json: { checks: [] },
  });
  await page.route('**/health', async (route) => route.fulfill(await health()), { times: 1 });
  await page.reload();
  await page.getByText('The clocks of Trunkline and this computer agree.').waitFor();
  await page.route('**/health', async (route) => {
    arrived.resolve();
    await held.promise;
    await route.fulfill(await health());
  });
  await page.clock.runFor(15_000);
  await arrived.promise;
  await page.clock.runFor(20_000);
  const answered = page.waitForResponse('**/health');
  held.resolve();
  await (await answered).finished();
  await page.evaluate("fetch('/v1/sign-in').then((answer) => answer.text())");
  await page.getByText('The clocks of Trunkline and this computer agree.').waitFor();
  expect(await page.getByText('the ages on this page are wrong').count()).toBe(0);
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await other.end();
});

test('the first sentence speaks of a siren that has not sounded yet because its attempts fail', async () => {
  const { proptt2 } = stage.bench.demo;
  proptt2.fault({ kind: 'status', status: 503, path: 'sendSOS' });
  await visitor.open('', 'Status');
  await postOnly({ kind: 'fire', site: 'vendor down' });
  await page.locator('.headline.bad', { hasText: /The siren has not sounded yet, .* after the post/ }).waitFor();
  await page
    .locator('.alarm', {
      hasText: /The siren is tried again\. The last attempt failed: .* with 503: no explanation/,
    })
    .waitFor();
  proptt2.clearFaults();
  stage.bench.passTime(30);
  await page.locator('.alarm', { hasText: 'The siren sounded' }).waitFor();
  await page.getByText('has not sounded yet').waitFor({ state: 'detached' });
});

test('a run that waits for an earlier one is not said to have ended', async () => {
  const { body: queue } = await stage.bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'One at a time',
    mode: 'queue',
    when: { hook: stage.hook.id },
    if: "{% event.data.body.kind = 'queue' %}",
    do: [{ name: 'pause', wait: { seconds: 3600 } }],
  });
  for (let number = 0; number < 2; number++) await postOnly({ kind: 'queue', number });
  const running = async () =>
    (await stage.bench.call<{ id: string }[]>('GET', `/v1/runs?automation=${queue.id}&state=running`)).body;
  await expect.poll(async () => (await running()).length).toBe(2);
  const steps = async (id: string) =>
    (await stage.bench.call<{ steps: object[] }>('GET', `/v1/runs/${id}`)).body.steps.length;
  const stepCounts = async () => Promise.all((await running()).map(({ id }) => steps(id)));
  await expect.poll(async () => (await stepCounts()).toSorted()).toEqual([0, 1]);
  const second = (await running())[(await stepCounts()).indexOf(0)];
  await visitor.open(`/runs/${second?.id}`, 'One at a time');
  await page.getByText('No step has started yet.').waitFor();
  await page.getByText('It waits for an earlier run where its automation has the mode queue').waitFor();
  await visitor.open(`/automations/${queue.id}`, 'One at a time');
  await page.getByText('No run of it has ended yet.').waitFor();
  await stage.bench.call('PATCH', `/v1/automations/${queue.id}`, { enabled: false, endRuns: true });
});

/** Runs as the engine stores them, one a second from a moment on. */
async function storeRuns(count: number, from: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const createdAt = from + number * 1000;
    const hash = number.toString(16).padStart(12, '0');
    await services().table.put({
      ...keys.run(stage.alarmId, createdAt, hash),
      id: `run_${stage.alarmId}_${createdAt.toString(36)}_${hash}`,
      owner: stage.alarmId,
      name: 'Fire alarm',
      state: 'succeeded',
      definition: '{"do":[]}',
      scopes: [],
      keyId: 'admin',
      alarm: false,
      createdAt,
      endedAt: createdAt + 500,
      expiresAt: Math.ceil(Date.now() / 1000) + 86_400,
    });
  }
}

test('an event shows the runs that it started, however many others there were', async () => {
  const run = await newestRun(`automation=${stage.alarmId}&state=suppressed`);
  const { body } = await stage.bench.call<{ eventId: string; createdAt: string }>('GET', `/v1/runs/${run}`);
  await storeRuns(210, Date.parse(body.createdAt) + 10_000);
  await visitor.open(`/events/${body.eventId}`, 'trunkline.hook.received');
  await page.locator('.section', { hasText: 'Started' }).locator('.row', { hasText: 'Duplicate' }).waitFor();
  await visitor.open(`/events?connection=${stage.hook.id}`, 'Events');
  const filter = page.getByLabel('Connection', { exact: true });
  await expect.poll(() => filter.locator('option:checked').textContent()).toBe('North gate panel');
});

test('a page about one thing says that it cannot be read, beside what was read before', async () => {
  const run = await newestRun(`automation=${stage.alarmId}&state=suppressed`);
  const other = await stage.operator();
  await other.page.clock.install();
  await other.open(`/runs/${run}`, 'Fire alarm');
  await other.page.locator('.verdict', { hasText: 'Duplicate' }).waitFor();
  await other.page.route(`**/v1/runs/${run}`, (route) => route.fulfill(unavailable));
  await other.page.clock.runFor(10_000);
  await other.page.locator('.notice', { hasText: 'The table does not answer.' }).waitFor();
  await other.page.locator('.verdict', { hasText: 'Duplicate' }).waitFor();
  await other.page.unroute(`**/v1/runs/${run}`);
  await other.page.getByRole('button', { name: 'Try again' }).click();
  await other.page.locator('.notice').waitFor({ state: 'detached' });
  // Half of the failures are not shown as all of them, and not waited for without a word.
  await other.page.route('**/v1/runs?*state=partial*', (route) => route.fulfill(unavailable));
  await other.open('/runs?show=failures', 'Runs');
  await other.page.locator('.notice', { hasText: 'The table does not answer.' }).waitFor();
  await other.end();
});

test('older pages of a list say as of when they are, and no gap between them and the newest page is hidden', async () => {
  const other = await stage.operator();
  const { page } = other;
  await page.clock.install();
  let newest = 300;
  let state = 'running';
  const moment = (number: number) => new Date(Date.parse('2026-01-05T02:00:00Z') + number * 1000).toISOString();
  await page.route('**/v1/runs?*', (route) => {
    const before = new URL(route.request().url()).searchParams.get('before');
    const from = before === null ? newest : Number(before.slice(4)) - 1;
    const json = Array.from({ length: 100 }, (_, at) => ({
      id: `run-${from - at}`,
      name: `Number ${from - at}`,
      state,
      createdAt: moment(from - at),
    }));
    return route.fulfill({ json });
  });
  await other.open('/runs', 'Runs');
  await page.getByRole('button', { name: 'Show older' }).click();
  await page.getByText('Number 101', { exact: true }).waitFor();
  await page.locator('.as-of', { hasText: /^Below as of \d\d:\d\d:\d\d/ }).waitFor();
  expect(await page.locator('.row', { hasText: 'Number 150' }).textContent()).toContain('Running');
  // They ended meanwhile, which the stream says of none of these.
  state = 'succeeded';
  await page.clock.runFor(90_000);
  await page.locator('.row', { hasText: 'Number 150' }).getByText('Done').waitFor();
  // A laptop that slept: more than a page of runs came.
  newest = 900;
  await page.clock.runFor(90_000);
  await page.getByText('Number 900', { exact: true }).waitFor();
  expect(await page.getByText('Number 200', { exact: true }).count()).toBe(0);
  await page.getByRole('button', { name: 'Show older' }).click();
  await page.getByText('Number 800', { exact: true }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await other.end();
});
