import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import { keys } from '../../lib/store/items.ts';
import { desktop, phone, type Visit, visit } from './browser.ts';
import { type Stage, startStage } from './stage.ts';

// Each test is a conversation of many steps with a real browser, all on one page that stays open.
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

/** Long work of several requests: holds all but the first one until the page shows how far the work is. */
async function expectProgress(
  address: string,
  words: RegExp,
  start: () => Promise<void>,
  first: (route: Route) => Promise<void> = (route) => route.continue(),
) {
  const seen = Promise.withResolvers<void>();
  let requests = 0;
  await page.route(address, async (route) => {
    if (++requests === 1) return first(route);
    await seen.promise;
    await route.continue();
  });
  await start();
  const bar = page.getByRole('progressbar', { name: words });
  await bar.waitFor();
  const part = await bar.evaluate<number, { value: number; max: number }>(({ value, max }) => value / max);
  expect(part).toBeGreaterThan(0);
  expect(part).toBeLessThan(1);
  seen.resolve();
}

/** What the API answers while its table does not. */
const unavailable = { code: 'unavailable', message: 'The table does not answer.' };

const text = async () => (await page.locator('main').textContent()) ?? '';

test('sees on the first page what failed, and whether the siren sounded', async () => {
  await page.locator('.headline', { hasText: '2 runs failed in the last 24 hours' }).waitFor();
  await page.locator('.alarm', { hasText: 'The siren sounded' }).waitFor();
  const words = await text();
  expect(words).toContain('Fire alarm, posted at');
  expect(words).toMatch(/There is no channel … at this ProPTT2 account/);
  expect(words).toContain('North gate panel');
  expect(words).toContain('ProPTT2 · demo');
  expect(new URL(page.url()).hash).toBe('');
});

test('does not see that everything works while failures cannot be read', async () => {
  const other = await stage.operator({ timezoneId: 'Asia/Kolkata' });
  const address = '**/v1/runs?state=failed*';
  const held = Promise.withResolvers<void>();
  await other.page.route(address, async (route) => {
    await held.promise;
    await route.fulfill({ status: 503, json: unavailable });
  });
  await other.page.reload();
  await other.page.locator('.row', { hasText: 'ProPTT2 · demo' }).waitFor();
  await other.page.locator('.headline', { hasText: 'Looking' }).waitFor();
  held.resolve();
  await other.page.locator('.headline', { hasText: 'The table does not answer.' }).waitFor();
  expect(await other.page.locator('.clock').textContent()).toMatch(/^\d\d:\d\d:\d\d UTC\+5:30\d\d:\d\d:\d\d UTC$/);
  await other.expectAccessible();
  await other.page.unroute(address);
  await other.page.getByRole('button', { name: 'Try again' }).click();
  await other.page.locator('.headline', { hasText: '2 runs failed in the last 24 hours' }).waitFor();
  await other.end();
});

test('sees a new run appear by itself', async () => {
  await visitor.open('/runs', 'Runs');
  await page.locator('.row', { hasText: 'Duplicate' }).first().waitFor();
  const before = await page.locator('.row', { hasText: 'Fire alarm' }).filter({ hasText: 'Done' }).count();
  await stage.post({ kind: 'fire', site: `live ${Date.now()}` });
  await vi.waitFor(
    async () =>
      expect(await page.locator('.row', { hasText: 'Fire alarm' }).filter({ hasText: 'Done' }).count()).toBe(
        before + 1,
      ),
    { timeout: 120_000 },
  );
});

test('opens a run by the keyboard and replays it, siren included, only after saying so', async () => {
  await visitor.open(`/runs?automation=${stage.alarmId}&show=succeeded`, 'Runs');
  await page.locator('.row a').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: 'Fire alarm' }).waitFor();
  await page.locator('.step', { hasText: 'siren' }).waitFor();
  await page.locator('.verdict', { hasText: /The siren sounded .* after the post/ }).waitFor();
  const before = stage.sirens();
  await page.getByRole('button', { name: 'Replay' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('sounds the siren again').waitFor();
  expect(await dialog.getByRole('button', { name: 'Replay' }).isDisabled()).toBe(true);
  await visitor.expectAccessible();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(stage.sirens()).toBe(before);
  await page.getByRole('button', { name: 'Replay' }).click();
  await dialog.getByRole('checkbox').press('Space');
  await dialog.getByRole('button', { name: 'Replay' }).press('Enter');
  await page.getByText('A replay of').waitFor();
  await page.locator('.verdict', { hasText: 'Done' }).waitFor();
  expect(stage.sirens()).toBe(before + 1);
});

