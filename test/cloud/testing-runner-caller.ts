import { LocalDurableTestRunner } from '@aws/durable-execution-sdk-js-testing';
import { startRun, stepsOf } from '../../lib/automations/runs/runs.ts';
import { useFiles } from '../../lib/aws/services.ts';
import type { Starter } from '../../lib/core/durable.ts';
import { appendEvents, type EventItem } from '../../lib/events/log.ts';
import { keys } from '../../lib/store/items.ts';
import { routeEvents } from '../../lib/subscriptions/route-events.ts';
import { createSubscription } from '../../lib/subscriptions/subscriptions.ts';
import { admin, memoryFiles, startBackends } from '../support/harness.ts';
import { startReceiver } from '../support/receiver.ts';

/**
 * The deliver function in the SDK's own runner, in a separate process: the runner replaces the timers of its process, which a
 * test runner does not survive. Prints the results.
 */
const backends = await startBackends();
Object.assign(process.env, backends.env, { TRUNKLINE_ALLOW_PRIVATE_TARGETS: 'on' });
useFiles(memoryFiles());
const receiver = await startReceiver();
await LocalDurableTestRunner.setupTestEnvironment({ skipTime: true });
const { services } = await import('../../lib/aws/services.ts');
const { handler } = await import('../../functions/deliver-event.ts');
const gateway = services();
receiver.reply = (response, _request, count) => response.writeHead(count < 3 ? 503 : 204).end();
await createSubscription(gateway, admin, { url: receiver.url, types: ['talk.*'] });
const { ids } = await appendEvents(gateway, [
  {
    vendor: 'talk',
    connection: 'team',
    type: 'talk.message.created',
    readBy: 'getChatMessages',
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
const [event] = await gateway.table.getMany<EventItem>(ids.map(keys.event));
if (!event) throw new Error('The event is missing');
await routeEvents({ ...gateway, starter }, [event], async () => undefined);

const runner = new LocalDurableTestRunner({ handlerFunction: handler });
const execution = await runner.run({ payload: started[0] });
const run = await startRun(
  { ...gateway, starter },
  {
    owner: 'waits',
    name: 'Waits, then asks a connection that is not there',
    definition: {
      do: [
        { name: 'pause', wait: { seconds: 2 } },
        { name: 'gone', call: 'proptt2/none/getChannelList', onError: 'continue' },
      ],
    },
    scopes: ['*/*/*'],
    keyId: 'admin',
    cause: 'test',
    createdAt: gateway.clock.now(),
  },
);
const runs = new LocalDurableTestRunner({
  handlerFunction: (await import('../../functions/run-automation.ts')).handler,
});
const automation = await runs.run({ payload: { runId: run } });
const outcome = {
  run: {
    status: automation.getStatus(),
    result: automation.getResult(),
    operations: automation.getOperations().map((operation) => operation.getName()),
    steps: (await stepsOf(gateway.table, run)).map(({ name, state }) => [name, state]),
  },
  started: started.length,
  status: execution.getStatus(),
  result: execution.getResult(),
  event: ids[0],
  received: receiver.received.map(({ headers }) => headers['webhook-id']),
  operations: execution.getOperations().map((operation) => operation.getName()),
};
await LocalDurableTestRunner.teardownTestEnvironment();
await receiver.close();
await backends.stop();
process.stdout.write(`\n${JSON.stringify(outcome)}\n`);
process.exit(0);
