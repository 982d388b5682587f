import { DynamoDBClient, TransactionCanceledException, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../../test/support/event-world.ts';
import { admin, TestClock } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import type { Principal } from '../api/keys/key-check.ts';
import { withEvaluationBudget } from '../core/evaluation-budget.ts';
import { listEvents } from '../events/list.ts';
import { registerWaiter, type Wanted, waitersFor } from '../events/waiters.ts';
import { keys } from '../store/items.ts';
import { listDeliveries } from './deliveries/list.ts';
import { waiterServices } from './route-events.ts';
import { changeSubscription, listSubscriptions, readSubscription, removeSubscription } from './subscriptions.ts';

const clock = new TestClock(Date.now());
let world: World;
let receiver: Receiver;

beforeAll(async () => {
  world = await startWorld(clock);
  receiver = await startReceiver();
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
afterEach(async () => {
  await world.runtime.idle();
  for (const { id } of await listSubscriptions(world.services.table)) {
    await removeSubscription(world.services, id, 'The test is over.');
  }
  receiver.received.length = 0;
});

const subscribe = (wanted: Partial<Parameters<World['subscribe']>[0]> = {}, principal?: Principal) =>
  world.subscribe({ url: receiver.url, ...wanted }, principal).then(({ item }) => item);
/** The types that arrived, in the order of the alphabet. */
async function arrived(): Promise<string[]> {
  await world.runtime.idle();
  return receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type).sort();
}
const key = (scopes: string[]): Principal => ({ keyId: scopes.join(), name: 'key', scopes, perMinute: 1 });

test('the same batch twice, or in parts at once, makes one delivery each', async () => {
  const { id } = await subscribe();
  const { ids } = await world.publish([world.event(), world.event(), world.event()]);
  await Promise.all([world.route(ids), world.route(ids.slice(1)), world.route([...ids].reverse())]);
  await world.runtime.idle();
  await world.route(ids);
  expect(await arrived()).toHaveLength(3);
  expect(await listDeliveries(world.services, admin, { subscription: id, limit: 100 })).toHaveLength(3);
});

test('a delivery that was stored but not started is started by the repeated batch', async () => {
  await subscribe();
  const { startDelivery } = world.services.starter;
  world.services.starter.startDelivery = async () => {
    throw new Error('Lambda is away.');
  };
  const { ids, report } = await world.publish([world.event()]);
  world.services.starter.startDelivery = startDelivery;
  expect([...report.failed.keys()]).toEqual(ids);
  expect(await arrived()).toEqual([]);
  expect((await world.route(ids)).failed.size).toBe(0);
  expect(await arrived()).toHaveLength(1);
});

test('types, patterns and connections select, and a subscription gets no event from before it was created', async () => {
  await world.publish([world.event({ type: 'talk.before' })]);
  const [old = ''] = (await world.publish([world.event({ type: 'talk.before' })])).ids;
  clock.advance(10);
  await subscribe({ types: ['talk.message.*', 'proptt2.user.located'], connection: 'team' });
  await world.route([old]);
  await world.publish([
    world.event({ type: 'talk.message.created' }),
    world.event({ type: 'talk.messages' }),
    world.event({ type: 'talk.message' }),
    world.event({ type: 'talk.message.created', connection: 'other' }),
    world.event({ type: 'proptt2.user.located', vendor: 'proptt2' }),
    world.event({ type: 'proptt2.user.created', vendor: 'proptt2' }),
  ]);
  expect(await arrived()).toEqual(['proptt2.user.located', 'talk.message.created']);
});

test("a subscription delivers only what its creator's key may read, own events included", async () => {
  await subscribe({ types: ['*'] }, key(['talk/team/*', 'trunkline/*/*']));
  const about = (connection: string) => ({ vendor: 'talk', connection });
  await world.publish([
    world.event({ type: 'talk.a' }),
    world.event({ type: 'talk.b', connection: 'other' }),
    world.event({ type: 'proptt2.c', vendor: 'proptt2' }),
    world.event({ type: 'trunkline.d', vendor: 'trunkline', about: about('team') }),
    world.event({ type: 'trunkline.e', vendor: 'trunkline', about: about('other') }),
    world.event({ type: 'trunkline.f', vendor: 'trunkline' }),
  ]);
  expect(await arrived()).toEqual(['talk.a', 'trunkline.d']);
});

test('a JSONata filter lets through what it is true of; one that fails lets nothing through and says why', async () => {
  const { id } = await subscribe({ filter: 'event.data.level > 3' });
  const broken = await subscribe({ filter: '{% $number(event.data.level) > 3 %}' });
  await world.publish([1, 5, 'x'].map((level) => world.event({ type: `talk.level`, data: { level } })));
  await world.runtime.idle();
  const of = (subscription: string) => listDeliveries(world.services, admin, { subscription, limit: 9 });
  expect(await of(id)).toHaveLength(1);
  expect(await of(broken.id)).toHaveLength(1);
  expect((await readSubscription(world.services.table, broken.id))?.filterProblem).toContain('x');
  await changeSubscription(world.services.table, clock, broken, { filter: 'true' });
  expect((await readSubscription(world.services.table, broken.id))?.filterProblem).toBeUndefined();
});

test('an automation that cannot be started delays no delivery, and the event is routed again', async () => {
  await subscribe();
  const started: string[] = [];
  const events = [world.event({ type: 'talk.good' }), world.event({ type: 'talk.bad' })];
  const { ids, report } = await world.publish(events, async (event) => {
    if (event.type === 'talk.bad') throw new Error('No.');
    started.push(event.type);
  });
  expect([...report.failed.keys()]).toEqual([ids[1]]);
  expect(started).toEqual(['talk.good']);
  expect(await arrived()).toEqual(['talk.bad', 'talk.good']);
});

test('conflicting transactions are retried, and every event gets one position', async () => {
  const conflict = new TransactionCanceledException({
    message: 'injected',
    $metadata: {},
    CancellationReasons: [{ Code: 'TransactionConflict' }, { Code: 'None' }],
  });
  const mock = mockClient(DynamoDBClient);
  mock.send.callThrough();
  mock.on(TransactWriteItemsCommand).rejectsOnce(conflict).rejectsOnce(conflict).rejectsOnce(conflict);
  try {
    const { ids, report } = await world.publish([0, 1, 2].map(() => world.event({ connection: 'conflict' })));
    expect(mock.commandCalls(TransactWriteItemsCommand)).toHaveLength(4);
    expect(report).toMatchObject({ routed: 3, failed: new Map() });
    const listed = await listEvents(world.services, { connection: 'conflict', limit: 9, scopes: ['*/*/*'] });
    expect(listed.map(({ id }) => id)).toEqual([...ids].reverse());
  } finally {
    mock.restore();
  }
});

test('a burst to one target takes turns of 25 a second', async () => {
  clock.advance(60_000);
  const { id } = await subscribe();
  const start = clock.now();
  await world.publish(Array.from({ length: 75 }, () => world.event()));
  await world.runtime.idle();
  const rate = await world.services.table.get<{ next: number }>(keys.targetRate(receiver.url));
  expect(rate?.next).toBe(start + 75 * 40);
  // Those that are more than two seconds off let their process go until their turn.
  expect(receiver.received).toHaveLength(51);
  const deliveries = await listDeliveries(world.services, admin, { subscription: id, state: 'pending', limit: 100 });
  const turns = deliveries.map(({ reserved }) => (reserved?.at ?? 0) - start).sort((a, b) => a - b);
  expect(turns).toEqual(Array.from({ length: 24 }, (_, index) => (51 + index) * 40));
  clock.advance(5000);
  world.runtime.wake();
  expect(await arrived()).toHaveLength(75);
});

const wanted = (overrides: Partial<Wanted>): Wanted => ({
  callbackId: `callback ${Math.random()}`,
  type: 'talk.ack',
  scopes: ['*/*/*'],
  since: clock.now(),
  until: clock.now() + 60_000,
  ...overrides,
});

test('a waiting run receives the first event that meets its condition, once, and no other', async () => {
  const received: [string, unknown][] = [];
  world.services.starter.complete = async (id, value) => {
    received.push([id, value]);
    return true;
  };
  const waiting = waiterServices(world.services);
  const bound = { expression: 'event.data.ref = ref', bindings: { ref: '7F3A' } };
  await registerWaiter(waiting, wanted({ callbackId: 'ref', condition: bound, connection: 'talk/team' }));
  await registerWaiter(waiting, wanted({ callbackId: 'blind', scopes: ['proptt2/*/*'] }));
  await registerWaiter(waiting, wanted({ callbackId: 'late', until: clock.now() - 1 }));
  await world.publish([
    world.event({ type: 'talk.ack', data: { ref: '0000' } }),
    world.event({ type: 'talk.ack', data: { ref: '7F3A' }, connection: 'other' }),
    world.event({ type: 'talk.other', data: { ref: '7F3A' } }),
  ]);
  expect(received).toEqual([]);
  const { ids } = await world.publish([world.event({ type: 'talk.ack', data: { ref: '7F3A' } })]);
  expect(received).toEqual([['ref', { eventId: ids[0] }]]);
  await world.route(ids);
  expect(received).toHaveLength(1);
  expect((await waitersFor(world.services.table, 'talk.ack', clock.now())).map(({ callbackId }) => callbackId)).toEqual(
    ['blind'],
  );
});

test('an event is routed again if no process could evaluate the conditions of waits and filters', async () => {
  const received: string[] = [];
  world.services.starter.complete = async (id) => {
    received.push(id);
    return true;
  };
  await subscribe({ types: ['talk.kept'], filter: '{% event.data.level > 3 %}' });
  const condition = { expression: 'event.data.level > 3', bindings: {} };
  await registerWaiter(waiterServices(world.services), wanted({ callbackId: 'kept', type: 'talk.kept', condition }));
  const budget = { share: '', leftMs: 1000, signal: AbortSignal.abort() };
  const { ids, report } = await withEvaluationBudget(budget, () =>
    world.publish([world.event({ type: 'talk.kept', data: { level: 5 } })]),
  );
  expect([...report.failed.keys()]).toEqual(ids);
  expect(received).toEqual([]);
  await world.route(ids);
  expect(received).toEqual(['kept']);
  expect(await arrived()).toEqual(['talk.kept']);
});

test('what came just before a wait was registered is found by it, what came before its time is not', async () => {
  const received: string[] = [];
  world.services.starter.complete = async (id) => {
    received.push(id);
    return true;
  };
  const waiting = waiterServices(world.services);
  const type = 'talk.quick';
  await world.publish([world.event({ type })]);
  clock.advance(1000);
  const since = clock.now();
  await registerWaiter(waiting, wanted({ callbackId: 'early', type, since }));
  expect(received).toEqual([]);
  await world.publish([world.event({ type })]);
  await registerWaiter(waiting, wanted({ callbackId: 'after', type, since }));
  expect(received.sort()).toEqual(['after', 'early']);
});