test('finds the run that did the work from its duplicate', async () => {
  await visitor.open('/runs?show=suppressed', 'Runs');
  await page.locator('.row a').first().click();
  await page.getByRole('link', { name: 'Show the earlier run' }).click();
  await page.locator('.verdict', { hasText: 'Done' }).waitFor();
});

test('replays all failures of one cause at once', async () => {
  await visitor.open('/runs?show=failures', 'Runs');
  await page.locator('.group', { hasText: '2 runs of Broken rota' }).waitFor();
  // One that is stopped leaves the rest as it was.
  await page.getByRole('button', { name: 'Replay all 2' }).click();
  const held = Promise.withResolvers<void>();
  await page.route('**/v1/runs/*/replay', async (route) => {
    await held.promise;
    await route.fulfill({ status: 503, json: unavailable });
  });
  await page.getByRole('dialog').getByRole('button', { name: 'Replay', exact: true }).click();
  await page.getByRole('button', { name: 'Stop' }).click();
  held.resolve();
  await page.getByText('Stopped: 1 of 2 done').waitFor();
  await page.getByRole('dialog').getByText('Broken rota: The table does not answer.').waitFor();
  await page.unroute('**/v1/runs/*/replay');
  await page.getByRole('dialog').getByText('Close').click();
  await page.getByRole('button', { name: 'Replay all 2' }).click();
  const replay = page.getByRole('dialog').getByRole('button', { name: 'Replay', exact: true });
  await expectProgress('**/v1/runs/*/replay', /^1 of 2 done$/, () => replay.click());
  await page.getByText('2 of 2 done').waitFor();
  await visitor.expectAccessible();
  await page.getByRole('dialog').getByText('Close').click();
  // The replays failed for the same reason and now stand for the runs that they repeat.
  await page.locator('.row', { hasText: 'Replay of an earlier run' }).nth(1).waitFor();
  expect(await page.locator('.group').textContent()).toContain('2 runs of Broken rota');
});

test('creates a hook, sees its address once, and finds the test post', async () => {
  await visitor.open('/hooks', 'Hooks');
  await page.getByRole('button', { name: 'Create a hook' }).click();
  await page.getByLabel('Name').fill('Door station');
  await page.getByRole('button', { name: 'Create', exact: true }).click();
  const address = await page.getByLabel('Address', { exact: true }).inputValue();
  expect(address).toMatch(/\/hooks\/[\w-]+$/);
  await page.getByText('As a QR code').click();
  await page.getByRole('img', { name: 'The address as a QR code' }).waitFor();
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByText('It arrived').waitFor();
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.locator('.row', { hasText: 'Door station' }).getByRole('link').click();
  await page.locator('pre', { hasText: '"from": "Trunkline console"' }).waitFor();
  expect(await text()).not.toContain(address);
  // Later on, a test needs no address; what was refused stands there with its reason and its body.
  expect((await fetch(address, { method: 'PUT', body: '{"door":7}' })).status).toBe(405);
  await page.locator('.section', { hasText: 'Refused posts' }).getByText('Body').click();
  await page.locator('pre', { hasText: '"door":7' }).waitFor();
  await page.getByRole('button', { name: 'Send a test' }).click();
  await page.getByRole('dialog').getByLabel('Body').fill('{"door": 8}');
  await page.getByText('No automation that is switched on starts with this hook.').waitFor();
  await visitor.expectAccessible();
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.locator('h1', { hasText: 'trunkline.hook.received' }).waitFor();
  await page.locator('pre', { hasText: '"door": 8' }).waitFor();
});

test('installs a recipe from its form: lists to pick from, a preview, and an address that is shown once', async () => {
  await visitor.open('/recipes', 'Recipes');
  await page.getByRole('link', { name: 'Alarm panel' }).click();
  await page.locator('h1', { hasText: 'Alarm panel' }).waitFor();
  await page.getByLabel('Name of this installation').fill('South gate');
  for (const what of ['ProPTT2', 'Talk', 'TimeTonic']) {
    await page.getByLabel(`The ${what} connection`).selectOption('demo');
  }
  await page.getByLabel(/^The Talk room/).selectOption('controlroom');
  // The book brings its owner along, and the tables are those of the book.
  await page.getByLabel(/^The code of the book/).selectOption('operations');
  expect(await page.getByLabel(/^The owner of the book/).inputValue()).toBe('demo');
  await page
    .getByLabel(/^The table of incidents/)
    .locator('option[value="incidents"]')
    .waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.locator('.row', { hasText: 'South gate: panel' }).first().waitFor();
  await page.getByText('It raises alarms.').waitFor();
  await visitor.expectAccessible();
  await page.getByRole('button', { name: 'Install', exact: true }).click();
  const address = await page.getByLabel('Address of South gate: panel', { exact: true }).inputValue();
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.locator('h1', { hasText: 'South gate' }).waitFor();
  expect(await page.content()).not.toContain(address);
  await fetch(`${address}?wait=20`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ site: 'S1', zone: 'Z1', kind: 'Fire', severity: 'critical', state: 'open' }),
  });
  await page.locator('.section', { hasText: 'Latest runs' }).locator('.row', { hasText: 'South gate' }).waitFor();
});

