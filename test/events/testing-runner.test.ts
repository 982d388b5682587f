import { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useFiles } from '../../lib/aws/services.ts';
import type { Starter } from '../../lib/core/durable.ts';
import { appendEvents, type EventItem } from '../../lib/events/log.ts';
import { routeEvents } from '../../lib/events/route.ts';
import { createSubscription } from '../../lib/events/subscriptions.ts';
import { keys } from '../../lib/store/items.ts';
import { admin, memoryFiles, startBackends } from '../harness.ts';
import { type Receiver, startReceiver } from './receiver.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let receiver: Receiver;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env, { TRUNKLINE_ALLOW_PRIVATE_TARGETS: 'on' });
  useFiles(memoryFiles());
  receiver = await startReceiver();
  await LocalDurableTestRunner.setupTestEnvironment({ skipTime: true });
});
afterAll(async () => {
  await LocalDurableTestRunner.teardownTestEnvironment();
  await receiver.close();
  await backends.stop();
  delete process.env.TRUNKLINE_ALLOW_PRIVATE_TARGETS;
});

test("the deliver function passes the SDK's own runner: two refusals, then it is taken", async () => {
  const { services } = await import('../../lib/aws/services.ts');
  const { handler } = await import('../../functions/deliver-event.ts');
  const kit = services();
  receiver.reply = (response, _request, count) => response.writeHead(count < 3 ? 503 : 204).end();
  await createSubscription(kit, admin, { url: receiver.url, types: ['talk.*'] });
  const { ids } = await appendEvents(kit, [
    {
      vendor: 'talk',
      connection: 'team',
      type: 'talk.message.created',
      id: 'm1',
      timestamp: '2026-01-05T02:11:09Z',
      data: { message: 'hello' },
    },
  ]);
  const started: { deliveryId: string }[] = [];
  const starter: Starter = {
    startDelivery: async (_name, payload) => void started.push(payload),
    startRun: async () => undefined,
    complete: async () => false,
  };
  const [event] = await kit.table.getMany<EventItem>(ids.map(keys.event));
  if (!event) throw new Error('The event is missing');
  await routeEvents({ ...kit, starter }, [event], async () => undefined);
  expect(started).toHaveLength(1);

  const runner = new LocalDurableTestRunner({ handlerFunction: handler });
  const execution = await runner.run({ payload: started[0] });
  expect(execution.getStatus()).toBe('SUCCEEDED');
  expect(execution.getResult()).toEqual({ state: 'delivered' });
  expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([ids[0], ids[0], ids[0]]);
  expect(execution.getOperations().map((operation) => operation.getName())).toEqual([
    'turn 1',
    'pause 1',
    'turn 2',
    'pause 2',
    'turn 3',
  ]);
}, 60_000);
