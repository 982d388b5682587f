import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import { due } from '../../lib/store/due.ts';
import { keys } from '../../lib/store/items.ts';
import type { Visit } from './browser.ts';
import { type Stage, startStage } from './stage.ts';

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

/** Every page and every form, as they are opened in the tests of the vendors and of the full lists too. */
const everyPage = async (): Promise<[string, string][]> => {
  const first = async (path: string) => (await stage.bench.call<{ id: string }[]>('GET', path)).body[0]?.id ?? '';
  const failed = await first('/v1/runs?state=failed&limit=1');
  const event = await first(`/v1/events?connection=${stage.hook.id}&limit=1`);
  return [
    ['', 'Status'],
    ['/runs', 'Runs'],
    ['/runs?show=failures', 'Runs'],
    ['/runs?show=alarms', 'Runs'],
    [`/runs/${failed}`, 'Broken rota'],
    ['/events', 'Events'],
    [`/events/${event}`, 'trunkline.hook.received'],
    ['/hooks', 'Hooks'],
    [`/hooks/${stage.hook.id}`, 'North gate panel'],
    ['/hooks?new=1', 'Hooks'],
    ['/automations', 'Automations'],
    [`/automations/${stage.alarmId}`, 'Fire alarm'],
    ['/automations/new', 'A new automation'],
    ['/schedules', 'Schedules'],
    ['/recipes', 'Recipes'],
    ['/recipes/alarm-panel', 'Alarm panel'],
    ['/connections', 'Connections'],
    ['/connections/proptt2/demo', 'ProPTT2 · demo'],
    ['/connections?new=1', 'Connections'],
    ['/people', 'People'],
    ['/subscriptions', 'Subscriptions'],
    ['/usage', 'Calls and quotas'],
    ['/keys', 'Keys and audit'],
  ];
};

test('every page can be operated by the keyboard alone', async () => {
  await visitor.open('', 'Status');
  // The first key leads past the navigation, the next ones through it.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement?.id')).toBe('main');
  for (const name of ['Runs', 'Events', 'Hooks', 'Automations', 'Connections', 'People', 'Subscriptions', 'Status']) {
    await page.getByRole('navigation').getByRole('link', { name }).focus();
    await page.keyboard.press('Enter');
    await page.locator('h1', { hasText: name }).waitFor();
    expect(await page.evaluate('document.activeElement?.id')).toBe('main');
  }
  await visitor.expectReachableByKeyboard('body');
  for (const [path, title] of await everyPage()) {
    await visitor.open(path, title);
    await visitor.expectReachableByKeyboard();
  }
});

test('everything that the first page needs is at most 100 kB', () => {
  const bytes = stage.firstPage.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  expect(bytes).toBeGreaterThan(5_000);
  expect(bytes).toBeLessThan(100_000);
});

const batchSize = 100;
async function store(items: readonly { pk: string; sk: string }[]): Promise<void> {
  for (let at = 0; at < items.length; at += batchSize) {
    const batch = items.slice(at, at + batchSize);
    await services().table.transact(batch.map((put) => ({ put })));
  }
}

/** 2,000 runs of two days, one in ten failed, as the engine stores them. */
function manyRuns() {
  const start = Date.now() - 2 * 86_400_000;
  return Array.from({ length: 2_000 }, (_, number) => {
    const createdAt = start + number * 80_000;
    const hash = number.toString(16).padStart(12, '0');
    const key = keys.run(stage.alarmId, createdAt, hash);
    const state = number % 10 === 0 ? 'failed' : 'succeeded';
    return {
      ...key,
      id: `run_${stage.alarmId}_${createdAt.toString(36)}_${hash}`,
      owner: stage.alarmId,
      name: 'Fire alarm',
      state,
      ...(state === 'failed' && { reason: `Step siren: ProPTT2 answered with status ${500 + (number % 3)}` }),
      definition: '{"do":[]}',
      scopes: [],
      keyId: 'admin',
      alarm: false,
      createdAt,
      endedAt: createdAt + 500,
      expiresAt: Math.ceil(Date.now() / 1000) + 86_400,
      duePk: due(`run-${state}`, key.sk, 0).duePk,
      dueAt: createdAt,
    };
  });
}

function manyConnections() {
  const at = '2026-01-05T02:11:09.000Z';
  return Array.from({ length: 300 }, (_, number) => ({
    ...keys.connection('talk', `site-${number}`),
    vendor: 'talk',
    name: `site-${number}`,
    version: 1,
    settings: { serverUrl: 'https://cloud.example.com', user: 'gateway', pollEvents: false },
    credentials: ['appPassword'],
    createdAt: at,
    updatedAt: at,
  }));
}