test('gives the result of a step done by hand, and undoes a run that can be undone', async () => {
  const { body: linking } = await stage.bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Shift start',
    when: { hook: stage.hook.id },
    if: "{% event.data.body.kind = 'shift' %}",
    do: [
      {
        name: 'link',
        call: 'proptt2/demo/linkUserToChannel',
        input: { channelId: 2, userId: '{% event.data.body.user %}' },
        undo: {
          call: 'proptt2/demo/unlinkUserToChannel',
          input: { channelId: 2, userId: '{% event.data.body.user %}' },
        },
      },
    ],
  });
  const { body: users } = await stage.bench.call<{ id: number }[]>('GET', '/v1/choices/proptt2/demo/users');
  const { body: members } = await stage.bench.call<{ id: number }[]>(
    'GET',
    '/v1/choices/proptt2/demo/participants?channelId=2',
  );
  const user = users.find(({ id }) => !members.some((member) => member.id === id))?.id;
  await stage.post({ kind: 'shift', user });
  await stage.post({ kind: 'shift', user: 99_999 });
  await visitor.open(`/runs?automation=${linking.id}&show=succeeded`, 'Runs');
  await page.locator('.row a', { hasText: 'Shift start' }).click();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Takes back what').waitFor();
  await page.locator('.verdict', { hasText: 'Done' }).waitFor();
  const { body: after } = await stage.bench.call<{ id: number }[]>(
    'GET',
    '/v1/choices/proptt2/demo/participants?channelId=2',
  );
  expect(after.map(({ id }) => id)).toEqual(members.map(({ id }) => id));

  await visitor.open('/runs?show=failures', 'Runs');
  await page.locator('.group', { hasText: 'Shift start' }).locator('summary').click();
  await page.locator('.group', { hasText: 'Shift start' }).locator('.row a').click();
  await page.locator('.verdict', { hasText: 'Failed' }).waitFor();
  await page.getByRole('button', { name: 'Replay' }).click();
  await page.getByText('What failed, except steps you did by hand').click();
  await page.getByLabel('Results by step').fill('{"link": {"done": "by hand"}}');
  await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
  await page.getByText('A replay of').waitFor();
  await page.locator('.verdict', { hasText: 'Done' }).waitFor();
  // The failure is dealt with and no longer counts as open.
  await visitor.open('/runs?show=failures', 'Runs');
  await page.locator('.group', { hasText: 'Broken rota' }).waitFor();
  await page.locator('.group', { hasText: 'Shift start' }).waitFor({ state: 'detached' });
});

test('sees where people are, how old that is, who is nowhere, and who is in a channel', async () => {
  await visitor.open('/people', 'People');
  const map = page.getByRole('img', { name: /positions, north up/ });
  await map.waitFor();
  const { body } = await stage.bench.call<{ users: { name: string; latitude: number | null }[] }>(
    'GET',
    '/v1/proptt2/demo/getUserList',
  );
  const seen = body.users.filter(({ latitude }) => latitude);
  expect(await map.locator('.place').count()).toBe(seen.length);
  const lost = body.users.filter(({ latitude }) => !latitude).map(({ name }) => name);
  await page.locator('.section', { hasText: 'Position unknown' }).getByText(lost.join(', ')).waitFor();
  await page.getByText('Members').first().click();
  await page.getByText(/^\d+ members?: /).waitFor();
  const xOfFirst = async () => Number(await map.locator('circle').first().getAttribute('cx'));
  // A window without room for the margins still has a place for everybody.
  await page.setViewportSize({ width: 120, height: 600 });
  await expect.poll(async () => Number(await map.getAttribute('width'))).toBeLessThan(112);
  expect(await xOfFirst()).not.toBeNaN();
  await page.setViewportSize(desktop);
  await expect.poll(async () => Number(await map.getAttribute('width'))).toBeGreaterThan(500);
  // The keyboard moves the map and brings it back.
  const before = await xOfFirst();
  await map.press('ArrowRight');
  await expect.poll(xOfFirst).toBeCloseTo(before - 80, 0);
  await page.getByRole('button', { name: 'Zoom in' }).press('Enter');
  await page.getByRole('button', { name: 'Show everybody' }).press('Enter');
  await expect.poll(xOfFirst).toBeCloseTo(before, 0);
});

