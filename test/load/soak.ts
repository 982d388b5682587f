import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultMinute } from './fault-minute.ts';
import { callApi, type Started, startScript } from './process.ts';

/**
 * Posts webhooks while the product is killed with -9 every few seconds and its target fails every third first attempt. At the end
 * every event that was accepted must have been delivered, none twice to a receiver that honours the id, every run must have
 * ended, and no message may have been sent twice. Then alarms are posted for a minute while the database throttles and loses
 * answers. `--short` is for CI.
 */
const short = process.argv.includes('--short');
const seconds = short ? 25 : 600;
const killEvery = short ? 6_000 : 5_000;
const adminKey = 'tl_a-key-for-the-soak-only';
const directory = mkdtempSync(join(tmpdir(), 'trunkline-soak-'));
const main = join(import.meta.dirname, '../../local/main.ts');

const attempts = new Map<string, number>();
const delivered = new Map<string, number>();
const receiver = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const id = String(request.headers['webhook-id']);
    const attempt = (attempts.get(id) ?? 0) + 1;
    attempts.set(id, attempt);
    if (attempt === 1 && Math.random() < 0.3) {
      if (Math.random() < 0.5) response.socket?.resetAndDestroy();
      else response.writeHead(503).end();
      return;
    }
    // A receiver that honours the id acts on the first of them alone.
    delivered.set(id, (delivered.get(id) ?? 0) + 1);
    response.writeHead(200).end();
  });
});
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
const target = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;

let port = '0';
let kills = 0;
async function start(): Promise<Started> {
  const started = await startScript(
    main,
    { PORT: port, TRUNKLINE_DATA: directory, TRUNKLINE_ADMIN_KEY: adminKey, TRUNKLINE_ALLOW_PRIVATE_TARGETS: 'on' },
    /^ready (\S+)/,
  );
  port = new URL(started.value).port;
  return started;
}

let product = await start();

const call = <T>(method: string, path: string, body?: unknown) =>
  callApi<T>(product.value, adminKey, method, path, body);

const hook = await call<{ id: string; url: string }>('POST', '/v1/hooks', {
  name: 'Soak',
  verify: { kind: 'none' },
  dedupe: { header: 'x-number' },
  perMinute: 6_000,
});
await call('POST', '/v1/subscriptions', { url: target, types: ['trunkline.hook.received'] });
const automation = await call<{ id: string }>('POST', '/v1/automations', {
  name: 'Soak',
  when: { hook: hook.id },
  maxPerMinute: 600,
  do: [
    {
      name: 'first',
      call: 'proptt2/demo/sendMessageToChannel',
      input: { channelId: 1, message: '{% "first " & event.data.body.number %}' },
    },
    { wait: { seconds: 1 } },
    {
      name: 'second',
      call: 'proptt2/demo/sendMessageToChannel',
      input: { channelId: 1, message: '{% "second " & event.data.body.number %}' },
    },
  ],
});

const accepted = new Map<number, string>();
const until = Date.now() + seconds * 1000;
const killing = setInterval(() => void killAndRestart(), killEvery);
let restarting: Promise<void> | undefined;

function killAndRestart(): Promise<void> {
  restarting ??= (async () => {
    kills++;
    const ended = new Promise((resolve) => product.child.once('exit', resolve));
    product.child.kill('SIGKILL');
    await ended;
    product = await start();
  })().finally(() => {
    restarting = undefined;
  });
  return restarting;
}

let number = 0;
while (Date.now() < until) {
  const mine = number++;
  for (;;) {
    try {
      const path = new URL(hook.url).pathname;
      const answer = await fetch(`${product.value}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-number': String(mine) },
        body: JSON.stringify({ number: mine }),
        signal: AbortSignal.timeout(5_000),
      });
      const { eventId } = (await answer.json()) as { eventId?: string };
      if (answer.ok && eventId !== undefined) {
        accepted.set(mine, eventId);
        break;
      }
    } catch {
      // Killed in the middle: the same number is posted again, and must not become a second event.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await new Promise((resolve) => setTimeout(resolve, short ? 120 : 60));
}
clearInterval(killing);
await restarting;

const problems: string[] = [];
const wait = Date.now() + (short ? 45_000 : 400_000);
const missing = () => [...accepted.values()].filter((id) => !delivered.has(id));
const running = async () =>
  (await call<{ id: string }[]>('GET', `/v1/runs?automation=${automation.id}&state=running&limit=200`)).length;
while ((missing().length > 0 || (await running()) > 0) && Date.now() < wait)
  await new Promise((resolve) => setTimeout(resolve, 500));

if (missing().length > 0) problems.push(`${missing().length} of ${accepted.size} events were never delivered`);
if (new Set(accepted.values()).size !== accepted.size) problems.push('two posts share an event');
const strangers = [...delivered.keys()].filter((id) => ![...accepted.values()].includes(id));
if (strangers.length > 0) problems.push(`${strangers.length} events were delivered that no answer had named`);
const left = await running();
if (left > 0) problems.push(`${left} runs have not ended`);
const repeated = [...delivered.values()].filter((count) => count > 1).length;
await product.stop();

const state = JSON.parse(readFileSync(join(directory, 'sandbox', 'proptt2.json'), 'utf8')) as {
  sent: { text?: string }[];
};
const texts = state.sent.map((each) => each.text ?? '');
const doubles = texts.filter((text, at) => texts.indexOf(text) !== at);
if (doubles.length > 0) problems.push(`sent twice: ${doubles.slice(0, 5).join(', ')}`);

receiver.close();
rmSync(directory, { recursive: true, force: true });
const { line, problems: faultProblems } = await faultMinute(
  short ? { seconds: 10, everyMs: 500, seed: 1 } : { seconds: 60, everyMs: 320, seed: Date.now() % 1_000_000 },
);
problems.push(...faultProblems);
process.stdout.write(
  `Soak of ${seconds} s: ${accepted.size} events, ${kills} kills, ${[...attempts.values()].filter((count) => count > 1).length} delivered after a failure, ` +
    `${repeated} delivered again after their answer was lost, ${texts.length} messages sent\n${line}\n` +
    `${problems.length === 0 ? 'Nothing was lost and nothing done twice.' : problems.join('; ')}\n`,
);
process.exit(problems.length === 0 ? 0 : 1);
