import type { Browser } from 'playwright-core';
import { vi } from 'vitest';
import { buildConsole, localConsole } from '../../build/console.ts';
import { type Bench, startBench } from '../acceptance/product.ts';
import { startChromium } from '../support/chromium.ts';
import { type Visit, type VisitOptions, visit } from './browser.ts';

/** The product with its demo vendors and some history, a browser, and one signed-in page for every test of a file. */
export interface Stage {
  bench: Bench;
  browser: Browser;
  /** The files that the first page needs. */
  firstPage: string[];
  page: Visit;
  hook: { id: string; url: string };
  /** Sounds a siren for each post with `kind: 'fire'`, once per `site`. */
  alarmId: string;
  /** The sirens that have sounded. */
  sirens(): number;
  /** Posts to the hook and waits for the runs. */
  post(body: object): Promise<number>;
  /** Another window that is signed in. */
  operator(options?: VisitOptions): Promise<Visit>;
  close(): Promise<void>;
}

export async function startStage(options: VisitOptions = {}): Promise<Stage> {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const [{ firstPage }, browser, bench] = await Promise.all([
    buildConsole(localConsole),
    startChromium(),
    startBench(),
  ]);
  const { body: hook } = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'North gate panel',
    verify: { kind: 'none' },
  });
  const { body: rooms } = await bench.call<{ id: string }[]>('GET', '/v1/choices/talk/demo/rooms');
  const { body: alarm } = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Fire alarm',
    when: { hook: hook.id },
    if: "{% event.data.body.kind = 'fire' %}",
    dedupe: { key: '{% event.data.body.site %}', seconds: 300 },
    do: [
      { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } },
      { name: 'line', call: 'talk/demo/sendChatMessage', input: { token: rooms[0]?.id, message: 'Fire' } },
    ],
  });
  await bench.call('POST', '/v1/automations', {
    name: 'Broken rota',
    when: { hook: hook.id },
    if: "{% event.data.body.kind = 'rota' %}",
    do: [{ name: 'link', call: 'proptt2/demo/linkUserToChannel', input: { channelId: 999, userId: 1 } }],
  });
  const post = async (body: object) => {
    const answer = await fetch(`${hook.url}?wait=20`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return answer.status;
  };
  await post({ kind: 'fire', site: 'S1' });
  await Promise.all([
    post({ kind: 'fire', site: 'S1' }),
    post({ kind: 'rota', site: 'S1' }),
    post({ kind: 'rota', site: 'S2' }),
  ]);
  const operator = async (more?: VisitOptions) =>
    visit(browser, bench.product.url, more, await bench.product.consoleLink());
  return {
    bench,
    browser,
    firstPage,
    page: await operator(options),
    hook,
    alarmId: alarm.id,
    sirens: () => bench.demo.proptt2.journal.filter(({ path }) => path.endsWith('/sendSOS')).length,
    post,
    operator,
    close: async () => {
      await browser.close();
      await bench.close();
      vi.restoreAllMocks();
    },
  };
}
