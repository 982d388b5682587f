import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';

/** A visit to the console: what it asks of other hosts is refused, and what the browser complains of is kept. */
export interface Visit {
  page: Page;
  /** Opens a page of the console and waits for its title. */
  open(path: string, title?: string): Promise<void>;
  /** Fails when axe finds something serious, or the page is wider than the screen. */
  expectAccessible(): Promise<void>;
  /** Ends the visit; fails when the page has asked another host, broken its own policy or thrown. */
  end(): Promise<void>;
}

export const desktop = { width: 1280, height: 900 };
export const phone = { width: 390, height: 844 };

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: desktop,
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const outside: string[] = [];
  const complaints: string[] = [];
  await context.route('**/*', (route) => {
    const asked = route.request().url();
    if (new URL(asked).origin === url || asked.startsWith('data:')) return route.continue();
    outside.push(asked);
    return route.abort();
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // The browser notes every refused request by itself; those are looked at where they are made.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  return {
    page,
    open: async (path, title) => {
      // Within the console, a page is opened as by a link: loading all of it again takes a second each time.
      if (page.url().startsWith(`${url}/console`) && (await page.locator('dialog').count()) === 0) {
        const to = JSON.stringify(`/console${path}`);
        await page.evaluate(`history.pushState(null, '', ${to}); dispatchEvent(new PopStateEvent('popstate'))`);
      } else {
        await page.goto(`${url}/console${path}`);
      }
      await page.locator('h1', title === undefined ? {} : { hasText: title }).waitFor();
    },
    expectAccessible: async () => {
      await page.locator('.loading').first().waitFor({ state: 'detached' });
      // Added past the page's policy, as an extension of the browser would be.
      if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
      const serious = await page.evaluate(async () => {
        // Put there by the script above.
        const { axe } = globalThis as unknown as {
          axe: {
            run(options: object): Promise<{
              violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
            }>;
          };
        };
        const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
        return violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
          );
      });
      expect(serious).toEqual([]);
      const overflow = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
      expect(overflow).toBeLessThanOrEqual(0);
    },
    end: async () => {
      expect(outside).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    },
  };
}

/** Signs in by the link that `npm start` prints. */
export async function signIn({ page }: Visit, link: string): Promise<void> {
  await page.goto(link);
  await page.locator('.shell').waitFor();
}
