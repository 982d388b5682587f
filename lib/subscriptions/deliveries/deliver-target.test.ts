import { expect, test } from 'vitest';
import { deliveryStage, hour, second, status, verifies } from '../../../test/support/delivery-stage.ts';
import { FakeExecution } from '../../../test/support/fake-execution.ts';
import { admin, TestClock } from '../../../test/support/harness.ts';
import { startReceiver } from '../../../test/support/receiver.ts';
import { registerSecret } from '../../core/redaction/redact.ts';
import { appendEvents } from '../../events/log.ts';
import { keys } from '../../store/items.ts';
import { rotateSigningSecret } from '../secrets.ts';
import { removeSubscription } from '../subscriptions.ts';
import { deliver } from './deliver.ts';
import { newDelivery, startDelivery } from './deliveries.ts';
import { listDeliveries } from './list.ts';
import { reserveTurn } from './target-rate.ts';

const stage = deliveryStage();

test('a redirect is a failure and is not followed', async () => {
  const elsewhere = await stage.receive();
  const receiver = await stage.receive(status(307, { location: elsewhere.url }));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(await stage.deliveryOf(item.id)).toMatchObject({ state: 'retrying', attempts: [{ status: 307 }] });
  expect(elsewhere.received).toEqual([]);
});

test('a target that does not answer, breaks off or does not exist fails with a reason', async () => {
  stage.world.setAttemptTime(100);
  const silent = await stage.receive(() => undefined);
  const broken = await stage.receive((response) => response.destroy());
  const gone = await startReceiver();
  await gone.close();
  const reasons: (string | undefined)[] = [];
  for (const { url } of [silent, broken, gone]) {
    const { item } = await stage.world.subscribe({ url });
    await stage.world.publish([stage.world.event()]);
    await stage.world.runtime.idle();
    reasons.push((await stage.deliveryOf(item.id)).attempts[0]?.error);
    await removeSubscription(stage.world.services, item.id, 'Done.');
  }
  expect(reasons[0]).toBe('The target did not answer within 15 seconds.');
  expect(reasons[1]).toContain('The target broke off');
  expect(reasons[2]).toContain('The target could not be reached');
});

test('a target that hangs gets two requests a second instead of 25, until it answers again', async () => {
  stage.world.setAttemptTime(50);
  const { table } = stage.world.services;
  const receiver = await stage.receive(() => undefined);
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const spacing = async () => (await table.get<{ spacing?: number }>(keys.targetRate(receiver.url)))?.spacing;
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  // 15 seconds without an answer, 32 open requests: processes that wait for this target stay few.
  expect(await spacing()).toBe(469);

  stage.clock.advance(60 * second);
  const start = stage.clock.now();
  await stage.world.publish(Array.from({ length: 8 }, () => stage.world.event()));
  await stage.world.runtime.idle();
  const deliveries = await listDeliveries(stage.world.services, admin, { subscription: item.id, limit: 20 });
  const turns = deliveries.flatMap(({ reserved }) => (reserved ? [reserved.at - start] : []));
  expect(turns.sort((a, b) => a - b)).toEqual([5, 6, 7].map((turn) => turn * 469));

  receiver.reply = (response) => response.writeHead(200).end();
  stage.world.setAttemptTime(15 * second);
  stage.clock.advance(60 * second);
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(await spacing()).toBe(40);
});

test('only the status of a response counts, even if its body never ends or is huge', async () => {
  stage.world.setAttemptTime(200);
  const endless = await stage.receive((response) => response.writeHead(200).write('thank you'));
  const huge = await stage.receive(status(200, {}, 'x'.repeat(3_000_000)));
  for (const { url } of [endless, huge]) {
    const { item } = await stage.world.subscribe({ url });
    await stage.world.publish([stage.world.event()]);
    await stage.world.runtime.idle();
    const { state, attempts } = await stage.deliveryOf(item.id);
    expect(state).toBe('delivered');
    expect(attempts[0]?.excerpt?.length).toBeLessThanOrEqual(500);
    await removeSubscription(stage.world.services, item.id, 'Done.');
  }
});

test('no private address is reached by any name, unless this machine allows it', async () => {
  const receiver = await stage.receive();
  const port = new URL(receiver.url).port;
  stage.world.services.targets.allowPrivateNetwork = false;
  try {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1', '169.254.169.254']) {
      const { item } = await stage.world.subscribe({ url: `http://${host}:${port}/hook` });
      await stage.world.publish([stage.world.event()]);
      await stage.world.runtime.idle();
      const { attempts } = await stage.deliveryOf(item.id);
      expect(attempts[0]?.error).toContain("The target's address is not allowed");
      await removeSubscription(stage.world.services, item.id, 'Done.');
    }
  } finally {
    stage.world.services.targets.allowPrivateNetwork = true;
  }
  expect(receiver.received).toEqual([]);
});

test('the response of a target is stored redacted', async () => {
  registerSecret('hunter2hunter2');
  const receiver = await stage.receive(status(500, {}, '{"password":"swordfish","echo":"hunter2hunter2"}'));
  const { item } = await stage.world.subscribe({ url: receiver.url });
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  const excerpt = (await stage.deliveryOf(item.id)).attempts[0]?.excerpt ?? '';
  expect(excerpt).toContain('echo');
  expect(excerpt).not.toMatch(/swordfish|hunter2/);
});

test('during a rotation both secrets sign; after the overlap only the new one does', async () => {
  const receiver = await stage.receive();
  const { item, secret: old } = await stage.world.subscribe({ url: receiver.url });
  const fresh = await rotateSigningSecret(stage.world.services, item, 3600);
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(receiver.received.map((request) => [verifies(old, request), verifies(fresh, request)])).toEqual([
    [true, true],
  ]);
  stage.clock.advance(2 * hour);
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect([verifies(old, receiver.received[1]), verifies(fresh, receiver.received[1])]).toEqual([false, true]);
});

test('of two concurrent rotations one is refused, and the other signs', async () => {
  const receiver = await stage.receive();
  const { item } = await stage.world.subscribe({ url: receiver.url });
  const results = await Promise.allSettled([0, 1, 2].map(() => rotateSigningSecret(stage.world.services, item, 60)));
  const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(won).toHaveLength(1);
  await stage.world.publish([stage.world.event()]);
  await stage.world.runtime.idle();
  expect(verifies(won[0] ?? '', receiver.received[0])).toBe(true);
});

test('a delivery that has waited for its turn is sent, although the clock was set back meanwhile', async () => {
  const { services } = stage.world;
  const receiver = await stage.receive();
  const { item } = await stage.world.subscribe({ url: receiver.url });
  for (let turn = 0; turn < 75; turn++) await reserveTurn(services.table, receiver.url, stage.clock.now());
  const [event] = (await appendEvents(services, [stage.world.event()])).items;
  if (!event) throw new Error('The event was not stored');
  const { id: deliveryId } = newDelivery(event, item, 0, stage.clock.now());
  const starter = { ...services.starter, startDelivery: async () => undefined };
  await startDelivery({ ...services, starter }, newDelivery(event, item, 0, stage.clock.now()));
  // As on one machine, waits follow a clock that never goes back.
  const waits = new TestClock(0);
  let back = hour;
  const rest = async (nextAt: number) => {
    stage.clock.advance(nextAt - waits.now() - back);
    back = 0;
  };
  await new FakeExecution(waits).run((context) => deliver(services, context, { deliveryId }), rest);
  expect(receiver.received).toHaveLength(1);
  expect(waits.now()).toBe(3 * second);
  stage.clock.advance(hour);
});
