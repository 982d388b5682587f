import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Visit, visit } from './browser.ts';
import { type Stage, startStage } from './stage.ts';

// Operators who work at the same time, change their mind, or leave a page before it has an answer.
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

/** Holds the requests to an address until they are let go on, to an answer or to the API. */
async function hold(of: Visit['page'], address: string, answer?: typeof unavailable) {
  const held = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await of.route(address, async (route) => {
    arrived.resolve();
    await held.promise;
    await (answer ? route.fulfill(answer) : route.continue());
  });
  return { arrived: arrived.promise, letGo: held.resolve };
}

test('an edited automation does not overwrite what somebody else changed meanwhile without a question', async () => {
  const address = `/v1/automations/${stage.alarmId}`;
  const enabled = async () => (await stage.bench.call<{ enabled: boolean }>('GET', address)).body.enabled;
  await visitor.open(`/automations/${stage.alarmId}`, 'Fire alarm');
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('textbox', { name: 'Definition' }).waitFor();
  await stage.bench.call('PATCH', address, { enabled: false });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('.notice', { hasText: 'was changed while you were editing it' }).waitFor();
  expect(await enabled()).toBe(false);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Fire alarm is changed.').waitFor();
  expect(await enabled()).toBe(true);
});

test('settings that are changed at the same time are both kept', async () => {
  const settings = async () =>
    (await stage.bench.call<{ settings: object }>('GET', '/v1/connections/proptt2/demo')).body.settings;
  await visitor.open('/connections/proptt2/demo', 'ProPTT2 · demo');
  await page.locator('.section', { hasText: 'Settings' }).getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('Host ID').selectOption('7');
  await stage.bench.call('PATCH', '/v1/connections/proptt2/demo', { settings: { timeZone: 'Asia/Tokyo' } });
  await page.locator('.facts', { hasText: 'Asia/Tokyo' }).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await page.getByText('The settings are changed.').waitFor();
  expect(await settings()).toMatchObject({ hid: 7, timeZone: 'Asia/Tokyo' });
  await stage.bench.call('PATCH', '/v1/connections/proptt2/demo', { settings: { hid: 1, timeZone: null } });
});

