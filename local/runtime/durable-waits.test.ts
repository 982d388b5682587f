import { expect, test } from 'vitest';
import type { DurableContext } from '../../lib/core/durable.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { durableStage } from '../../test/support/durable-stage.ts';
import { until } from '../../test/support/until.ts';

const { clock, running } = durableStage();

test('a wait ends with its callback, even after a restart, or with its timeout', async () => {
  const ids: string[] = [];
  const app = await running(async (context) => {
    const first = await context.waitFor<{ who: string }>('first', async (id) => void ids.push(id), 60);
    const second = await context.waitFor('second', async (id) => void ids.push(id), 60);
    return { first, second };
  });
  await app.start();
  await app.idle();
  expect(await app.complete(ids[0] ?? '', { who: 'ada' })).toBe(true);
  await app.restart();
  await app.idle();
  expect(await app.complete(ids[0] ?? '', { who: 'bob' })).toBe(false);
  await app.pass(60);
  expect(ids).toHaveLength(2);
  expect(await app.complete(ids[1] ?? '', {})).toBe(false);
  expect(await app.complete('rubbish', {})).toBe(false);
  expect(await app.result()).toEqual({
    first: { done: true, value: { who: 'ada' } },
    second: { done: false },
  });
  await app.stop();
});

test('after a process dies at the end of a wait, the next one continues from there', async () => {
  const ids: string[] = [];
  let started = 0;
  const app = await running(async (context) => {
    const waited = await context.waitFor('answer', async (id) => void ids.push(id), 3600);
    const after = await context.step('after', async () => {
      if (++started === 1) await new Promise(() => undefined);
      return 'done';
    });
    return { waited, after };
  });
  await app.start();
  await app.idle();
  expect(await app.complete(ids[0] ?? '', 'yes')).toBe(true);
  await until(() => started === 1);
  await app.restart();
  await app.idle();
  expect(started).toBe(2);
  expect(await app.result()).toEqual({ waited: { done: true, value: 'yes' }, after: 'done' });
  await app.stop();
});

test('an execution that continues while the runtime still starts can end the wait of another', async () => {
  let waiting = '';
  let executions = 0;
  let attempts = 0;
  const app = await running(async (context) => {
    const isFirst = await context.step('which', async () => ++executions === 1);
    const register = async (id: string) => {
      waiting = id;
    };
    if (isFirst) return context.waitFor('answer', register, 3600);
    return context.step('answers', async () => {
      if (++attempts === 1) await new Promise(() => undefined);
      return { taken: await app.complete(waiting, 'yes') };
    });
  });
  await app.start();
  await app.idle();
  await app.start({}, 'other');
  await until(() => attempts === 1);
  await app.restart();
  await app.idle();
  expect(await app.result('other')).toEqual({ taken: true });
  expect(await app.result()).toEqual({ done: true, value: 'yes' });
  await app.stop();
});

const dayMs = 24 * 60 * 60_000;

test('waits that were stored by a clock a day ahead last no longer once the clock is right', async () => {
  const over: string[] = [];
  const app = await running(async (context) => {
    const attempt = async (number: number) => {
      if (number === 1) throw new Error('It failed.');
      return null;
    };
    const branch = (name: string, wait: (inner: DurableContext) => Promise<unknown>) =>
      context.branch(name, async (inner) => {
        await wait(inner);
        await inner.step(`${name} is over`, async () => void over.push(name));
      });
    await Promise.all([
      branch('pause', (inner) => inner.wait('pause', 60)),
      branch('answer', (inner) => inner.waitFor('answer', async () => undefined, 90)),
      branch('retry', (inner) => inner.step('retry', attempt, { retry: () => 120 })),
    ]);
    return {};
  });
  clock.advance(dayMs);
  await app.start();
  await app.idle();
  clock.advance(-dayMs);
  await app.restart();
  await app.pass(59);
  // It is counted from the first start with the right clock.
  await app.restart();
  await app.idle();
  expect(over).toEqual([]);
  await app.pass(1);
  expect(over).toEqual(['pause']);
  await app.pass(30);
  expect(over).toEqual(['pause', 'answer']);
  await app.pass(30);
  expect(over).toEqual(['pause', 'answer', 'retry']);
  expect(await app.result()).toEqual({});
  await app.stop();
});