test('sees the positions on the tiles of the map server that was entered, and asks no other', async () => {
  const tile = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    'base64',
  );
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(200, { 'content-type': 'image/png' }).end(tile);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const other = await stage.operator({ others: [origin] });
  await other.open('/people', 'People');
  await other.page.getByRole('button', { name: 'Choose a map' }).click();
  await other.page.getByLabel('Address of the tiles').fill(`${origin}/tiles`);
  await other.page.getByText('must contain {z}, {x}, {y}').waitFor();
  await other.page.getByLabel('Address of the tiles').fill(`${origin}/{z}/{x}/{y}.png`);
  await other.page.getByLabel('Attribution').fill('© The map makers');
  await other.page.getByRole('button', { name: 'Use this map' }).press('Enter');
  await other.page.locator('.tiles image').first().waitFor();
  await other.page.getByText('© The map makers').waitFor();
  await expect.poll(() => asked.length).toBeGreaterThan(1);
  expect(asked[0]).toMatch(/^\/\d+\/\d+\/\d+\.png$/);
  await other.expectAccessible();
  await other.page.getByRole('button', { name: 'Change the map' }).click();
  await other.page.getByLabel('Address of the tiles').fill('');
  await other.page.getByRole('button', { name: 'Use no map' }).click();
  await other.page.getByRole('button', { name: 'Choose a map' }).waitFor();
  await other.end();
  server.close();
});

test('sees who is on shift by the last run of the rota', async () => {
  const { body: users } = await stage.bench.call<{ id: number; name: string }[]>(
    'GET',
    '/v1/choices/proptt2/demo/users',
  );
  const [user] = users;
  await visitor.open('/people', 'People');
  await page.getByRole('link', { name: 'Install the rota' }).waitFor();
  // The two steps of the recipe that the page looks for; the recipe's own test says what its step gives.
  const { body: rota } = await stage.bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Rota of the gate',
    when: { hook: stage.hook.id },
    if: "{% event.data.body.kind = 'shifts' %}",
    do: [
      { name: 'shift', set: { wanted: [{ userId: user?.id, channelId: 1, role: 90 }] } },
      { name: 'link', if: '{% false %}', call: 'proptt2/demo/linkUserToChannel', input: { channelId: 1, userId: 1 } },
    ],
  });
  await stage.post({ kind: 'shifts' });
  await stage.bench.runs(rota.id, 1);
  await visitor.open('', 'Status');
  await visitor.open('/people', 'People');
  const shift = page.locator('.section', { hasText: 'On shift' });
  await shift
    .locator('.row', { hasText: user?.name ?? '' })
    .filter({ hasText: 'Dispatch, operator' })
    .waitFor();
  await shift.getByRole('link', { name: /^Rota of the gate, read/ }).waitFor();
  await stage.bench.call('DELETE', `/v1/automations/${rota.id}`);
});

test('sees when the alarms of the last runs were raised', async () => {
  await visitor.open('/runs?show=alarms', 'Runs');
  await page
    .locator('.row', { hasText: /The siren sounded .* after the post/ })
    .first()
    .waitFor();
  await page.getByText('Post to alarm, median').waitFor();
});