describe('with 2,000 runs', () => {
  beforeAll(() => store(manyRuns()));

  test('a tab that stays open for an hour of traffic keeps its memory', async () => {
    const tab = await stage.operator();
    await tab.page.clock.install();
    await tab.page.reload();
    await tab.page.locator('.shell').waitFor();
    const debug = await tab.page.context().newCDPSession(tab.page);
    await debug.send('Performance.enable');
    const used = async () => {
      await debug.send('HeapProfiler.collectGarbage');
      const { metrics } = await debug.send('Performance.getMetrics');
      const value = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? Number.NaN;
      return { bytes: value('JSHeapUsedSize'), nodes: value('Nodes'), listeners: value('JSEventListeners') };
    };
    const pages = ['', '/events', '/runs'] as const;
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute += 2) {
        if (minute % (minutes / pages.length) === 0) await tab.open(pages[(minute * pages.length) / minutes] ?? '');
        const body = JSON.stringify({ kind: minute % 12 === 0 ? 'fire' : 'note', site: `${minutes} ${minute}` });
        await fetch(stage.hook.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        await tab.page.clock.fastForward(118_000);
        await tab.page.clock.runFor(2_000);
      }
    };
    // The lists grow to their full length first.
    await pass(6);
    const before = await used();
    await pass(60);
    const after = await used();
    // A leak of one answer for each read would be many times this.
    expect(after.bytes - before.bytes).toBeLessThan(2_000_000);
    expect(after.nodes).toBeLessThan(before.nodes * 1.5 + 3_000);
    expect(after.listeners).toBeLessThan(before.listeners * 1.5 + 300);
    await tab.end();
  });

  test('with 300 connections and 2,000 runs every page can be used by everybody, at a desk and on a phone', async () => {
    await store(manyConnections());
    await visitor.open('/connections', 'Connections');
    await page.getByRole('searchbox').fill('site-299');
    const rows = page.locator('.rows .row');
    await expect.poll(() => rows.count()).toBe(1);
    await visitor.open('/runs?show=succeeded', 'Runs');
    await rows.nth(99).waitFor();
    await page.getByRole('button', { name: 'Show older' }).click();
    await rows.nth(199).waitFor();
    await visitor.open('/runs?show=failures', 'Runs');
    await page.getByText('There are more failures than 200 of a kind').waitFor();
    await visitor.open('', 'Status');
    await page.locator('.headline', { hasText: /\d+ runs failed in the last 24 hours/ }).waitFor();
    await page.locator('.section', { hasText: 'Connections' }).locator('.row').nth(300).waitFor();
    await visitor.expectAccessibleEverywhere();
    for (const [path, title] of await everyPage()) {
      await visitor.open(path, title);
      await visitor.expectAccessibleEverywhere();
    }
    const { table } = services();
    const made = manyConnections();
    for (let at = 0; at < made.length; at += batchSize) {
      await table.transact(made.slice(at, at + batchSize).map(({ pk, sk }) => ({ delete: { pk, sk } })));
    }
  });

  test('says what is wrong when a vendor is down, and when Trunkline itself no longer answers', async () => {
    for (const [vendor, title] of [
      ['talk', 'Nextcloud Talk'],
      ['timetonic', 'TimeTonic'],
      ['proptt2', 'ProPTT2'],
    ] as const) {
      await stage.bench.demo[vendor].close();
      await visitor.open(`/connections/${vendor}/demo`, `${title} · demo`);
      await page.getByRole('button', { name: 'Check it now' }).click();
      await page.getByText('The connection does not work.').waitFor();
    }
    await stage.bench.poll('proptt2', 'demo');
    await page.locator('.verdict', { hasText: 'Trouble' }).waitFor();
    await visitor.expectAccessible();
    await visitor.open('/people', 'People');
    await page.locator('.notice.bad').first().waitFor();
    await visitor.open('/recipes/function-key', 'Function key');
    await page
      .getByText(/The list cannot be read|Fill in the fields above/)
      .first()
      .waitFor();
    await visitor.open('', 'Status');
    await page.locator('.row.warn', { hasText: 'ProPTT2 · demo' }).waitFor();
    // No page waits for ever or breaks with all of them down.
    for (const [path, title] of await everyPage()) {
      await visitor.open(path, title);
      await page.locator('.loading').first().waitFor({ state: 'detached' });
    }
    await page.context().setOffline(true);
    await page.locator('.fresh', { hasText: 'No answer' }).waitFor();
    await page.context().setOffline(false);
    await page.locator('.fresh', { hasText: 'Live' }).waitFor({ timeout: 120_000 });
  });
});
