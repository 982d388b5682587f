import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { registerSecret } from '../../lib/core/redact.ts';
import { subscriptionSecret } from '../../lib/core/secrets.ts';
import type { DeliveryItem } from '../../lib/events/deliveries.ts';
import { listDeliveries } from '../../lib/events/delivery-list.ts';
import { scheduleLength } from '../../lib/events/delivery-schedule.ts';
import { listEvents } from '../../lib/events/list.ts';
import { type EventItem, eventId } from '../../lib/events/log.ts';
import { rotateSecret } from '../../lib/events/subscription-secrets.ts';
import {
  changeSubscription,
  listSubscriptions,
  readSubscription,
  removeSubscription,
} from '../../lib/events/subscriptions.ts';
import { keys } from '../../lib/store/items.ts';
import { Table } from '../../lib/store/table.ts';
import { admin, TestClock } from '../harness.ts';
import { startWorld, type World } from './event-world.ts';
import { type Receiver, startReceiver } from './receiver.ts';

const second = 1000;
const hour = 3_600 * second;
const clock = new TestClock(Date.now());
let world: World;
let receivers: Receiver[] = [];

beforeAll(async () => {
  world = await startWorld(clock);
});
afterAll(() => world.close());
afterEach(async () => {
  await world.runtime.idle();
  for (const { id } of await listSubscriptions(world.services.table)) {
    await removeSubscription(world.services, id, 'The test is over.');
  }
  await Promise.all(receivers.map((receiver) => receiver.close()));
  receivers = [];
  world.setPatience(15 * second);
});

async function receive(reply?: Receiver['reply']): Promise<Receiver> {
  const receiver = await startReceiver(reply);
  receivers.push(receiver);
  return receiver;
}
const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Receiver['reply'] =>
  (response) =>
    response.writeHead(code, headers).end(body);
/** Lets time pass, and whatever is due then happen. */
async function pass(ms: number): Promise<void> {
  await world.runtime.idle();
  clock.advance(ms);
  world.runtime.wake();
  await world.runtime.idle();
}
async function deliveryOf(subscription: string): Promise<DeliveryItem> {
  const [delivery, ...others] = await listDeliveries(world.services, admin, { subscription, limit: 500 });
  if (!delivery || others.length > 0) throw new Error(`There are ${others.length + 1} deliveries or none`);
  return delivery;
}
/** Attempt after attempt, each when it is due, until the delivery has ended or the condition holds. */
async function follow(subscription: string, until: (delivery: DeliveryItem) => boolean = () => false) {
  for (let turn = 0; turn < 40; turn++) {
    await world.runtime.idle();
    const delivery = await deliveryOf(subscription);
    if (delivery.nextAttemptAt === undefined || until(delivery)) return delivery;
    await pass(Math.max(second, delivery.nextAttemptAt - clock.now() + second));
  }
  throw new Error('The delivery does not end');
}
const ownEvent = (type: string, id: string, connection = 'team') =>
  world.services.table.get<EventItem>(keys.event(eventId({ vendor: 'trunkline', connection, type, id })));
const headersOf = (request: Receiver['received'][number] | undefined) => request?.headers as Record<string, string>;
/** The package holds times against the machine's clock alone, and a test's clock runs ahead. */
function verifies(secret: string, request: Receiver['received'][number] | undefined): boolean {
  const headers = headersOf(request);
  const hook = new Webhook(secret);
  const at = new Date(Number(headers['webhook-timestamp']) * second);
  const own = hook.sign(headers['webhook-id'] ?? '', at, request?.body ?? '');
  return (headers['webhook-signature'] ?? '').split(' ').includes(own);
}

test('an event arrives once, signed after Standard Webhooks, with the very body that the list shows', async () => {
  clock.time = Date.now();
  const receiver = await receive(status(204));
  const { item, secret } = await world.subscribe({ url: receiver.url });
  const { ids } = await world.publish([world.event({ data: { message: 'Évacuation – 3ᵉ étage 🔥' } })]);
  await world.runtime.idle();
  const [request, ...more] = receiver.received;
  const [listed] = await listEvents(world.services, { limit: 1, readable: () => true });
  expect(more).toEqual([]);
  expect(new Webhook(secret).verify(request?.body ?? '', headersOf(request))).toEqual(listed);
  expect(JSON.parse(request?.body ?? '')).toEqual(listed);
  expect(headersOf(request)).toMatchObject({ 'webhook-id': ids[0], 'content-type': 'application/json' });
  expect(request?.method).toBe('POST');
  expect(await deliveryOf(item.id)).toMatchObject({ state: 'delivered', attempts: [{ number: 1, status: 204 }] });
  expect(world.timeouts.at(-1)).toBe(15 * second);
});

