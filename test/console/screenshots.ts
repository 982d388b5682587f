import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildConsole, localConsole } from '../../build/console.ts';
import { startProduct } from '../../local/product.ts';
import { startChromium } from '../support/chromium.ts';

/** Takes the pictures of the console for the README and the guides: `npm run screenshots`. */

const folder = join(import.meta.dirname, '..', '..', 'docs', 'images');
const maxBytes = 200_000;
const directory = mkdtempSync(join(tmpdir(), 'trunkline-screenshots-'));

await buildConsole(localConsole);
const product = await startProduct({ directory, port: 0, sandbox: true });
const browser = await startChromium();
try {
  mkdirSync(folder, { recursive: true });
  const { runId, automationId } = await fill();
  const shots = [
    { name: 'console-status', path: '', scheme: 'light', width: 1280, height: 860 },
    { name: 'console-status-dark', path: '', scheme: 'dark', width: 1280, height: 860 },
    { name: 'console-status-phone', path: '', scheme: 'dark', width: 390, height: 844 },
    { name: 'console-run', path: `/runs/${runId}`, scheme: 'dark', width: 1280, height: 860 },
    { name: 'console-failures', path: '/runs?show=failures', scheme: 'light', width: 1280, height: 640 },
    { name: 'console-automation', path: `/automations/${automationId}`, scheme: 'light', width: 1280, height: 860 },
    { name: 'console-recipe', path: '/recipes/alarm-panel', scheme: 'light', width: 1280, height: 1000 },
    { name: 'console-connection', path: '/connections/proptt2/demo', scheme: 'light', width: 1280, height: 860 },
  ] as const;
  for (const { name, path, scheme, width, height } of shots) {
    const context = await browser.newContext({
      colorScheme: scheme,
      viewport: { width, height },
      locale: 'en-GB',
      timezoneId: 'Europe/Paris',
    });
    const page = await context.newPage();
    await page.goto(await product.consoleLink());
    await page.locator('.shell').waitFor();
    await page.goto(`${product.url}/console${path}`);
    await page.locator('h1').waitFor();
    await page.waitForLoadState('load');
    await page.locator('.loading').first().waitFor({ state: 'detached' });
    if (path === '') await page.locator('.alarm').waitFor();
    if (path.startsWith('/recipes/')) {
      await page.getByLabel(/^The Talk room/).selectOption('controlroom');
      await page.getByLabel(/^The code of the book/).selectOption('operations');
      await page.getByRole('button', { name: 'Preview' }).click();
      await page.getByRole('button', { name: 'Install', exact: true }).scrollIntoViewIfNeeded();
    }
    const file = join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    const { size } = statSync(file);
    if (size > maxBytes) throw new Error(`${file} has ${size} bytes; at most ${maxBytes} go into the repository.`);
    await context.close();
  }
} finally {
  await browser.close();
  await product.close();
  rmSync(directory, { recursive: true, force: true });
}

async function api<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${product.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${product.adminKey}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
  // The caller names the form that the API's document gives for the call.
  return (await answer.json()) as T;
}

/** A night's work: alarms that were sounded, and some failures of one cause. */
async function fill(): Promise<{ runId: string; automationId: string }> {
  const hook = await api<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'Alarm panel, north gate',
    verify: { kind: 'none' },
  });
  const [room] = await api<{ id: string }[]>('GET', '/v1/choices/talk/demo/rooms');
  const alarm = await api<{ id: string }>('POST', '/v1/automations', {
    name: 'Alarm to radio and chat',
    when: { hook: hook.id },
    if: "{% event.data.body.state = 'open' %}",
    dedupe: { key: '{% event.data.body.site & event.data.body.zone %}', seconds: 300 },
    do: [
      { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } },
      {
        name: 'alert',
        call: 'proptt2/demo/sendAlertToChannel',
        input: { channelId: 1, message: "{% 'ALARM ' & event.data.body.site & ' ' & event.data.body.kind %}" },
      },
      {
        name: 'line',
        call: 'talk/demo/sendChatMessage',
        input: { token: room?.id, message: "{% event.data.body.kind & ' at ' & event.data.body.site %}" },
      },
    ],
  });
  await api('POST', '/v1/automations', {
    name: 'Rota to channel',
    when: { hook: hook.id },
    if: "{% event.data.body.state = 'rota' %}",
    do: [{ name: 'link', call: 'proptt2/demo/linkUserToChannel', input: { channelId: 12, userId: 1 } }],
  });
  const post = (body: object) =>
    fetch(`${hook.url}?wait=20`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).then((answer) => answer.text());
  for (const site of ['S10', 'S11', 'S12']) await post({ state: 'rota', site });
  for (const [site, kind] of [
    ['S12', 'Fire'],
    ['S14', 'Intrusion'],
    ['S12', 'Fire'],
  ])
    await post({ state: 'open', site, zone: 'Z3', kind });
  const runs = await api<{ id: string }[]>('GET', `/v1/runs?automation=${alarm.id}&state=succeeded`);
  return { runId: runs[0]?.id ?? '', automationId: alarm.id };
}
