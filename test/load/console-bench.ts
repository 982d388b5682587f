import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { buildLocal } from '../../local/build.ts';
import { startChromium } from '../support/chromium.ts';
import { startScript } from './process.ts';

const startFile = join(import.meta.dirname, '../../dist/local/start.mjs');
/** How many times slower than this computer the one with the browser is made. */
const slowdowns = [1, 4];

/**
 * The console as operators see it, at the product as `npm start` runs it: how long it takes from the address to the first sentence of
 * the status, with nothing in the browser's cache, and from one operator's press of "pause" to the banner on another's page.
 */
export async function consoleBench(count: number): Promise<void> {
  await buildLocal();
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-console-bench-'));
  const product = await startScript(startFile, { PORT: '0', TRUNKLINE_DATA: directory }, /^Console +(\S+)/);
  const browser = await startChromium();
  try {
    const first = await browser.newContext();
    const page = await first.newPage();
    await page.goto(product.value);
    await page.locator(firstSentence).waitFor();
    const storageState = await first.storageState();
    const address = page.url();
    const window = () => browser.newContext({ storageState });

    process.stdout.write('\nConsole, empty cache, from the address to the first sentence of the status:\n');
    for (const slowdown of slowdowns) {
      const times: number[] = [];
      for (let at = 0; at < count; at++) times.push(await openingTime(await window(), address, slowdown));
      say(slowdown === 1 ? '  on this computer' : `  on one ${slowdown} times slower`, times);
    }
    const times: number[] = [];
    const other = await (await window()).newPage();
    await other.goto(address);
    for (let at = 0; at < count; at++) times.push(await pauseTime(page, other));
    say('Console, from the press of "pause" to the banner of another operator', times);
  } finally {
    await browser.close();
    await product.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function say(what: string, times: number[]): void {
  times.sort((one, other) => one - other);
  const middle = times[Math.floor(times.length / 2)];
  process.stdout.write(`${what}: p50 ${middle?.toFixed(0)} ms, slowest ${times.at(-1)?.toFixed(0)} ms\n`);
}

const firstSentence = '.headline[role=status]';

/** Milliseconds from the start of the navigation until the first sentence is painted. */
async function openingTime(window: BrowserContext, address: string, slowdown: number): Promise<number> {
  const page = await window.newPage();
  const debug = await window.newCDPSession(page);
  await debug.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
  await page.addInitScript({ content: `globalThis.shown = ${painted(firstSentence)}` });
  await page.goto(address);
  const [shown, start] = await page.evaluate<[number, number]>('shown.then((at) => [at, performance.timeOrigin])');
  await window.close();
  return shown - start;
}

/** Milliseconds from the press to the banner of the other page. Both pages are then as before. */
async function pauseTime(page: Page, other: Page): Promise<number> {
  const banner = other.evaluate<number>(painted('.banner'));
  await page.getByRole('button', { name: 'Pause all sending' }).click();
  const pressed = page.evaluate<number>(
    `new Promise((resolve) => addEventListener('click', () => resolve(performance.timeOrigin + performance.now()), { once: true }))`,
  );
  await page.getByRole('dialog').getByRole('button', { name: 'Pause all sending' }).click();
  const took = (await banner) - (await pressed);
  await page.getByRole('button', { name: 'Resume sending' }).click();
  for (const each of [page, other]) await each.locator('.banner').waitFor({ state: 'detached' });
  return took;
}

/** An expression for a page: a promise of when what a selector matches is first painted, in milliseconds since the epoch. */
const painted = (selector: string): string => `new Promise((resolve) => {
  const look = () => {
    if (!document.querySelector('${selector}')) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.timeOrigin + performance.now())));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true, attributes: true });
  look();
})`;
