import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  admin,
  memoryFiles,
  memorySecrets,
  processOf,
  startBackends,
  TestClock,
} from '../../../test/support/harness.ts';
import { type EventItem, eventId } from '../../events/log.ts';
import { keys } from '../../store/items.ts';
import type { SubscriptionItem } from '../subscriptions.ts';
import { type DeliveryItem, deliveryStates, listedAs, newDelivery } from './deliveries.ts';
import { type DeliveryQuery, listDeliveries } from './list.ts';

const clock = new TestClock();
let services: ReturnType<typeof processOf> & { files: ReturnType<typeof memoryFiles> };
let stop = async () => {};
const stored: DeliveryItem[] = [];
const subscriptionId = (at: number) =>
  `sub_${String(at)
    .padStart(16, 'a')
    .replaceAll(/\d/g, (digit) => 'bcdefghijk'[Number(digit)] ?? '')}`;

beforeAll(async () => {
  const backends = await startBackends();
  const base = processOf(backends.database, memorySecrets(), clock);
  services = { ...base, files: memoryFiles() };
  stop = async () => {
    base.close();
    await backends.stop();
  };
  // Three events for sixty subscriptions; the first two were stored in the same millisecond.
  for (const [index, appendedAt] of [clock.now(), clock.now(), clock.now() + 5].entries()) {
    const fact = { vendor: 'talk', connection: index === 2 ? 'other' : 'team', type: 'talk.message.created' } as const;
    const id = eventId({ ...fact, id: `m${index}` });
    const timestamp = new Date(appendedAt).toISOString();
    const event = {
      ...keys.event(id),
      ...fact,
      id,
      timestamp,
      data: {},
      appendedAt,
      order: index,
      expiresAt: 4e9,
    } as EventItem;
    await services.table.put({ ...event });
    for (let at = 0; at < 60; at++) {
      const state = deliveryStates[(at + index) % deliveryStates.length] ?? 'pending';
      const subscription = { id: subscriptionId(at) } as SubscriptionItem;
      const item = { ...newDelivery(event, subscription, 0, appendedAt), state, ...listedAs(state, id, appendedAt) };
      await services.table.put({ ...item });
      stored.push(item);
    }
  }
}, 60_000);
afterAll(() => stop());

/** Every page of a query, one after the other. */
async function pages(query: Omit<DeliveryQuery, 'limit'>, limit: number, principal = admin): Promise<DeliveryItem[]> {
  const all: DeliveryItem[] = [];
  for (;;) {
    const before = all.at(-1)?.id;
    const page = await listDeliveries(services, principal, { ...query, limit, before });
    all.push(...page);
    if (page.length < limit) return all;
  }
}

const event = (at: number) => stored[at * 60]?.eventId ?? '';

test.each<[string, Omit<DeliveryQuery, 'limit'>, (item: DeliveryItem) => boolean]>([
  ['no filter', {}, () => true],
  ['a state', { state: 'given_up' }, ({ state }) => state === 'given_up'],
  ['a subscription', { subscription: subscriptionId(7) }, (item) => item.subscriptionId === subscriptionId(7)],
  [
    'a subscription and a state',
    { subscription: subscriptionId(7), state: 'retrying' },
    (item) => item.subscriptionId === subscriptionId(7) && item.state === 'retrying',
  ],
  [
    'a subscription and what was delivered to it',
    { subscription: subscriptionId(7), state: 'delivered' },
    (item) => item.subscriptionId === subscriptionId(7) && item.state === 'delivered',
  ],
])('pages with %s give each delivery once, in one order', async (_name, query, fits) => {
  const wanted = stored.filter(fits).map(({ id }) => id);
  const found = await pages(query, 7);
  expect(found.map(({ id }) => id).sort()).toEqual(wanted.sort());
  const places = found.map(({ sk, pk }) => `${sk} ${pk}`);
  expect(places).toEqual([...places].sort().reverse());
});

test('pages of one event give its deliveries, and of one that is unknown none', async () => {
  expect(await pages({ event: event(1) }, 7)).toHaveLength(60);
  expect(await pages({ event: event(1), subscription: subscriptionId(3) }, 7)).toHaveLength(1);
  expect(await pages({ event: eventId({ vendor: 'talk', connection: 'x', type: 'x', id: 'none' }) }, 7)).toEqual([]);
});

test('a key sees what it may read, on full pages', async () => {
  const key = { ...admin, scopes: ['talk/other/*'] };
  const [first] = [await listDeliveries(services, key, { limit: 7 })];
  expect(first).toHaveLength(7);
  expect(await pages({}, 7, key)).toHaveLength(60);
});

test('a page reads no subscription, and nothing beyond the page', async () => {
  const { table } = services;
  const requestsOf = async (query: DeliveryQuery) => {
    const before = table.requests;
    await listDeliveries(services, admin, query);
    return table.requests - before;
  };
  // Eight lists for each state.
  expect(await requestsOf({ limit: 10 })).toBeLessThanOrEqual(60);
  expect(await requestsOf({ state: 'given_up', limit: 10 })).toBeLessThanOrEqual(12);
  expect(await requestsOf({ subscription: subscriptionId(1), limit: 10 })).toBe(1);
});

test('a list that cannot be read in time says so', async () => {
  const over = AbortSignal.abort();
  await expect(listDeliveries(services, admin, { limit: 10 }, over)).rejects.toMatchObject({ code: 'unavailable' });
});