test('chooses the time zone of a radio server by its newest date, and reads the history of its session', async () => {
  await visitor.open('/connections/proptt2/demo', 'ProPTT2 · demo');
  await page.getByText('Session history').click();
  await page.locator('.row', { hasText: 'Logged in' }).first().waitFor();
  await page.getByRole('button', { name: 'Set the time zone' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Time zone', { exact: true }).selectOption('Asia/Tokyo');
  await dialog.getByText('Age in Asia/Tokyo').waitFor();
  await visitor.expectAccessible();
  await dialog.getByLabel('Time zone', { exact: true }).selectOption('UTC');
  await dialog.getByRole('button', { name: 'Use this zone' }).click();
  await page.locator('.facts', { hasText: 'Time zone' }).waitFor();
  const { body } = await stage.bench.call<{ settings: object }>('GET', '/v1/connections/proptt2/demo');
  expect(body.settings).toMatchObject({ timeZone: 'UTC' });
});

test('goes from an event to the run that it started', async () => {
  await visitor.open(`/events?type=trunkline.hook.received&connection=${stage.hook.id}`, 'Events');
  await page.locator('.row a', { hasText: 'kind rota' }).first().click();
  await page.locator('h1', { hasText: 'trunkline.hook.received' }).waitFor();
  await page.locator('.row a', { hasText: 'Broken rota' }).first().click();
  await page.locator('.verdict', { hasText: 'Failed' }).waitFor();
  await page.getByRole('link', { name: 'an event' }).waitFor();
});

test('connects a vendor, sees which field is wrong, and then what the check finds', async () => {
  await visitor.open('/connections?new=1', 'Connections');
  await page.getByRole('button', { name: /Nextcloud Talk/ }).click();
  await page.getByLabel('Name').fill('second');
  await page.getByLabel('Server URL').fill('nonsense');
  await page.getByLabel(/^User/).fill('alice');
  await page.getByLabel('How to give access').selectOption('password');
  await page.getByLabel(/^App password/).fill('alice-app-password');
  await page.getByRole('button', { name: 'Connect and check' }).click();
  await page.locator('.wrong', { hasText: 'Server URL' }).waitFor();
  await page.getByLabel('Server URL').fill(stage.bench.demo.talk.url);
  await page.getByText('Further settings').first().click();
  await page.getByRole('checkbox', { name: /Allow HTTP/ }).check();
  await page.getByRole('checkbox', { name: /Allow private network/ }).check();
  await page.getByRole('button', { name: 'Connect and check' }).click();
  await page.getByText('The connection works.').waitFor();
  await page.getByRole('button', { name: 'Show the connection' }).click();
  await page.locator('h1', { hasText: 'Nextcloud Talk · second' }).waitFor();
});

test('switches an automation off, rehearses it, and is shown in the editor what is wrong with a change', async () => {
  await visitor.open('/automations', 'Automations');
  await page.getByRole('switch', { name: 'Broken rota is on' }).press('Space');
  await page.getByRole('switch', { name: 'Broken rota is off' }).waitFor();
  await page.getByRole('link', { name: 'Fire alarm' }).click();
  await page.getByLabel('Event', { exact: true }).selectOption({ label: 'A sample that you write' });
  await page.getByLabel('Sample').fill('{"data":{"body":{"kind":"fire","site":"S9"}}}');
  const before = stage.sirens();
  await page.getByRole('button', { name: 'Rehearse it' }).click();
  await page.getByText('It would run.').waitFor();
  await page.locator('.outcome pre', { hasText: '"channelId": 1' }).waitFor();
  expect(stage.sirens()).toBe(before);
  await page.getByRole('button', { name: 'Backtest', exact: true }).click();
  await expectProgress(
    '**/backtest',
    /^Up to /,
    () => page.getByRole('button', { name: 'Backtest it' }).click(),
    (route) => route.continue({ postData: { ...route.request().postDataJSON(), limit: 3 } }),
  );
  await page.getByRole('progressbar').waitFor({ state: 'detached' });
  await page
    .locator('.outcome .row', { hasText: 'proptt2/demo/sendSosToChannel' })
    .getByText(/^\d+ times?$/)
    .waitFor();
  expect(stage.sirens()).toBe(before);

  await page.getByRole('button', { name: 'Edit' }).click();
  const editor = page.getByRole('textbox', { name: 'Definition' });
  await editor.waitFor();
  await visitor.expectAccessible();
  const definition = {
    name: 'Fire alarm',
    when: { hook: stage.hook.id },
    do: [{ name: 'siren', call: 'proptt2/demo/sendSos', input: { channelId: 1 } }],
  };
  await editor.fill(JSON.stringify(definition, null, 2));
  await page.getByRole('button', { name: 'Save' }).click();
  await page.locator('.notice', { hasText: 'sendSosToChannel' }).waitFor();
  await page.locator('.cm-lintRange-error', { hasText: 'proptt2/demo/sendSos' }).waitFor();
  await editor.fill(
    JSON.stringify({ ...definition, do: [{ ...definition.do[0], call: 'proptt2/demo/sendSosToChannel' }] }),
  );
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Fire alarm is changed.').waitFor();
  const changes = page.locator('.section', { hasText: 'Changes' });
  await changes
    .locator('.row', { hasText: /Changed .*do/ })
    .getByRole('button', { name: 'Show' })
    .click();
  await page.locator('.diff .removed', { hasText: '"line"' }).waitFor();
  await visitor.expectAccessible();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await changes.locator('.row', { hasText: 'Created' }).getByRole('button', { name: 'Show' }).click();
  await page.getByRole('button', { name: 'Restore this version' }).click();
  await changes.locator('.row').nth(2).waitFor();
  const { body } = await stage.bench.call<{ do: object[] }>('GET', `/v1/automations/${stage.alarmId}`);
  expect(body.do).toHaveLength(2);
});

test('gets suggestions and errors while writing an automation', async () => {
  await visitor.open('/automations/new', 'A new automation');
  const editor = page.getByRole('textbox', { name: 'Definition' });
  const after = '","input":{"channelId":1}}]}';
  const typed = (condition: string, call: string) =>
    `{"name":"Typed","when":{"hook":"${stage.hook.id}"},"if":"{% ${condition} %}","do":[{"name":"siren","call":"${call}${after}`;
  // An invalid expression and a call that does not exist are marked before the automation is saved.
  await editor.fill(typed('event.data.(', 'proptt2/demo/sendSosToChannel'));
  await page.locator('.cm-lintRange-error', { hasText: 'event.data.(' }).waitFor();
  await editor.fill(typed('true', 'proptt2/demo/sendSosToCh'));
  await page.locator('.cm-lintRange-error', { hasText: 'sendSosToCh' }).waitFor();
  await editor.press('Control+End');
  for (let at = 0; at < after.length; at++) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Control+Space');
  await page.locator('.cm-completionLabel', { hasText: 'proptt2/demo/sendSosToChannel' }).click();
  await page.locator('.cm-line', { hasText: '"call":"proptt2/demo/sendSosToChannel"' }).waitFor();
  // Within the step, the input is that of its call.
  for (let at = 0; at < '","input":{"ch'.length; at++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Control+Space');
  await page.locator('.cm-completionLabel', { hasText: 'channelId' }).waitFor();
  await page.keyboard.press('Escape');
});

test('creates a key, finds it in the audit log, and sees a subscription with its deliveries', async () => {
  await visitor.open('/keys', 'Keys and audit');
  await page.getByRole('button', { name: 'Create a key' }).click();
  await page.getByLabel('Who it is for').fill('Wall screen');
  await page.getByRole('dialog').getByRole('button', { name: 'Create the key' }).click();
  expect(await page.getByLabel('Key', { exact: true }).inputValue()).toMatch(/^tl_/);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.locator('.row', { hasText: 'Wall screen' }).waitFor();
  await page.locator('.row', { hasText: 'createKey' }).first().waitFor();
  const row = page.locator('.row', { hasText: 'Wall screen' });
  await row.getByRole('button', { name: 'New value' }).click();
  await page.getByRole('button', { name: 'Create a new value' }).click();
  expect(await page.getByLabel('Key', { exact: true }).inputValue()).toMatch(/^tl_/);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await row.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('There is only the admin key.').waitFor();

  await visitor.open('/subscriptions?new=1', 'Subscriptions');
  await page.getByLabel('Address that events are posted to').fill(`${stage.bench.product.url}/health`);
  await page.getByLabel('Event types').fill('trunkline.hook.received');
  await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
  expect(await page.getByLabel('Secret', { exact: true }).inputValue()).toMatch(/^whsec_/);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await stage.post({ kind: 'none' });
  await page.locator('.row', { hasText: 'trunkline.hook.received' }).nth(1).waitFor();
  await page.locator('.row', { hasText: '/health' }).getByText('Failing').waitFor();
  await page.locator('.row a', { hasText: '/health' }).first().click();
  // The page of all subscriptions lists deliveries, too.
  await page.getByRole('button', { name: 'Replay a range' }).waitFor();
  await page.locator('.section', { hasText: 'Deliveries' }).getByText('Attempts', { exact: true }).first().click();
  await page
    .locator('.attempts td', { hasText: /^(200|503|404|405)/ })
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Replay a range' }).click();
  await page.getByLabel('Also events that came while the subscription was off').check();
  await visitor.expectAccessible();
  const nextFrom = new Date(Date.now() - 3_600_000).toISOString();
  await expectProgress(
    '**/v1/deliveries/replay',
    /^1000 events sent again, up to /,
    async () => {
      // After a failure, it continues where it stopped.
      await page.getByRole('button', { name: 'Send again', exact: true }).last().click();
      await page.getByRole('dialog').getByText('The table does not answer.').waitFor();
      const resumed = page.waitForRequest('**/v1/deliveries/replay');
      await page.getByRole('button', { name: 'Send again', exact: true }).last().click();
      expect((await resumed).postDataJSON()).toMatchObject({ from: nextFrom });
    },
    // One request takes at most a thousand.
    async (route) => {
      await page.route('**/v1/deliveries/replay', (second) => second.fulfill({ status: 503, json: unavailable }), {
        times: 1,
      });
      await route.fulfill({ status: 202, json: { deliveries: Array(1000).fill('del_x'), nextFrom } });
    },
  );
  await page
    .getByRole('status')
    .getByText(/events? sent again|nothing to send/)
    .waitFor();
  await page.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('button', { name: 'Create a new secret' }).click();
  expect(await page.getByLabel('Secret', { exact: true }).inputValue()).toMatch(/^whsec_/);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No events are sent to anyone.').waitFor();
});

test('two operators see at once what the other does: a pause by the keyboard, a resumption, a switch', async () => {
  await visitor.open('', 'Status');
  const second = await stage.operator({ viewport: phone });
  await second.open('/automations', 'Automations');
  await page.getByRole('button', { name: 'Pause all sending' }).focus();
  await page.keyboard.press('Enter');
  // The dialog puts the focus into its field, and Enter submits.
  await expect.poll(() => page.evaluate('document.activeElement?.tagName')).toBe('INPUT');
  await page.keyboard.type('Testing the panel');
  await page.keyboard.press('Enter');
  await page.locator('.banner', { hasText: 'Paused by Admin key' }).waitFor();
  await second.page.locator('.banner', { hasText: 'Testing the panel' }).waitFor();
  await second.expectAccessible();
  const before = stage.sirens();
  await fetch(stage.hook.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"kind":"fire","site":"paused"}',
  });
  await page.locator('.banner', { hasText: /[12] runs? and 0 deliveries are waiting/ }).waitFor();
  expect(stage.sirens()).toBe(before);
  await second.page.getByRole('button', { name: 'Resume sending' }).press('Enter');
  await page.locator('.banner').waitFor({ state: 'detached' });

  await visitor.open('/automations', 'Automations');
  const name = /^Demo alarm is o/;
  await page.getByRole('switch', { name }).press('Space');
  await second.page.getByRole('switch', { name: 'Demo alarm is off' }).waitFor();
  await second.page.getByRole('switch', { name }).press('Space');
  await page.getByRole('switch', { name: 'Demo alarm is on' }).waitFor();
  await second.end();
  await expect.poll(stage.sirens).toBe(before + 1);
});

test('drills an automation at simulated vendors, which is no alarm and no failure', async () => {
  const alarms = async () => (await stage.bench.call<object[]>('GET', '/v1/alarms')).body.length;
  const before = { sirens: stage.sirens(), alarms: await alarms() };
  await visitor.open(`/automations/${stage.alarmId}`, 'Fire alarm');
  await page.getByRole('button', { name: 'Drill', exact: true }).click();
  await page.getByLabel('Event', { exact: true }).selectOption({ label: 'A sample that you write' });
  await page.getByLabel('Sample').fill('{"data":{"body":{"kind":"fire","site":"drill"}}}');
  expect(await page.getByLabel('In place of proptt2/demo').inputValue()).toBe('demo');
  await visitor.expectAccessible();
  await page.getByRole('button', { name: 'Start the drill' }).press('Enter');
  await page.locator('.verdict', { hasText: 'Drill: Done' }).waitFor();
  await page.getByText('Nothing reached a real one.').waitFor();
  expect(stage.sirens()).toBe(before.sirens + 1);
  expect(await alarms()).toBe(before.alarms);
});

test('switches an automation off and chooses what becomes of its runs in progress', async () => {
  const { body: waiting } = await stage.bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Long wait',
    when: { hook: stage.hook.id },
    if: "{% event.data.body.kind = 'wait' %}",
    do: [{ name: 'pause', wait: { seconds: 3600 } }],
  });
  await fetch(stage.hook.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"kind":"wait"}',
  });
  await visitor.open(`/automations/${waiting.id}`, 'Long wait');
  await page.locator('.row', { hasText: 'Running' }).waitFor();
  await page.getByRole('switch', { name: 'Long wait is on' }).press('Space');
  await page.getByRole('dialog').getByText('1 run is in progress.').waitFor();
  await visitor.expectAccessible();
  await page.getByLabel('Also cancel it').press('Space');
  await page.getByRole('button', { name: 'Switch off and cancel' }).press('Enter');
  await page.locator('.row', { hasText: 'Cancelled' }).waitFor();
  await page.locator('.verdict', { hasText: 'Off' }).waitFor();
});

