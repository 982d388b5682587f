import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, memoryFiles, processOf, startBackends } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import { until } from '../../test/support/until.ts';
import { useFiles } from '../aws/services.ts';
import { appendEvents, type NewEvent } from '../events/log.ts';
import { listDeliveries } from './deliveries/list.ts';
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
  services = processOf(backends.database, real().secrets, { now: Date.now, sleep: async () => {} });
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

test('killed again and again in the middle, every event arrives, and a receiver that honours the id sees each once', async () => {
  const faults = new Set<string>();
  const accepted: string[] = [];
  let answered = 0;
  receiver.reply = (response, { headers }, count) => {
    const id = String(headers['webhook-id']);
    // The first attempt of every fifth event fails. A second failure would only take five minutes more.
    if (count % 5 === 0 && !faults.has(id) && !accepted.includes(id)) {
      faults.add(id);
      return count % 10 === 0 ? response.destroy() : response.writeHead(503).end();
    }
    accepted.push(id);
    // In each round, what comes after the first ten stays without an answer until the process is killed.
    if (accepted.length <= answered) response.writeHead(200).end();
  };
  const { item } = await createSubscription(services, admin, { url: receiver.url, types: ['talk.*'] });
  const event = (index: number): NewEvent => ({
    vendor: 'talk',
    connection: 'team',
    type: 'talk.message.created',
    readBy: 'getChatMessages',
    id: `m${index}`,
    timestamp: '2026-01-05T02:11:09Z',
    data: { index },
  });
  const ids: string[] = [];
  for (let round = 0; round < 3; round++) {
    answered = accepted.length + 10;
    await startChild();
    const batch = Array.from({ length: 25 }, (_, index) => event(round * 25 + index));
    ids.push(...(await appendEvents(services, batch)).ids);
    await until(() => accepted.length > answered + 5);
    await kill();
  }
  answered = Number.POSITIVE_INFINITY;
  await startChild();
  const arrived = () => new Set(accepted);
  await until(() => arrived().size === ids.length);
  expect([...arrived()].sort()).toEqual([...ids].sort());
  const states = async () =>
    (await listDeliveries(services, admin, { subscription: item.id, limit: 500 })).map(({ state }) => state);
  await until(async () => (await states()).every((state) => state === 'delivered'));
  expect(await states()).toEqual(ids.map(() => 'delivered'));
  expect(faults.size).toBeGreaterThan(3);
  // Sent twice is only what a process died over before it had noted the answer: at most what was in flight at a time.
  expect(accepted.length - arrived().size).toBeLessThan(3 * 32);
});
