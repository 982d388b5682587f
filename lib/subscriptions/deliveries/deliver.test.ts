import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { deliveryStage, headersOf, hour, second, status, verifies } from '../../../test/support/delivery-stage.ts';
import { admin } from '../../../test/support/harness.ts';
import type { DurableContext } from '../../core/durable.ts';
import { listEvents } from '../../events/list.ts';
import { type EventItem, eventId, shownEvent } from '../../events/log.ts';
import { type OwnEventType, ownEventTypes } from '../../events/own-event-types.ts';
import { keys } from '../../store/items.ts';
import { Table } from '../../store/table.ts';
import { changeSubscription, readSubscription } from '../subscriptions.ts';
import { abandonDelivery, deliver } from './deliver.ts';
import { readDelivery } from './deliveries.ts';
import { listDeliveries } from './list.ts';
import { scheduleLength } from './schedule.ts';

const stage = deliveryStage();
/** An event of our own with its data, or undefined where there is none. */
async function ownEvent(type: OwnEventType, id: string) {
  const key = keys.event(eventId({ vendor: 'trunkline', connection: 'team', type, id }));
  const item = await stage.world.services.table.get<EventItem>(key);
  if (!item) return undefined;
  const shown = await shownEvent(stage.world.services.files, item);
  expect(ownEventTypes[type].data().safeParse(shown.data)).toMatchObject({ success: true });
  return { ...item, ...shown };
}

test('an event arrives once, signed after Standard Webhooks, with the very body that the list shows', async () => {
  stage.clock.time = Date.now();
  const receiver = await stage.receive(status(204));
  const { item, secret } = await stage.world.subscribe({ url: receiver.url });
  const { ids } = await stage.world.publish([stage.world.event({ data: { message: 'Évacuation – 3ᵉ étage 🔥' } })]);
  await stage.world.runtime.idle();
  const [request, ...more] = receiver.received;
  const [listed] = await listEvents(stage.world.services, { limit: 1, scopes: ['*/*/*'] });
  expect(more).toEqual([]);
  expect(new Webhook(secret).verify(request?.body ?? '', headersOf(request))).toEqual(listed);
  expect(JSON.parse(request?.body ?? '')).toEqual(listed);
  expect(headersOf(request)).toMatchObject({ 'webhook-id': ids[0], 'content-type': 'application/json' });
  expect(request?.method).toBe('POST');
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'delivered', attempts: [{ number: 1, status: 204 }] });
  expect(stage.world.timeouts.at(-1)).toBe(15 * second);
});

test('an answer that is cut within a character does not cause another delivery', async () => {
  const receiver = await stage.receive(status(200, {}, `${'x'.repeat(499)}🔥`));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'delivered', attempts: [{ status: 200 }] });
  expect(receiver.received).toHaveLength(1);
});

test('ten attempts over 75 hours, each with a new signature and the same id; then it is given up, and an event reports it', async () => {
  const receiver = await stage.receive(status(503, {}, 'Down for the night'));
  const { item, secret } = await stage.world.subscribe({ url: receiver.url, types: ['talk.*'] });
  const { ids } = await stage.world.publish([stage.world.event()]);
  const delivery = await stage.follow(item.id);
  expect(delivery).toMatchObject({ state: 'given_up', reason: 'The target answered 503.' });
  expect(delivery.attempts).toHaveLength(10);
  expect(delivery.attempts[0]).toMatchObject({ status: 503, excerpt: 'Down for the night' });
  for (const [at, seconds] of [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400].entries()) {
    const gap = ((delivery.attempts[at + 1]?.at ?? 0) - (delivery.attempts[at]?.at ?? 0)) / second;
    expect(gap).toBeGreaterThanOrEqual(seconds * 0.8);
    expect(gap).toBeLessThanOrEqual(seconds * 1.2 + 3);
  }
  expect(scheduleLength / hour).toBeCloseTo(75.58, 1);
  const all = (name: string) => new Set(receiver.received.map((request) => headersOf(request)[name]));
  expect(all('webhook-id')).toEqual(new Set(ids));
  expect(all('webhook-timestamp').size).toBe(10);
  expect(all('webhook-signature').size).toBe(10);
  expect(receiver.received.every((request) => verifies(secret, request))).toBe(true);

  const answer = await ownEvent('trunkline.delivery.given_up', delivery.id);
  expect(answer).toMatchObject({
    about: { vendor: 'talk', connection: 'team' },
    data: { deliveryId: delivery.id, subscriptionId: item.id, eventId: ids[0], attempts: 10 },
  });
  // A hook's URL is often a secret in itself.
  expect(JSON.stringify(answer)).not.toContain('/hook');
});

