import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { Browser, BrowserContextOptions, Page, Request } from 'playwright-core';
import { expect } from 'vitest';

/** A visit to the console. Requests to other hosts are refused, and what the browser complains about is kept. */
export interface Visit {
  page: Page;
  /** Opens a page of the console, as a link within it would, and waits for its title. */
  open(path: string, title?: string): Promise<void>;
  /** Fails if axe finds something serious, or something is cut off or wider than the screen; or checks only the colours. */
  expectAccessible(extent?: 'colours'): Promise<void>;
  /** The same at a desk and on a phone, in light and in dark colours. */
  expectAccessibleEverywhere(): Promise<void>;
  /** Fails if the Tab key does not reach every control of the page, or a control does not show the focus. */
  expectReachableByKeyboard(within?: 'main' | 'body'): Promise<void>;
  /** Fails if the page has asked another host, violated its own policy or thrown. */
  expectClean(): void;
  /** Ends the visit; fails as `expectClean` does. */
  end(): Promise<void>;
}

export const desktop = { width: 1280, height: 900 };
export const phone = { width: 390, height: 844 };
/** Each differs from the one before in one respect. Where that is the scheme, nothing but colours is new. */
const appearances = [
  { colorScheme: 'light', size: desktop },
  { colorScheme: 'dark', size: desktop, extent: 'colours' },
  { colorScheme: 'dark', size: phone },
  { colorScheme: 'light', size: phone, extent: 'colours' },
] as const;

export interface VisitOptions extends BrowserContextOptions {
  /** Origins besides that of the console which the visit may reach. */
  others?: readonly string[];
}

/** The script that checks a page from within. It bypasses the page's policy, as a browser extension does. */
const inPage = buildSync({
  entryPoints: [join(import.meta.dirname, 'in-page.ts')],
  bundle: true,
  write: false,
  format: 'iife',
  globalName: 'inPage',
  platform: 'browser',
}).outputFiles[0]?.text;

/** Opens a browser window that is signed in by a link, as `npm start` prints one, or shows nothing yet. */
export async function visit(
  browser: Browser,
  url: string,
  { others = [], ...options }: VisitOptions = {},
  link?: string,
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: desktop,
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const outside: string[] = [];
  const complaints: string[] = [];
  await context.route(
    ({ protocol, origin }) => protocol !== 'data:' && origin !== url && !others.includes(origin),
    (route) => {
      outside.push(route.request().url());
      return route.abort();
    },
  );
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // The browser logs every refused request itself. Tests check those where they make them.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  if (link !== undefined) {
    await page.goto(link);
    await page.locator('.shell').waitFor();
  }
  /** Calls a function of the script in the page, which names what it answers. */
  const ask = async <T>(what: string): Promise<T> => {
    if (!(await page.evaluate("'inPage' in globalThis"))) await page.evaluate(`${inPage}; globalThis.inPage = inPage`);
    return page.evaluate(`inPage.${what}`) as Promise<T>;
  };
  const reads = new Set<Request>();
  let started = 0;
  page.on('request', (request) => {
    // The stream never ends, and whether a person has logged in is read again and again.
    if (!request.url().startsWith(`${url}/v1/`) || /\/(?:stream|login)$/.test(request.url())) return;
    reads.add(request);
    started++;
  });
  page.on('requestfinished', (request) => reads.delete(request));
  page.on('requestfailed', (request) => reads.delete(request));
  /** Nothing on the page is about to appear: a list that is read becomes another control. */
  const settled = async () => {
    await page.locator('.loading').first().waitFor({ state: 'detached' });
    // What a response leads to, such as the next list of a form, is requested within a few frames.
    const frames =
      'new Promise((done) => { let left = 4; const next = () => left-- ? requestAnimationFrame(next) : done(); next(); })';
    const isQuiet = async () => {
      const before = started;
      if (reads.size > 0) return false;
      await page.evaluate(frames);
      return reads.size === 0 && started === before;
    };
    await expect.poll(isQuiet, { interval: 20 }).toBe(true);
  };
  const visitor: Visit = {
    page,
    open: async (path, title) => {
      // Within the console, a page is opened as by a link: loading all of it again takes a second each time.
      if (page.url().startsWith(`${url}/console`)) {
        const to = JSON.stringify(`/console${path}`);
        await page.evaluate(`history.pushState(null, '', ${to}); dispatchEvent(new PopStateEvent('popstate'))`);
      } else {
        await page.goto(`${url}/console${path}`);
      }
      await page.locator('h1', title === undefined ? {} : { hasText: title }).waitFor();
    },
    expectAccessible: async (extent) => {
      await settled();
      expect(await ask<string[]>(`problems(${JSON.stringify(extent)})`)).toEqual([]);
    },
    expectAccessibleEverywhere: async () => {
      for (const appearance of appearances) {
        await page.emulateMedia({ colorScheme: appearance.colorScheme });
        await page.setViewportSize(appearance.size);
        await visitor.expectAccessible('extent' in appearance ? appearance.extent : undefined);
      }
      await page.emulateMedia({ colorScheme: null });
      await page.setViewportSize(desktop);
    },
    expectReachableByKeyboard: async (within = 'main') => {
      await settled();
      const controls = await ask<string[]>(`markControls('${within}')`);
      expect(controls.length).toBeGreaterThan(0);
      const reached = new Set<string>();
      // A few more than there are controls: a date field has a tab stop for each of its parts.
      for (let presses = 0; presses < controls.length + 6 && reached.size < controls.length; presses++) {
        await page.keyboard.press('Tab');
        const { name, shows } = await ask<{ name?: string; shows: boolean }>('focused()');
        if (name !== undefined && !shows) throw new Error(`${name} does not show that it has the focus`);
        if (name !== undefined) reached.add(name);
      }
      expect(controls.filter((name) => !reached.has(name))).toEqual([]);
    },
    expectClean: () => {
      expect(outside).toEqual([]);
      expect(complaints).toEqual([]);
    },
    end: async () => {
      visitor.expectClean();
      await context.close();
    },
  };
  return visitor;
}
