import { DynamoDBClient, TransactionCanceledException, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../../test/support/event-world.ts';
import { TestClock } from '../../test/support/harness.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import { listEvents } from '../events/list.ts';
import { appendEvents, type EventItem } from '../events/log.ts';
import { findOccurred } from '../events/waiters.ts';
import { keys } from '../store/items.ts';
import { waiterServices } from './route-events.ts';
import { sweepEvents } from './sweep-events.ts';

const minute = 60_000;
const clock = new TestClock(Date.now());
let world: World;
let receiver: Receiver;
let started: string[] = [];

beforeAll(async () => {
  world = await startWorld(clock);
  receiver = await startReceiver();
  await world.subscribe({ url: receiver.url });
  clock.advance(10);
});
afterAll(async () => {
  await world.close();
  await receiver.close();
});
afterEach(async () => {
  await world.runtime.idle();
  receiver.received.length = 0;
  started = [];
});

const startRuns = async ({ id }: EventItem) => void started.push(id);
const sweep = async (all = false) => {
  const report = await sweepEvents(world.services, startRuns, { signal: new AbortController().signal, all });
  await world.runtime.idle();
  return report;
};
const arrived = () => receiver.received.map(({ headers }) => headers['webhook-id']);
const store = async (count = 1) =>
  (
    await appendEvents(
      world.services,
      Array.from({ length: count }, () => world.event()),
    )
  ).ids;
const listed = async () => (await listEvents(world.services, { limit: 500, scopes: ['*/*/*'] })).map(({ id }) => id);

test('an event that the stream did not deliver is routed two minutes later, once', async () => {
  const ids = await store(12);
  expect(await sweep()).toMatchObject({ found: 0 });
  clock.advance(2 * minute);
  expect(await sweep()).toMatchObject({ found: 12, routed: 12, failed: 0 });
  expect(arrived().sort()).toEqual([...ids].sort());
  expect([...started].sort()).toEqual([...ids].sort());
  expect(await listed()).toEqual(expect.arrayContaining(ids));
  clock.advance(10 * minute);
  expect(await sweep()).toMatchObject({ found: 0 });
});

test('an event that was routed is not swept, and a redrive does not wait', async () => {
  await world.publish([world.event()], startRuns);
  clock.advance(5 * minute);
  expect(await sweep()).toMatchObject({ found: 0 });
  const ids = await store();
  expect(await sweep(true)).toMatchObject({ found: 1, routed: 1 });
  expect(started).toContain(ids[0]);
});

test('runs and deliveries start although the log cannot store the position, which the sweep adds later', async () => {
  const throttled = new TransactionCanceledException({
    message: 'injected',
    $metadata: {},
    CancellationReasons: [{ Code: 'ThrottlingError' }, { Code: 'None' }],
  });
  const mock = mockClient(DynamoDBClient);
  mock.send.callThrough();
  mock.on(TransactWriteItemsCommand).rejects(throttled);
  let ids: string[];
  try {
    const published = await world.publish([world.event()], startRuns);
    ids = published.ids;
    expect([...published.report.failed.keys()]).toEqual(ids);
    expect(mock.commandCalls(TransactWriteItemsCommand).length).toBeGreaterThan(3);
  } finally {
    mock.restore();
  }
  await world.runtime.idle();
  expect(started).toEqual(ids);
  expect(arrived()).toEqual(ids);
  expect(await listed()).not.toContain(ids[0]);
  clock.advance(2 * minute);
  expect(await sweep()).toMatchObject({ found: 1, routed: 1 });
  expect(arrived()).toEqual(ids);
  expect(await listed()).toContain(ids[0]);
});

test('an event whose runs could not be started is listed, and tried again', async () => {
  const { ids, report } = await world.publish([world.event()], async () => {
    throw new Error('Lambda is away.');
  });
  expect(report.failed.size).toBe(1);
  expect(await listed()).toContain(ids[0]);
  clock.advance(2 * minute);
  await sweep();
  expect(started).toEqual(ids);
  clock.advance(5 * minute);
  expect(await sweep()).toMatchObject({ found: 0 });
});

test('a delivery whose start was lost is started again', async () => {
  const { startDelivery } = world.services.starter;
  world.services.starter.startDelivery = async () => undefined;
  const { ids } = await world.publish([world.event()]);
  world.services.starter.startDelivery = startDelivery;
  expect(await sweep()).toMatchObject({ restarted: 0 });
  clock.advance(3 * minute);
  expect(await sweep()).toMatchObject({ restarted: 1 });
  expect(arrived()).toEqual(ids);
  clock.advance(3 * minute);
  expect(await sweep()).toMatchObject({ restarted: 0 });
});

test('a wait finds an event before it has its position in the log', async () => {
  const since = clock.now();
  const { ids } = await appendEvents(world.services, [world.event({ type: 'talk.waited' })]);
  const wanted = { type: 'talk.waited', scopes: ['*/*/*'], since, until: since + minute };
  const found = await findOccurred(waiterServices(world.services), wanted);
  expect(found?.id).toBe(ids[0]);
  const item = await world.services.table.get<EventItem>(keys.event(ids[0] ?? ''));
  expect(item?.position).toBeUndefined();
  await sweep(true);
  expect((await findOccurred(waiterServices(world.services), wanted))?.id).toBe(ids[0]);
});
