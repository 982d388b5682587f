import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { DeliveryItem } from '../../lib/subscriptions/deliveries/deliveries.ts';
import { listDeliveries } from '../../lib/subscriptions/deliveries/list.ts';
import { listSubscriptions, removeSubscription } from '../../lib/subscriptions/subscriptions.ts';
import { startWorld, type World } from './event-world.ts';
import { admin, TestClock } from './harness.ts';
import { type Receiver, startReceiver } from './receiver.ts';

export const second = 1000;
export const hour = 3_600 * second;

/** A world for the tests of one file, with targets that end with each test. Call it at the top of the file. */
export function deliveryStage() {
  const clock = new TestClock(Date.now());
  let receivers: Receiver[] = [];
  let world: World | undefined;
  const stage = {
    clock,
    get world(): World {
      if (!world) throw new Error('The world starts with the first test');
      return world;
    },
    receive: async (reply?: Receiver['reply']): Promise<Receiver> => {
      const receiver = await startReceiver(reply);
      receivers.push(receiver);
      return receiver;
    },
    /** Lets time pass, and whatever is due then happen. */
    pass: async (ms: number): Promise<void> => {
      await stage.world.runtime.idle();
      clock.advance(ms);
      stage.world.runtime.wake();
      await stage.world.runtime.idle();
    },
    deliveryOf: async (subscription: string): Promise<DeliveryItem> => {
      const [delivery, ...others] = await listDeliveries(stage.world.services, admin, { subscription, limit: 500 });
      if (!delivery || others.length > 0) throw new Error(`There are ${others.length + 1} deliveries or none`);
      return delivery;
    },
    /** Attempt after attempt, each when it is due, until the delivery has ended or the condition holds. */
    follow: async (
      subscription: string,
      until: (delivery: DeliveryItem) => boolean = () => false,
    ): Promise<DeliveryItem> => {
      for (let turn = 0; turn < 40; turn++) {
        await stage.world.runtime.idle();
        const delivery = await stage.deliveryOf(subscription);
        if (delivery.nextAttemptAt === undefined || until(delivery)) return delivery;
        await stage.pass(Math.max(second, delivery.nextAttemptAt - clock.now() + second));
      }
      throw new Error('The delivery does not end');
    },
  };
  beforeAll(async () => {
    world = await startWorld(clock);
  });
  afterAll(() => stage.world.close());
  afterEach(async () => {
    await stage.world.runtime.idle();
    for (const { id } of await listSubscriptions(stage.world.services.table)) {
      await removeSubscription(stage.world.services, id, 'The test is over.');
    }
    await Promise.all(receivers.map((receiver) => receiver.close()));
    receivers = [];
    stage.world.setAttemptTime(15 * second);
  });
  return stage;
}

/** A target's answer with a fixed status. */
export const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Receiver['reply'] =>
  (response) =>
    response.writeHead(code, headers).end(body);

export const headersOf = (request: Receiver['received'][number] | undefined) =>
  request?.headers as Record<string, string>;

/** The package holds times against the machine's clock alone, and a test's clock runs ahead: so the signature is made again. */
export function verifies(secret: string, request: Receiver['received'][number] | undefined): boolean {
  const headers = headersOf(request);
  const at = new Date(Number(headers['webhook-timestamp']) * second);
  const own = new Webhook(secret).sign(headers['webhook-id'] ?? '', at, request?.body ?? '');
  return (headers['webhook-signature'] ?? '').split(' ').includes(own);
}