test('what a colleague has replayed is not replayed again without a question', async () => {
  const { proptt2 } = stage.bench.demo;
  proptt2.fault({ kind: 'status', status: 400, path: 'sendSOS' });
  await stage.post({ kind: 'fire', site: 'refused' });
  proptt2.clearFaults();
  const failed = async (query: string) =>
    (await stage.bench.call<{ id: string; name: string }[]>('GET', `/v1/runs?state=failed&${query}`)).body;
  const [alarm] = await failed(`automation=${stage.alarmId}`);
  await visitor.open(`/runs/${alarm?.id}`, 'Fire alarm');
  await page.locator('.verdict', { hasText: 'The siren did not sound' }).waitFor();
  await stage.bench.call('POST', `/v1/runs/${alarm?.id}/replay`, {});
  await page.getByRole('link', { name: 'show the replay' }).waitFor();
  await page.getByRole('button', { name: 'Replay' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('sounds the siren again').waitFor();
  expect(await dialog.getByRole('button', { name: 'Replay' }).isDisabled()).toBe(true);
  await page.keyboard.press('Escape');

  await visitor.open('/runs?show=failures', 'Runs');
  await page.getByRole('button', { name: 'Replay all 2' }).click();
  const rota = (await failed('limit=50')).filter(({ name }) => name === 'Broken rota');
  for (const { id } of rota) await stage.bench.call('POST', `/v1/runs/${id}/replay`, {});
  await dialog.getByRole('button', { name: 'Replay', exact: true }).click();
  await page.getByText('2 of 2 done').waitFor();
  await dialog.getByText('Broken rota: it was replayed by somebody else meanwhile.').first().waitFor();
  await dialog.getByText('Close').click();
  const { body: runs } = await stage.bench.call<{ replayOf?: string }[]>('GET', '/v1/runs?limit=200');
  expect(runs.filter(({ replayOf }) => rota.some(({ id }) => id === replayOf))).toHaveLength(rota.length);
});

test('a failure is told even if its dialog was closed meanwhile', async () => {
  await visitor.open(`/hooks/${stage.hook.id}`, 'North gate panel');
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const { arrived, letGo } = await hold(page, `**/v1/hooks/${stage.hook.id}`, unavailable);
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await arrived;
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  letGo();
  await page.locator('.toast', { hasText: 'That failed: The table does not answer.' }).waitFor();
  await page.unroute(`**/v1/hooks/${stage.hook.id}`);
  await page.locator('.notice').waitFor({ state: 'detached' });
  await page.locator('h1', { hasText: 'North gate panel' }).waitFor();
});

test('nobody is taken away from the page that they went to while a request was under way', async () => {
  await visitor.open(`/hooks/${stage.hook.id}`, 'North gate panel');
  await page.getByRole('button', { name: 'Send a test' }).click();
  const { arrived, letGo } = await hold(page, '**/test');
  await page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click();
  await arrived;
  await visitor.open('/automations/new', 'A new automation');
  await page.getByRole('textbox', { name: 'Definition' }).waitFor();
  letGo();
  await page.locator('.toast', { hasText: 'The test was received.' }).waitFor();
  await page.locator('h1', { hasText: 'A new automation' }).waitFor();
  await page.unroute('**/test');
});

test('a login in the browser that was cancelled is not asked about any more', async () => {
  const other = await stage.operator();
  await other.page.clock.install();
  await other.page.reload();
  await other.open('/connections/talk/demo', 'Nextcloud Talk · demo');
  let asked = 0;
  const [first, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await other.page.route('**/login', async (route) => {
    if (route.request().postDataJSON().login === undefined) {
      const expiresAt = new Date(Date.now() + 1_200_000).toISOString();
      return route.fulfill({ json: { state: 'waiting', login: 'l', url: 'https://cloud.example/login', expiresAt } });
    }
    asked++;
    first.resolve();
    await answer.promise;
    await route.fulfill({ json: { state: 'waiting' } });
  });
  await other.page.getByRole('button', { name: 'Log in again' }).click();
  await other.page.getByRole('link', { name: 'Open the login page' }).waitFor();
  await other.page.clock.runFor(3_000);
  await first.promise;
  await other.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await other.page.getByRole('dialog').waitFor({ state: 'detached' });
  const answered = other.page.waitForResponse('**/login');
  answer.resolve();
  await (await answered).finished();
  // Whatever the answer leads to has been done once another one has arrived.
  await other.page.evaluate("fetch('/health').then((answer) => answer.text())");
  await other.page.clock.runFor(10_000);
  expect(asked).toBe(1);
  await other.end();
});

test('whoever cannot be signed out, or in, is told so', async () => {
  const other = await stage.operator();
  const address = '**/v1/sign-in';
  await other.page.route(address, (route) => route.fulfill(unavailable));
  await other.page.getByRole('button', { name: /Sign out/ }).click();
  await other.page.locator('.toast', { hasText: 'You are still signed in' }).waitFor();
  await other.page.reload();
  await other.page.locator('.notice', { hasText: 'The table does not answer.' }).waitFor();
  await other.page.unroute(address);
  await other.page.getByRole('button', { name: 'Try again' }).click();
  await other.page.locator('h1', { hasText: 'Status' }).waitFor();
  await other.page.getByRole('button', { name: /Sign out/ }).click();
  await other.page.locator('h1', { hasText: 'Sign in' }).waitFor();
  await other.end();
});

test('a key that may not follow the stream does not ask for it again and again', async () => {
  const { body } = await stage.bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Hooks only',
    scopes: ['trunkline/hooks/read'],
  });
  const other = await visit(stage.browser, stage.bench.product.url);
  let streams = 0;
  other.page.on('request', (request) => {
    if (request.url().endsWith('/v1/stream')) streams++;
  });
  await other.open('/hooks', 'Sign in');
  await other.page.getByLabel('Key').fill(body.key);
  await other.page.keyboard.press('Enter');
  await other.page.locator('.row', { hasText: 'North gate panel' }).waitFor();
  expect(streams).toBe(0);
  await other.end();
});

test('a range that ends now is replayed to its end in the night in which the clocks are set back', async () => {
  const { body } = await stage.bench.call<{ id: string }>('POST', '/v1/subscriptions', {
    url: `${stage.bench.product.url}/health`,
    types: ['trunkline.hook.received'],
  });
  const other = await stage.operator();
  // In Paris, it is half past two for the second time.
  await other.page.clock.install({ time: '2026-10-25T01:30:00Z' });
  await other.page.reload();
  await other.open(`/subscriptions/${body.id}`);
  await other.page.getByRole('button', { name: 'Replay a range' }).click();
  const sent = other.page.waitForRequest('**/v1/deliveries/replay');
  await other.page.getByRole('button', { name: 'Send again', exact: true }).last().click();
  expect((await sent).postDataJSON()).toMatchObject({ to: '2026-10-25T01:30:59.999Z' });
  await stage.bench.call('DELETE', `/v1/subscriptions/${body.id}`);
  await other.end();
});
