import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalCredentials } from '../../local/aws/aws-request.ts';
import { startEmbeddedDynamodb } from '../../local/aws/embedded-dynamodb.ts';
import { startFaultyDatabase } from '../support/faulty-database.ts';
import { callApi, startScript } from './process.ts';

interface Minute {
  seconds: number;
  everyMs: number;
}

type FaultyDatabase = Awaited<ReturnType<typeof startFaultyDatabase>>;

const adminKey = 'tl_a-key-for-the-soak-only';
const main = join(import.meta.dirname, '../../local/main.ts');
const faults = { throttled: 0.3, dropped: 0.2 };
/** Until every run must have ended after the last fault, in milliseconds. */
const settleMs = 180_000;

/**
 * Posts alarms while the database throttles 30 % of the requests and loses the answers of another 20 %; a sender repeats what was
 * not accepted, as monitoring systems do. Returns a line with figures, and what went wrong: an alarm that was accepted and not
 * raised, one that was raised twice, a run that has not ended.
 */
export async function faultMinute({ seed, ...minute }: Minute & { seed: number }) {
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-faults-'));
  const credentials = createLocalCredentials();
  const { endpoint, stop } = await startEmbeddedDynamodb({ credentials });
  const database = await startFaultyDatabase({ endpoint, credentials }, seed);
  const product = await startScript(
    main,
    {
      PORT: '0',
      TRUNKLINE_DATA: directory,
      TRUNKLINE_ADMIN_KEY: adminKey,
      TRUNKLINE_DYNAMODB_ENDPOINT: database.endpoint,
    },
    /^ready (\S+)/,
  );
  let posted: Awaited<ReturnType<typeof postAlarms>>;
  try {
    posted = await postAlarms(product.value, database, minute);
  } finally {
    await product.stop();
    await database.close();
    await stop();
  }
  // Written when the product ends.
  const state = JSON.parse(readFileSync(join(directory, 'sandbox', 'proptt2.json'), 'utf8')) as {
    sent: { text?: string }[];
  };
  rmSync(directory, { recursive: true, force: true });
  const { alarms, repeated, left, reasons, problems } = posted;
  const raised = state.sent.flatMap(({ text = '' }) => (text.startsWith('alarm ') ? [text] : []));
  const lost = Array.from({ length: alarms }, (_, number) => `alarm ${number}`).filter(
    (text) => !raised.includes(text),
  );
  const doubled = raised.filter((text, at) => raised.indexOf(text) !== at);
  if (left > 0) problems.push(`${left} runs have not ended`);
  if (lost.length > 0) problems.push(`lost: ${lost.join(', ')} (${reasons[0] ?? 'no run failed'})`);
  if (doubled.length > 0) problems.push(`raised twice: ${doubled.join(', ')}`);
  const { passed, throttled, dropped } = database.counts;
  const line =
    `Faults for ${minute.seconds} s (seed ${seed}): ${alarms} alarms, ${throttled} requests throttled, ${dropped} answers lost, ${passed} passed, ` +
    `${repeated} posts repeated, ${left} runs left running, ${lost.length} alarms lost, ${doubled.length} doubled`;
  return { line, problems };
}

async function postAlarms(url: string, database: FaultyDatabase, { seconds, everyMs }: Minute) {
  const call = <T>(method: string, path: string, body?: unknown) => callApi<T>(url, adminKey, method, path, body);
  const hook = await call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'Faults',
    verify: { kind: 'none' },
    dedupe: { header: 'x-number' },
    perMinute: 6_000,
  });
  const automation = await call<{ id: string }>('POST', '/v1/automations', {
    name: 'Faults',
    when: { hook: hook.id },
    dedupe: { key: '{% $string(event.data.body.number) %}', seconds: 600 },
    do: [
      {
        name: 'alert',
        call: 'proptt2/demo/sendAlertToChannel',
        input: { channelId: 1, message: '{% "alarm " & event.data.body.number %}' },
      },
    ],
  });
  const target = url + new URL(hook.url).pathname;
  let repeated = 0;
  const post = async (number: number): Promise<void> => {
    for (;;) {
      const headers = { 'content-type': 'application/json', 'x-number': String(number) };
      const answer = await fetch(target, { method: 'POST', headers, body: JSON.stringify({ number }) });
      await answer.text();
      if (answer.ok) return;
      // Only this says that it may be sent again.
      if (answer.status !== 503) throw new Error(`Alarm ${number} was answered ${answer.status}`);
      repeated++;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };

  database.setFaults(faults);
  const posts: Promise<void>[] = [];
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    posts.push(post(posts.length));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  database.setFaults(undefined);
  const problems: string[] = [];
  for (const each of await Promise.allSettled(posts))
    if (each.status === 'rejected') problems.push(String(each.reason));

  const runs = (state: string) =>
    call<{ reason?: string }[]>('GET', `/v1/runs?automation=${automation.id}&limit=200${state}`);
  const deadline = Date.now() + settleMs;
  for (;;) {
    const left = (await runs('&state=running')).length;
    const all = (await runs('')).length;
    if ((left === 0 && all >= posts.length) || Date.now() > deadline) {
      const reasons = (await runs('&state=failed')).flatMap(({ reason }) => reason ?? []);
      return { alarms: posts.length, repeated, left, reasons, problems };
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
