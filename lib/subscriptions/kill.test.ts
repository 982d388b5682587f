import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, memoryFiles, processOf, startBackends } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import { useFiles } from '../aws/services.ts';
import { appendEvents, type NewEvent } from '../events/log.ts';
import { listDeliveries } from './delivery-list.ts';
import { createSubscription } from './subscriptions.ts';

const directory = mkdtempSync(join(tmpdir(), 'trunkline-kill-'));
let backends: Awaited<ReturnType<typeof startBackends>>;
let services: ReturnType<typeof processOf>;
let receiver: Receiver;
let child: ChildProcess | undefined;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  useFiles(memoryFiles());
  const { services: real } = await import('../aws/services.ts');
  services = processOf(backends.endpoint, real().secrets, { now: Date.now, sleep: async () => {} });
  receiver = await startReceiver();
});
afterAll(async () => {
  child?.kill('SIGKILL');
  services.close();
  await receiver.close();
  await backends.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function startChild(): Promise<void> {
  child = fork(new URL('../../test/support/delivery-process.ts', import.meta.url), {
    env: {
      ...process.env,
      ...backends.env,
      POSITION_FILE: join(directory, 'position.json'),
      TRUNKLINE_ALLOW_PRIVATE_TARGETS: 'on',
    },
    silent: true,
  });
  const failed = once(child, 'exit').then(([code, signal]) => {
    if (signal !== 'SIGKILL') throw new Error(`The process ended by itself: ${code}`);
  });
  await Promise.race([once(child, 'message'), failed]);
}
async function kill(): Promise<void> {
  if (!child) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('killed again and again in the middle, every event arrives, and a receiver that honours the id sees each once', async () => {
  const faults = new Set<string>();
  const accepted: string[] = [];
  receiver.reply = (response, { headers }, count) => {
    const id = String(headers['webhook-id']);
    // A fault at the first sight of every fifth event; a second one would only cost five minutes.
    if (count % 5 === 0 && !faults.has(id) && !accepted.includes(id)) {
      faults.add(id);
      return count % 10 === 0 ? response.destroy() : response.writeHead(503).end();
    }
    accepted.push(id);
    setTimeout(() => response.writeHead(200).end(), 5);
  };
  const { item } = await createSubscription(services, admin, { url: receiver.url, types: ['talk.*'] });
  const event = (index: number): NewEvent => ({
    vendor: 'talk',
    connection: 'team',
    type: 'talk.message.created',
    id: `m${index}`,
    timestamp: '2026-01-05T02:11:09Z',
    data: { index },
  });
  const ids: string[] = [];
  for (let round = 0; round < 3; round++) {
    await startChild();
    const batch = Array.from({ length: 25 }, (_, index) => event(round * 25 + index));
    ids.push(...(await appendEvents(services, batch)).ids);
    // Early enough that some are on their way, late enough that some have arrived.
    const enough = accepted.length + 10;
    for (let waited = 0; accepted.length < enough && waited < 5000; waited += 5) await pause(5);
    await kill();
  }
  await startChild();
  const arrived = () => new Set(accepted);
  for (let waited = 0; arrived().size < ids.length && waited < 60_000; waited += 50) await pause(50);
  expect([...arrived()].sort()).toEqual([...ids].sort());
  const states = async () =>
    (await listDeliveries(services, admin, { subscription: item.id, limit: 500 })).map(({ state }) => state);
  for (let waited = 0; (await states()).some((state) => state !== 'delivered') && waited < 20_000; waited += 100) {
    await pause(100);
  }
  expect(await states()).toEqual(ids.map(() => 'delivered'));
  expect(faults.size).toBeGreaterThan(3);
  // Sent twice is only what a process died over before it had noted the answer: at most what was in flight at a time.
  expect(accepted.length - arrived().size).toBeLessThan(3 * 32);
}, 120_000);