test('a delivery whose execution has ended is given up, once, and an event says so', async () => {
  const receiver = await stage.receive(status(503));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  const { id } = await stage.deliveryOf(item.id);
  for (let times = 0; times < 2; times++) await abandonDelivery(stage.world.services, id, 'It ran out of time.');
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'given_up', reason: 'It ran out of time.' });
  expect(await ownEvent('trunkline.delivery.given_up', id)).toMatchObject({
    data: { deliveryId: id, attempts: 1, reason: 'It ran out of time.' },
  });
  await abandonDelivery(stage.world.services, 'run_abc_1_000000000000', 'Of no delivery.');
});

test('giving up the delivery of a given-up event emits no further event', async () => {
  const receiver = await stage.receive(status(500));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([
    stage.world.event({
      vendor: 'trunkline',
      type: 'trunkline.delivery.given_up',
      about: { vendor: 'talk', connection: 'team' },
    }),
  ]);
  const delivery = await stage.follow(item.id);
  expect(delivery.state).toBe('given_up');
  expect(await ownEvent('trunkline.delivery.given_up', delivery.id)).toBeUndefined();
});

test('a failed delivery is retried, and a success resets the failure time', async () => {
  const receiver = await stage.receive((response, _request, count) => response.writeHead(count < 4 ? 502 : 200).end());
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.follow(item.id, ({ attempts }) => attempts.length === 2);
  expect((await readSubscription(stage.world.services.table, item.id))?.failingSince).toBeDefined();
  expect(await stage.follow(item.id)).toMatchObject({ state: 'delivered', attempts: [{}, {}, {}, { status: 200 }] });
  expect((await readSubscription(stage.world.services.table, item.id))?.failingSince).toBeUndefined();
});

test('Retry-After is honoured, as seconds and as a date, but not beyond the end of the schedule', async () => {
  const asked = ['3600', new Date(stage.clock.now() + 12 * hour).toUTCString(), '8640000'];
  const receiver = await stage.receive((response, _request, count) =>
    response.writeHead(429, { 'retry-after': asked[count - 1] ?? '0' }).end(),
  );
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const start = stage.clock.now();
  await stage.world.publish([stage.world.event()]);
  const { attempts } = await stage.follow(item.id, (delivery) => delivery.attempts.length === 4);
  const at = attempts.map((attempt) => (attempt.at - start) / hour);
  expect(at[1]).toBeGreaterThanOrEqual(1);
  expect(at[1]).toBeLessThan(1.01);
  expect(at[2]).toBeGreaterThanOrEqual(11.99);
  expect(at[2]).toBeLessThan(12.02);
  expect(at[3]).toBeGreaterThan(75);
  expect(at[3]).toBeLessThan(76);
});

test('410 disables the subscription at once, reports it, keeps it listed, and cancels pending deliveries', async () => {
  let code = 500;
  const receiver = await stage.receive((response) => response.writeHead(code).end());
  const { item } = await stage.world.subscribe({
    url: receiver.url,
    types: ['talk.message.created'],
    connection: 'team',
  });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  code = 410;
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  const gone = await readSubscription(stage.world.services.table, item.id);
  expect(gone).toMatchObject({ state: 'gone', reason: 'The target answered 410 Gone.' });
  expect(await ownEvent('trunkline.subscription.gone', `${item.id}/${item.updatedAt}`)).toMatchObject({
    data: { subscriptionId: item.id, reason: 'The target answered 410 Gone.' },
  });
  await stage.pass(hour);
  await stage.world.publish([stage.world.event()]);
  await stage.pass(hour);
  const deliveries = await listDeliveries(stage.world.services, admin, { subscription: item.id, limit: 10 });
  expect(deliveries.map(({ state, attempts }) => [state, attempts.length])).toEqual([
    ['cancelled', 1],
    ['cancelled', 1],
  ]);
  expect(receiver.received).toHaveLength(2);
});