test('gives access to Nextcloud Talk by a login in the browser', async () => {
  const other = await stage.operator({ others: [stage.bench.demo.talk.url] });
  const { page } = other;
  await other.open('/connections?new=1', 'Connections');
  await page.getByRole('button', { name: /Nextcloud Talk/ }).click();
  await page.getByLabel('Name').fill('browser');
  await page.getByLabel('Server URL').fill(stage.bench.demo.talk.url);
  await page.getByLabel(/^User/).fill('alice');
  await page.getByText('Further settings').first().click();
  await page.getByRole('checkbox', { name: /Allow HTTP/ }).check();
  await page.getByRole('checkbox', { name: /Allow private network/ }).check();
  await page.getByRole('button', { name: 'Log in' }).click();
  const opened = page.context().waitForEvent('page');
  await page.getByRole('link', { name: 'Open the login page' }).click();
  const login = await opened;
  await login.getByText(/asks for access/).waitFor();
  // In the background, a page is drawn once a second.
  await page.bringToFront();
  await other.expectAccessible();
  // The person grants it, which on a real server is a button.
  stage.bench.demo.talk.grantLogin({ user: 'alice', login: login.url() });
  await page.getByText('The connection works.').waitFor();
  await login.close();
  await page.getByRole('button', { name: 'Show the connection' }).click();
  await page.locator('h1', { hasText: 'Nextcloud Talk · browser' }).waitFor();
  await page.locator('.facts', { hasText: 'App password' }).waitFor();
  await other.end();
});