test('an execution that was started by a clock a day ahead continues at the next start', async () => {
  let started = 0;
  const app = await running(async (context) =>
    context.step('cut off', async () => {
      if (++started === 1) await new Promise(() => undefined);
      return { attempts: started };
    }),
  );
  clock.advance(dayMs);
  await app.start();
  await until(() => started === 1);
  clock.advance(-dayMs);
  await app.restart();
  expect(await app.result()).toEqual({ attempts: 2 });
  await app.stop();
});

test('a callback after the timeout of a wait is too late, even if the timeout was not processed yet', async () => {
  let id = '';
  const app = await running(async (context) => ({
    waited: await context.waitFor(
      'late',
      async (callbackId) => {
        id = callbackId;
      },
      60,
    ),
  }));
  await app.start();
  await app.idle();
  clock.advance(60_000);
  expect(await app.complete(id, 'too late')).toBe(false);
  await app.pass(0);
  expect(await app.result()).toEqual({ waited: { done: false } });
  await app.stop();
});

test('a callback during the registration of a wait is not lost', async () => {
  const app = await running(async (context) => ({
    waited: await context.waitFor('quick', async (id) => void (await app.complete(id, 7)), 60),
  }));
  await app.start();
  expect(await app.result()).toEqual({ waited: { done: true, value: 7 } });
  await app.stop();
});

test.each(['before the invocation ends', 'before it is stored that it rests', 'once that is stored'] as const)(
  'a completion wakes an execution that starts to rest: %s',
  async (moment) => {
    const registered = Promise.withResolvers<string>();
    const app = await running(async (context) => ({
      waited: await context.waitFor('moment', async (callbackId) => registered.resolve(callbackId), 3600),
    }));
    const { table } = app;
    const { update } = table;
    let completed: Promise<boolean> | undefined;
    const complete = async () => {
      completed ??= registered.promise.then((id) => app.complete(id, moment));
    };
    // With this write an execution goes to rest. What completes it meanwhile waits for the end of the write.
    table.update = (async (...given: Parameters<typeof update>) => {
      const isRest = given[1].includes('#duePk');
      if (isRest && moment === 'before it is stored that it rests') void complete();
      const written = await update.apply(table, given);
      if (isRest) void complete();
      return written;
    }) as typeof update;
    try {
      await app.start();
      if (moment === 'before the invocation ends') await registered.promise.then(complete);
      expect(await app.result()).toEqual({ waited: { done: true, value: moment } });
      expect(await completed).toBe(true);
    } finally {
      table.update = update;
      await app.stop();
    }
  },
);

test('a map runs a number of items at a time, continues after failures, and is not repeated after a wait', async () => {
  let inFlight = 0;
  let most = 0;
  const full = Promise.withResolvers<void>();
  const calls: number[] = [];
  const app = await running(async (context) => {
    const items = Array.from({ length: 40 }, (_, index) => index);
    const results = await context.map(
      'each',
      items,
      async (inner, item) => {
        const doubled = await inner.step(`item ${item}`, async () => {
          most = Math.max(most, ++inFlight);
          calls.push(item);
          // No item ends before as many run as may.
          if (inFlight === 4) full.resolve();
          await full.promise;
          inFlight--;
          if (item === 13) throw new GatewayError('vendor_not_found', 'No 13.');
          return { item, text: 'x'.repeat(10_000) };
        });
        if (item === 20) await inner.wait('inner pause', 5);
        return doubled;
      },
      { concurrency: 4 },
    );
    await context.wait('pause', 5);
    return {
      done: results.filter((each) => each.done).map((each) => each.value.item),
      failed: results.flatMap((each) => (each.done ? [] : [(each.error as GatewayError).code])),
    };
  });
  await app.start();
  for (let round = 0; round < 3; round++) await app.pass(5);
  expect(await app.result()).toEqual({
    done: Array.from({ length: 40 }, (_, index) => index).filter((index) => index !== 13),
    failed: ['vendor_not_found'],
  });
  expect(most).toBe(4);
  expect(calls).toHaveLength(40);
  await app.stop();
});

test('a result beyond 200 kB is stored as a file and read back completely', async () => {
  const text = 'é'.repeat(150_000);
  const app = await running(async (context) => {
    const large = await context.step('large', async () => ({ text }));
    await context.wait('pause', 1);
    return { same: large.text === text };
  });
  await app.start();
  await app.pass(1);
  expect(await app.result()).toEqual({ same: true });
  await app.stop();
});