test('after five days without a success a subscription is switched off, an event says so, and it can be switched on', async () => {
  let code = 500;
  const receiver = await stage.receive((response) => response.writeHead(code).end());
  const { item } = await stage.world.subscribe({
    url: receiver.url,
    types: ['talk.message.created'],
    connection: 'team',
  });
  await stage.world.publish([stage.world.event()]);
  await stage.follow(item.id);
  stage.clock.advance(72 * hour);
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  const disabled = await readSubscription(stage.world.services.table, item.id);
  expect(disabled).toMatchObject({ state: 'disabled', reason: expect.stringContaining('Nothing was accepted since') });
  const answer = await ownEvent('trunkline.subscription.disabled', `${item.id}/${disabled?.failingSince}`);
  expect(answer?.data).toMatchObject({ subscriptionId: item.id, target: new URL(receiver.url).host });
  await stage.pass(hour);
  const before = receiver.received.length;
  await stage.world.publish([stage.world.event()]);
  await stage.pass(hour);
  expect(receiver.received).toHaveLength(before);
  code = 200;
  if (disabled) await changeSubscription(stage.world.services.table, stage.clock, disabled, { enabled: true });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(receiver.received).toHaveLength(before + 1);
  expect(await readSubscription(stage.world.services.table, item.id)).toMatchObject({ state: 'active' });
});

test('a paused subscription gets nothing, neither new events nor repetitions', async () => {
  const receiver = await stage.receive(status(500));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  await changeSubscription(stage.world.services.table, stage.clock, item, { enabled: false });
  await stage.world.publish([stage.world.event()]);
  expect(await stage.follow(item.id)).toMatchObject({ state: 'cancelled', reason: 'The subscription is paused.' });
  expect(receiver.received).toHaveLength(1);
});

test('an event older than 30 days is not delivered', async () => {
  const receiver = await stage.receive();
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const { starter } = stage.world.services;
  const { startDelivery } = starter;
  starter.startDelivery = async () => undefined;
  const { ids } = await stage.world.publish([stage.world.event()]);
  starter.startDelivery = startDelivery;
  const [delivery] = await listDeliveries(stage.world.services, admin, { subscription: item.id, limit: 1 });
  stage.clock.advance(30 * 24 * hour + second);
  await stage.world.route(ids);
  await stage.world.runtime.idle();
  expect(receiver.received).toEqual([]);
  expect(await readDelivery(stage.world.services, delivery?.id ?? '')).toMatchObject({ state: 'cancelled' });
});

test('a turn that is repeated after a crash sends nothing', async () => {
  const receiver = await stage.receive(status(500));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const { startDelivery } = stage.world.services.starter;
  stage.world.services.starter.startDelivery = async () => undefined;
  await stage.world.publish([stage.world.event()]);
  stage.world.services.starter.startDelivery = startDelivery;
  const waits: number[] = [];
  const twice: Pick<DurableContext, 'step' | 'wait'> = {
    step: async (_name, run) => {
      await run(1);
      return run(1);
    },
    wait: async (_name, seconds) => {
      waits.push(seconds);
      throw new Error('Enough.');
    },
  };
  const { id } = await stage.deliveryOf(item.id);
  const running = deliver(stage.world.services, twice as DurableContext, { deliveryId: id });
  await expect(running).rejects.toThrow('Enough.');
  expect(receiver.received).toHaveLength(1);
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'retrying', attempts: [{ number: 1 }] });
  expect(waits[0]).toBeGreaterThanOrEqual(4);
  expect(waits[0]).toBeLessThanOrEqual(6);
});

test('an internal error is not an attempt, and once a response is stored nothing is sent again', async () => {
  const receiver = await stage.receive();
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const update = Table.prototype.update;
  let failures = 3;
  // The database is away just when the first answers are noted.
  Table.prototype.update = async function (this: Table, ...given: Parameters<Table['update']>) {
    if (given[0].pk === `delivery#${item.id}` && failures-- > 0) throw new Error('The database is away.');
    return update.apply(this, given);
  } as Table['update'];
  try {
    await stage.world.publish([stage.world.event()]);
    for (let round = 0; round < 5; round++) await stage.pass(5 * second);
  } finally {
    Table.prototype.update = update;
  }
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'delivered', attempts: [{ number: 1 }] });
  expect(new Set(receiver.received.map((request) => headersOf(request)['webhook-id'])).size).toBe(1);
  expect(receiver.received).toHaveLength(4);
  await stage.pass(hour);
  expect(receiver.received).toHaveLength(4);
});