test('sees the calls of the month, how far a quota is used, and the months before', async () => {
  const month = new Date().toISOString().slice(0, 7);
  const before = new Date(Date.parse(`${month}-01`) - 86_400_000).toISOString().slice(0, 7);
  await services().table.put({
    ...keys.usage('talk', before, 'demo'),
    connection: 'demo',
    month: before,
    calls: 1234,
    day01: 1234,
    expiresAt: Math.ceil(Date.now() / 1000) + 86_400,
  });
  await stage.bench.call('PATCH', '/v1/connections/timetonic/demo', { settings: { monthlyCalls: 100 } });
  // 96 of 100 calls were made by another process.
  await services().table.put({
    ...keys.usage('timetonic', month, 'demo'),
    connection: 'demo',
    month,
    calls: 96,
    day01: 96,
    expiresAt: Math.ceil(Date.now() / 1000) + 86_400,
  });
  await visitor.open('/usage', 'Calls and quotas');
  const row = page.locator('.row', { hasText: 'TimeTonic · demo' });
  await row.getByText(/^\d+ % of 100 monthly calls are used: the rest is kept for alarms until/).waitFor();
  await row.getByRole('img', { name: /calls at the end of the month at this rate, of 100$/ }).waitFor();
  await page.locator('.row', { hasText: 'ProPTT2 · demo' }).getByText('By day').click();
  await page.getByRole('img', { name: /^ProPTT2 · demo: / }).waitFor();
  await page.getByRole('button', { name: 'Show the last twelve months' }).press('Enter');
  await page.locator('.row', { hasText: 'Nextcloud Talk 1,234' }).waitFor();
  await visitor.expectAccessibleEverywhere();
  await visitor.open('', 'Status');
  await page.locator('.row', { hasText: 'TimeTonic · demo' }).getByText('Quota used up').waitFor();
  await stage.bench.call('PATCH', '/v1/connections/timetonic/demo', { settings: { monthlyCalls: null } });
});

test('with a key for runs alone sees no more than runs, and no button that would be refused', async () => {
  const { body } = await stage.bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Reader',
    scopes: ['trunkline/runs/read'],
  });
  const visitor = await visit(stage.browser, stage.bench.product.url);
  const { page } = visitor;
  await visitor.open('/runs', 'Sign in');
  await page.getByLabel('Key').fill('tl_wrong');
  await page.keyboard.press('Enter');
  await page.getByText('not known or was revoked').waitFor();
  await page.getByLabel('Key').fill(body.key);
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: 'Runs' }).waitFor();
  expect(await page.locator('.nav li a').allTextContents()).toEqual(['Status', 'Runs']);
  await page.locator('.row a').first().click();
  await page.locator('.verdict').waitFor();
  expect(await page.getByRole('button', { name: 'Replay' }).count()).toBe(0);
  await visitor.open('/hooks', 'Not for this key');
  await page.getByRole('button', { name: /Sign out/ }).click();
  await page.locator('h1', { hasText: 'Sign in' }).waitFor();
  await visitor.end();
});
