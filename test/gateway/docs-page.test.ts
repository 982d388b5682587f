import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { adminKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { vendorNames } from '../../lib/core/vendor.ts';
import { httpRoutes, loadFunctions } from '../../local/functions.ts';
import { type HttpBridge, startHttpBridge } from '../../local/http-bridge.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../local/sandbox/proptt2/index.ts';
import { memoryFiles, startBackends } from '../harness.ts';
import { startChromium } from './chromium.ts';

const adminKey = 'tl_an-admin-key-for-the-docs-page';
const sosPath = '/v1/proptt2/{connection}/sendSosToChannel';
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let bridge: HttpBridge;
let browser: Browser;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  const { services, useFiles } = await import('../../lib/aws/services.ts');
  useFiles(memoryFiles());
  for (const vendor of vendorNames) await services().secrets.write(sessionKeySecret(vendor), `a key for ${vendor}`);
  await services().secrets.write(adminKeySecret, adminKey.slice(3));
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  sandbox = await startProptt2Sandbox();
  const functions = await loadFunctions();
  bridge = await startHttpBridge({
    routes: httpRoutes.map(({ path, functionName }) => {
      const handler = functions[functionName];
      if (!handler) throw new Error(`There is no function ${functionName}`);
      return { method: 'ANY', path, handler, functionName };
    }),
  });
  const settings = { cloudUrl: sandbox.url, ownerId: 'owner@company.com', hid: 1 };
  const made = await fetch(`${bridge.url}/v1/connections`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      vendor: 'proptt2',
      name: 'dispatch',
      settings: { ...settings, allowHttp: true, allowPrivateNetwork: true },
      credentials: { interactionKey: 'bb00cc' },
    }),
  });
  expect(made.status, await made.text()).toBe(201);
  browser = await startChromium();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await browser?.close();
  await bridge?.close();
  await sandbox?.close();
  await backends?.stop();
});

// Swagger UI takes its seconds on a busy machine.
const patience = 120_000;

/** Opens the reference page; what it asks of other hosts is refused and noted, as is what it complains of. */
async function openDocs(colorScheme: 'light' | 'dark' = 'light') {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(patience / 2);
  const outside: string[] = [];
  const complaints: string[] = [];
  await context.route('**/*', (route) => {
    const url = route.request().url();
    if (new URL(url).origin === bridge.url || url.startsWith('data:')) return route.continue();
    outside.push(url);
    return route.abort();
  });
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${bridge.url}/docs`);
  await operationBlock(page, 'post', sosPath).waitFor();
  return { page, outside, complaints };
}

async function authorize(page: Page, key: string): Promise<void> {
  await page.locator('.auth-wrapper .authorize').first().click();
  await page.locator('.auth-container input').fill(key);
  await page.locator('.auth-btn-wrapper button[type=submit]').click();
  await page.locator('.auth-btn-wrapper .btn-done').click();
}

function operationBlock(page: Page, method: string, path: string): Locator {
  return page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
}

/** Opens an operation to be tried out; the function that it answers executes it as it stands and tells what the page shows of it. */
async function tryOut(page: Page, method: string, path: string) {
  const block = operationBlock(page, method, path);
  await block.locator('.opblock-summary-control').click();
  await block.locator('.try-out__btn').click();
  return async (status: number): Promise<string> => {
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

test(
  'lists the operations of the vendors and the control calls, and asks no other host for anything',
  async () => {
    const { page, outside, complaints } = await openDocs();
    expect(await page.title()).toBe('Trunkline API');
    expect(await textOf(operationBlock(page, 'post', sosPath))).toContain('Send an SOS to a channel');
    const shown = await page.locator('.opblock-summary-path').count();
    const document = (await (await fetch(`${bridge.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    const declared = Object.values(document.paths).flatMap((item) =>
      Object.keys(item).filter((word) => word !== 'parameters'),
    );
    expect(shown).toBe(declared.length);
    expect(outside).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  },
  patience,
);

test(
  'a call made on the page with a key is answered, and without one refused',
  async () => {
    const { page, outside, complaints } = await openDocs();
    const execute = await tryOut(page, 'get', '/v1/me');
    expect(await execute(401)).toContain('"code": "unauthorized"');
    await authorize(page, adminKey);
    expect(await execute(200)).toContain('"*/*/*"');
    expect(outside).toEqual([]);
    // The browser itself notes the 401 that was wanted.
    expect(complaints.filter((each) => !each.includes('401'))).toEqual([]);
    await page.context().close();
  },
  patience,
);

test(
  'the sample of the SOS operation reaches the vendor as it stands',
  async () => {
    const { page } = await openDocs();
    await authorize(page, adminKey);
    const execute = await tryOut(page, 'post', sosPath);
    expect(await execute(200)).toContain('"code": "200"');
    expect(sandbox.journal.at(-1)).toMatchObject({
      method: 'POST',
      path: expect.stringMatching(/\/channels\/1\/sendSOS$/),
    });
    await page.context().close();
  },
  patience,
);

test(
  'is dark where the reader likes it dark',
  async () => {
    const { page } = await openDocs('dark');
    const background = () =>
      page.locator('body').evaluate((body) => body.ownerDocument.defaultView?.getComputedStyle(body).backgroundColor);
    expect(await background()).toBe('rgb(28, 32, 34)');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.locator('html:not(.dark-mode)').waitFor();
    expect(await background()).toBe('rgb(255, 255, 255)');
    await page.context().close();
  },
  patience,
);
