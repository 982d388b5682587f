import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { buildConsole, localConsole } from '../../build/console.ts';
import { type Product, startProduct } from '../../local/product.ts';
import { startChromium } from '../support/chromium.ts';
import { type Visit, visit } from './browser.ts';

const directory = mkdtempSync(join(tmpdir(), 'trunkline-console-'));
let product: Product;
let browser: Browser;
let visitor: Visit;

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await buildConsole(localConsole);
  [browser, product] = await Promise.all([
    startChromium(),
    startProduct({ directory, port: 0, sandbox: false, clock: false }),
  ]);
  visitor = await visit(browser, product.url, {}, await product.consoleLink());
});
afterEach(() => visitor?.expectClean());
afterAll(async () => {
  await browser?.close();
  await product?.close();
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

test('every page of a new installation names the next step', async () => {
  for (const [path, words] of [
    ['', 'Connect a vendor'],
    ['', 'Create a hook'],
    ['/runs', 'Nothing has run yet.'],
    ['/runs?show=failures', 'No run has failed'],
    ['/events', 'Post to a hook'],
    ['/hooks', 'Create a hook'],
    ['/connections', 'Choose a vendor'],
    ['/automations', 'Install a recipe'],
    ['/schedules', 'Write an automation'],
    ['/people', 'Connect ProPTT2'],
    ['/subscriptions', 'Subscribe a target'],
    ['/usage', 'Connect a vendor'],
    ['/keys', 'Create a key'],
  ] as const) {
    await visitor.open(path);
    await visitor.page.locator('.empty', { hasText: words }).first().waitFor();
    await visitor.expectAccessibleEverywhere();
    await visitor.expectReachableByKeyboard();
  }
});

test('an unknown address says so, and the page cannot be framed or run foreign scripts', async () => {
  await visitor.open('/nowhere', 'No such page');
  await visitor.open('/runs/run_calls_abc_000000000000', 'Run');
  await visitor.page.getByText('There is no such run.').waitFor();
  const answer = await fetch(`${product.url}/console/runs`);
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
  expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  const text = await answer.text();
  const [script = ''] = /\/console\/assets\/console-\w+\.js/.exec(text) ?? [];
  const asset = await fetch(`${product.url}${script}`);
  expect(asset.headers.get('cache-control')).toContain('immutable');
  expect((await fetch(`${product.url}/console/assets/none.js`)).status).toBe(404);
});

test('a used link still works with the cookie, and asks for the key elsewhere', async () => {
  const link = await product.consoleLink();
  const first = await visit(browser, product.url, {}, link);
  await first.page.goto('about:blank');
  await first.page.goto(link);
  await first.page.locator('.shell').waitFor();
  const second = await visit(browser, product.url);
  await second.page.goto(link);
  await second.page.locator('h1', { hasText: 'Sign in' }).waitFor();
  await first.end();
  await second.end();
});
