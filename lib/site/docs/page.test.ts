import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Product, startProduct } from '../../../local/product.ts';
import { startChromium } from '../../../test/support/chromium.ts';

const sosPath = '/v1/proptt2/{connection}/sendSosToChannel';
const directory = mkdtempSync(join(tmpdir(), 'trunkline-docs-'));
let product: Product;
let browser: Browser;
let page: Page;
/** What the page asked of other hosts, which is refused, and what the browser complained of. */
const outside: string[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  browser = await startChromium();
  product = await startProduct({ directory, port: 0, sandbox: true, clock: false });
  page = await openDocs();
});
afterAll(async () => {
  await browser?.close();
  await product?.close();
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

// Swagger UI takes its seconds on a busy machine.
const timeoutMs = 120_000;
vi.setConfig({ testTimeout: timeoutMs });

/** Opens the reference page once for all tests: Swagger UI takes seconds to show so many operations. */
async function openDocs(): Promise<Page> {
  const context = await browser.newContext({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
  const opened = await context.newPage();
  opened.setDefaultTimeout(timeoutMs / 2);
  await context.route('**/*', (route) => {
    const url = route.request().url();
    if (new URL(url).origin === product.url || url.startsWith('data:')) return route.continue();
    outside.push(url);
    return route.abort();
  });
  opened.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  opened.on('pageerror', (error) => complaints.push(error.message));
  await opened.goto(`${product.url}/docs`);
  await opened.locator('.opblock-tag').first().waitFor();
  return opened;
}

async function authorize(key: string): Promise<void> {
  await page.locator('.auth-wrapper .authorize').first().click();
  await page.locator('.auth-container input').fill(key);
  await page.locator('.auth-btn-wrapper button[type=submit]').click();
  await page.locator('.auth-btn-wrapper .btn-done').click();
}

function operationBlock(method: string, path: string): Locator {
  return page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
}

/** Opens or closes an area. */
async function toggleArea(tag: string): Promise<void> {
  await page.locator(`.opblock-tag[data-tag="${tag}"]`).click();
}

/**
 * Opens an operation to be tried out; the function that it returns executes it with its sample and returns what the page shows.
 */
async function tryOut(tag: string, method: string, path: string) {
  await toggleArea(tag);
  const block = operationBlock(method, path);
  await block.locator('.opblock-summary-control').click();
  await block.locator('.try-out__btn').click();
  return async (status: number, connection?: string): Promise<string> => {
    if (connection !== undefined) await block.locator('[data-param-name="connection"] input').fill(connection);
    await block.locator('button.execute').click();
    const live = block.locator('.live-responses-table tbody');
    await live
      .locator('.response-col_status', { hasText: String(status) })
      .first()
      .waitFor();
    return textOf(live.locator('.highlight-code'));
  };
}

async function textOf(locator: Locator): Promise<string> {
  return (await locator.first().textContent()) ?? '';
}

test('lists the operations of the vendors and the control calls, and sends no request to another host', async () => {
  expect(await page.title()).toBe('Trunkline API');
  const document = (await (await fetch(`${product.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { tags?: string[] }>>;
    tags: { name: string }[];
    webhooks: object;
  };
  const declared = Object.values(document.paths).flatMap((item) =>
    Object.entries(item).flatMap(([method, { tags }]) => (method === 'parameters' ? [] : [tags?.[0]])),
  );
  const areas = await page
    .locator('.opblock-tag')
    .evaluateAll((all) => all.map((each) => each.getAttribute('data-tag')));
  expect(areas).toEqual(document.tags.map(({ name }) => name));
  for (const { name } of document.tags) {
    const section = page.locator('.opblock-tag-section', { has: page.locator(`[data-tag="${name}"]`) });
    await toggleArea(name);
    await section.locator('.opblock').first().waitFor();
    expect(await section.locator('.opblock').count(), name).toBe(declared.filter((tag) => tag === name).length);
    await toggleArea(name);
    await section.locator('.opblock').first().waitFor({ state: 'detached' });
  }
  await toggleArea('ProPTT2');
  const sos = operationBlock('post', sosPath);
  await sos.waitFor();
  expect(await textOf(sos)).toContain('Send an SOS to a channel');
  await toggleArea('ProPTT2');
  await sos.waitFor({ state: 'detached' });
  const webhooks = await page
    .locator('.webhooks .opblock-summary-path')
    .evaluateAll((all) => all.map((each) => each.textContent));
  expect(webhooks).toEqual(Object.keys(document.webhooks));
  expect(outside).toEqual([]);
  expect(complaints).toEqual([]);
});

test('a call made on the page with a key is answered, and without one refused', async () => {
  const execute = await tryOut('Account', 'get', '/v1/me');
  expect(await execute(401)).toContain('"code": "unauthorized"');
  await authorize(product.adminKey);
  expect(await execute(200)).toContain('"*/*/*"');
  expect(outside).toEqual([]);
  // The browser itself notes the 401 that was wanted.
  expect(complaints.filter((each) => !each.includes('401'))).toEqual([]);
});

test('with that key, the sample of the SOS operation reaches the vendor', async () => {
  const execute = await tryOut('ProPTT2', 'post', sosPath);
  expect(await execute(200, 'demo')).toContain('"code": "200"');
  expect(product.demo?.proptt2.journal.at(-1)).toMatchObject({
    method: 'POST',
    path: expect.stringMatching(/\/channels\/1\/sendSOS$/),
  });
});

test('is dark where the reader prefers dark, and light otherwise', async () => {
  const background = () =>
    page.locator('body').evaluate((body) => body.ownerDocument.defaultView?.getComputedStyle(body).backgroundColor);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.locator('html.dark-mode').waitFor();
  expect(await background()).toBe('rgb(28, 32, 34)');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.locator('html:not(.dark-mode)').waitFor();
  expect(await background()).toBe('rgb(255, 255, 255)');
});