test('ten attempts over 75 hours, each signed anew under the same id, then given up, and an event says so', async () => {
  const receiver = await receive(status(503, {}, 'Down for the night'));
  const { item, secret } = await world.subscribe({ url: receiver.url, types: ['talk.*'] });
  const { ids } = await world.publish([world.event()]);
  const delivery = await follow(item.id);
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

  const told = await ownEvent('trunkline.delivery.given_up', delivery.id);
  expect(told).toMatchObject({
    about: { vendor: 'talk', connection: 'team' },
    data: { deliveryId: delivery.id, subscriptionId: item.id, eventId: ids[0], attempts: 10 },
  });
  // A hook's URL is often a secret in itself.
  expect(JSON.stringify(told)).not.toContain('/hook');
});

test('giving up on the news of a given-up delivery makes no more news', async () => {
  const receiver = await receive(status(500));
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event({ vendor: 'trunkline', type: 'trunkline.delivery.given_up' })]);
  const delivery = await follow(item.id);
  expect(delivery.state).toBe('given_up');
  expect(await ownEvent('trunkline.delivery.given_up', delivery.id)).toBeUndefined();
});

test('what fails at first arrives later, and a success ends the count of failure', async () => {
  const receiver = await receive((response, _request, count) => response.writeHead(count < 4 ? 502 : 200).end());
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event()]);
  await follow(item.id, ({ attempts }) => attempts.length === 2);
  expect((await readSubscription(world.services.table, item.id))?.failingSince).toBeDefined();
  expect(await follow(item.id)).toMatchObject({ state: 'delivered', attempts: [{}, {}, {}, { status: 200 }] });
  expect((await readSubscription(world.services.table, item.id))?.failingSince).toBeUndefined();
});

test('Retry-After is honoured, as seconds and as a date, but not beyond the end of the schedule', async () => {
  const asked = ['3600', new Date(clock.now() + 12 * hour).toUTCString(), '8640000'];
  const receiver = await receive((response, _request, count) =>
    response.writeHead(429, { 'retry-after': asked[count - 1] ?? '0' }).end(),
  );
  const { item } = await world.subscribe({ url: receiver.url });
  const start = clock.now();
  await world.publish([world.event()]);
  const { attempts } = await follow(item.id, (delivery) => delivery.attempts.length === 4);
  const at = attempts.map((attempt) => (attempt.at - start) / hour);
  expect(at[1]).toBeGreaterThanOrEqual(1);
  expect(at[1]).toBeLessThan(1.01);
  expect(at[2]).toBeGreaterThanOrEqual(11.99);
  expect(at[2]).toBeLessThan(12.02);
  expect(at[3]).toBeGreaterThan(75);
  expect(at[3]).toBeLessThan(76);
});

test('410 removes the subscription with its secret at once, and calls off what was on its way', async () => {
  let code = 500;
  const receiver = await receive((response) => response.writeHead(code).end());
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event()]);
  await world.runtime.idle();
  code = 410;
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect((await readSubscription(world.services.table, item.id))?.state).toBe('removed');
  expect(await world.services.secrets.read(subscriptionSecret(item.id))).toBeUndefined();
  await pass(hour);
  await world.publish([world.event()]);
  await pass(hour);
  const deliveries = await listDeliveries(world.services, admin, { subscription: item.id, limit: 10 });
  expect(deliveries.map(({ state, attempts }) => [state, attempts.length])).toEqual([
    ['cancelled', 1],
    ['cancelled', 1],
  ]);
  expect(receiver.received).toHaveLength(2);
});

test('a redirect is a failure and is not followed', async () => {
  const elsewhere = await receive();
  const receiver = await receive(status(307, { location: elsewhere.url }));
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect(await deliveryOf(item.id)).toMatchObject({ state: 'retrying', attempts: [{ status: 307 }] });
  expect(elsewhere.received).toEqual([]);
});

test('a target that does not answer, breaks off or does not exist fails with a reason', async () => {
  world.setPatience(100);
  const silent = await receive(() => undefined);
  const broken = await receive((response) => response.destroy());
  const gone = await startReceiver();
  await gone.close();
  const reasons: (string | undefined)[] = [];
  for (const { url } of [silent, broken, gone]) {
    const { item } = await world.subscribe({ url });
    await world.publish([world.event()]);
    await world.runtime.idle();
    reasons.push((await deliveryOf(item.id)).attempts[0]?.error);
    await removeSubscription(world.services, item.id, 'Done.');
  }
  expect(reasons[0]).toBe('The target did not answer within 15 seconds.');
  expect(reasons[1]).toContain('The target broke off');
  expect(reasons[2]).toContain('The target could not be reached');
});

test('an answer counts by its status, though its body never ends or is huge', async () => {
  world.setPatience(200);
  const endless = await receive((response) => response.writeHead(200).write('thank you'));
  const huge = await receive(status(200, {}, 'x'.repeat(3_000_000)));
  for (const { url } of [endless, huge]) {
    const { item } = await world.subscribe({ url });
    await world.publish([world.event()]);
    await world.runtime.idle();
    const { state, attempts } = await deliveryOf(item.id);
    expect(state).toBe('delivered');
    expect(attempts[0]?.excerpt?.length).toBeLessThanOrEqual(500);
    await removeSubscription(world.services, item.id, 'Done.');
  }
});

test('no private address is reached, by whatever name, unless this machine allows it', async () => {
  const receiver = await receive();
  const port = new URL(receiver.url).port;
  world.services.targets.allowPrivateNetwork = false;
  try {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '169.254.169.254']) {
      const { item } = await world.subscribe({ url: `http://${host}:${port}/hook` });
      await world.publish([world.event()]);
      await world.runtime.idle();
      const { attempts } = await deliveryOf(item.id);
      expect(attempts[0]?.error).toContain("The target's address is not allowed");
      await removeSubscription(world.services, item.id, 'Done.');
    }
  } finally {
    world.services.targets.allowPrivateNetwork = true;
  }
  expect(receiver.received).toEqual([]);
});

test('what a target answers is kept redacted', async () => {
  registerSecret('hunter2hunter2');
  const receiver = await receive(status(500, {}, '{"password":"swordfish","echo":"hunter2hunter2"}'));
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event()]);
  await world.runtime.idle();
  const excerpt = (await deliveryOf(item.id)).attempts[0]?.excerpt ?? '';
  expect(excerpt).toContain('echo');
  expect(excerpt).not.toMatch(/swordfish|hunter2/);
});

test('while a secret is rotated both sign; after the overlap the new one alone', async () => {
  const receiver = await receive();
  const { item, secret: old } = await world.subscribe({ url: receiver.url });
  const fresh = await rotateSecret(world.services, item, 3600);
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect(receiver.received.map((request) => [verifies(old, request), verifies(fresh, request)])).toEqual([
    [true, true],
  ]);
  clock.advance(2 * hour);
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect([verifies(old, receiver.received[1]), verifies(fresh, receiver.received[1])]).toEqual([false, true]);
});

test('of two rotations at once one is told so, and the other is what signs', async () => {
  const receiver = await receive();
  const { item } = await world.subscribe({ url: receiver.url });
  const results = await Promise.allSettled([0, 1, 2].map(() => rotateSecret(world.services, item, 60)));
  const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(won).toHaveLength(1);
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect(verifies(won[0] ?? '', receiver.received[0])).toBe(true);
});

test('after five days without a success a subscription is switched off, an event says so, and it can be switched on', async () => {
  let code = 500;
  const receiver = await receive((response) => response.writeHead(code).end());
  const { item } = await world.subscribe({ url: receiver.url, types: ['talk.message.created'], connection: 'team' });
  await world.publish([world.event()]);
  await follow(item.id);
  clock.advance(48 * hour);
  await world.publish([world.event()]);
  await world.runtime.idle();
  const disabled = await readSubscription(world.services.table, item.id);
  expect(disabled).toMatchObject({ state: 'disabled', reason: expect.stringContaining('Nothing was accepted since') });
  const told = await ownEvent('trunkline.subscription.disabled', `${item.id}/${disabled?.failingSince}`);
  expect(told?.data).toMatchObject({ subscriptionId: item.id, target: new URL(receiver.url).host });
  await pass(hour);
  const before = receiver.received.length;
  await world.publish([world.event()]);
  await pass(hour);
  expect(receiver.received).toHaveLength(before);
  code = 200;
  if (disabled) await changeSubscription(world.services.table, clock, disabled, { enabled: true });
  await world.publish([world.event()]);
  await world.runtime.idle();
  expect(receiver.received).toHaveLength(before + 1);
  expect(await readSubscription(world.services.table, item.id)).toMatchObject({ state: 'active' });
});

test('a paused subscription gets nothing, neither new events nor repetitions', async () => {
  const receiver = await receive(status(500));
  const { item } = await world.subscribe({ url: receiver.url });
  await world.publish([world.event()]);
  await world.runtime.idle();
  await changeSubscription(world.services.table, clock, item, { enabled: false });
  await world.publish([world.event()]);
  expect(await follow(item.id)).toMatchObject({ state: 'cancelled', reason: 'The subscription is paused.' });
  expect(receiver.received).toHaveLength(1);
});

test('a fault of our own is no attempt, and once an answer is noted nothing is sent again', async () => {
  const receiver = await receive();
  const { item } = await world.subscribe({ url: receiver.url });
  const update = Table.prototype.update;
  let failures = 3;
  // The database is away just when the first answers are noted.
  Table.prototype.update = async function (this: Table, ...given: Parameters<Table['update']>) {
    if (given[0].pk === `delivery#${item.id}` && failures-- > 0) throw new Error('The database is away.');
    return update.apply(this, given);
  } as Table['update'];
  try {
    await world.publish([world.event()]);
    for (let round = 0; round < 5; round++) await pass(5 * second);
  } finally {
    Table.prototype.update = update;
  }
  expect(await deliveryOf(item.id)).toMatchObject({ state: 'delivered', attempts: [{ number: 1 }] });
  expect(new Set(receiver.received.map((request) => headersOf(request)['webhook-id'])).size).toBe(1);
  expect(receiver.received).toHaveLength(4);
  await pass(hour);
  expect(receiver.received).toHaveLength(4);
});
