import { afterAll, beforeAll, expect, test } from 'vitest';
import { durableFunction } from '../../lib/aws/durable.ts';
import { useFiles } from '../../lib/aws/services.ts';
import { type DurableContext, StepInterrupted } from '../../lib/core/durable.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { Table } from '../../lib/store/table.ts';
import { type DurableRuntime, startDurableRuntime } from '../../local/durable-runtime.ts';
import { memoryFiles, startBackends, TestClock } from '../harness.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
const clock = new TestClock(Date.now());
const files = memoryFiles();
let number = 0;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  useFiles(files);
  table = new Table('trunkline', {
    endpoint: backends.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
});
afterAll(async () => {
  table.destroy();
  await backends.stop();
});

type Body = (context: DurableContext) => Promise<object>;

/** Runs a body as a durable function; `restart` throws the runtime away and makes another over the same table. */
async function running(body: Body) {
  const name = `function-${++number}`;
  const faults: unknown[] = [];
  const handlers = { [name]: durableFunction<object>(name, (_services, context) => body(context)) };
  let runtime = await make();
  function make(): Promise<DurableRuntime> {
    return startDurableRuntime({ table, handlers, clock, onFault: (...fault) => faults.push(fault[2]) });
  }
  return {
    faults,
    start: (payload: object = {}, execution = 'one') =>
      runtime.functions[name]?.start(payload, { name: execution, functionArn: `arn:aws:lambda:x:1:function:${name}` }),
    complete: (id: string, result: unknown) => runtime.complete(id, JSON.stringify(result)),
    pass: async (seconds: number) => {
      await runtime.idle();
      clock.advance(seconds * 1000);
      runtime.wake();
      await runtime.idle();
    },
    idle: () => runtime.idle(),
    restart: async () => {
      await runtime.stop();
      runtime = await make();
    },
    stop: () => runtime.stop(),
  };
}

test('steps run once, in order, and their results survive every replay', async () => {
  const calls: string[] = [];
  const app = await running(async (context) => {
    const first = await context.step('first', async () => calls.push('first'));
    await context.wait('pause', 60);
    const second = await context.step('second', async () => {
      calls.push('second');
      return { first };
    });
    await context.wait('again', 60);
    return { second, nothing: await context.step('nothing', async () => undefined) };
  });
  const started = await app.start();
  await app.idle();
  expect(calls).toEqual(['first']);
  await app.pass(59);
  expect(calls).toEqual(['first']);
  await app.pass(1);
  expect(calls).toEqual(['first', 'second']);
  await app.restart();
  await app.pass(60);
  expect(calls).toEqual(['first', 'second']);
  const again = await app.start();
  expect(await again?.result).toEqual({ second: { first: 1 } });
  expect(again?.executionArn).toBe(started?.executionArn);
  await app.stop();
});

test('the same name starts once; another payload under it is refused', async () => {
  let runs = 0;
  const app = await running(async (context) => ({ runs: await context.step('count', async () => ++runs) }));
  const all = await Promise.all(Array.from({ length: 5 }, () => app.start({ id: 1 })));
  expect(await Promise.all(all.map((each) => each?.result))).toEqual(Array(5).fill({ runs: 1 }));
  await expect(app.start({ id: 2 })).rejects.toThrow('another payload');
  expect(await (await app.start({ id: 1 }))?.result).toEqual({ runs: 1 });
  await app.stop();
});

test('an error keeps its code through storage, and a fault of ours is tried again with pauses', async () => {
  let refusals = 0;
  let faults = 0;
  const app = await running(async (context) => {
    const refused = await context
      .step('refused', async () => {
        refusals++;
        throw new GatewayError('vendor_conflict', 'Linked already.', {
          vendor: 'proptt2',
          status: 409,
          outcome: 'refused',
        });
      })
      .catch((error: unknown) => error);
    await context.wait('pause', 5);
    const mended = await context.step('mended', async (attempt) => {
      if (++faults < 4) throw new TypeError('no network');
      return attempt;
    });
    if (!(refused instanceof GatewayError)) throw new Error('The error lost its class');
    const { code, message, vendor, outcome } = refused;
    return { code, message, vendor, outcome, mended };
  });
  const started = await app.start();
  await app.idle();
  for (let at = 0; at < 6; at++) await app.pass(5);
  expect(await started?.result).toEqual({
    code: 'vendor_conflict',
    message: 'Linked already.',
    vendor: 'proptt2',
    outcome: 'refused',
    mended: 4,
  });
  expect([refusals, faults]).toEqual([1, 4]);
  await app.stop();
});

test('a step decides itself whether and when it is repeated', async () => {
  const at: number[] = [];
  const app = await running(async (context) => {
    const result = await context
      .step(
        'siren',
        async () => {
          at.push(clock.now());
          throw new GatewayError('outcome_unknown', 'Lost.', { outcome: 'unknown' });
        },
        { atMostOnce: true, retry: (_error, attempt) => (attempt < 3 ? 10 : undefined) },
      )
      .catch((error: GatewayError) => ({ code: error.code }));
    return { result };
  });
  const started = await app.start();
  for (let round = 0; round < 4; round++) await app.pass(10);
  expect(await started?.result).toEqual({ result: { code: 'outcome_unknown' } });
  expect(at.map((time) => (time - (at[0] ?? 0)) / 1000)).toEqual([0, 10, 20]);
  await app.stop();
});

test('what was cut off in the middle is done again, unless it must not be: then it is reported', async () => {
  for (const atMostOnce of [false, true]) {
    const calls: number[] = [];
    let hang = true;
    const app = await running(async (context) => {
      const outcome = await context
        .step(
          'write',
          async () => {
            calls.push(calls.length);
            if (hang) await new Promise(() => undefined);
            return 'done';
          },
          { atMostOnce },
        )
        .catch((error: unknown) => (error instanceof StepInterrupted ? `interrupted: ${error.step}` : String(error)));
      await context.wait('pause', 1);
      return { outcome };
    });
    await app.start();
    while (calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // The start of a step that may be repeated is stored beside it, not before it.
    await new Promise((resolve) => setTimeout(resolve, 50));
    hang = false;
    await app.restart();
    await app.idle();
    await app.pass(1);
    const started = await app.start();
    expect(await started?.result).toEqual({ outcome: atMostOnce ? 'interrupted: write' : 'done' });
    expect(calls).toHaveLength(atMostOnce ? 1 : 2);
    await app.stop();
  }
}, 20_000);

test('a wait for something ends when it comes, also over a restart, or when its time is over', async () => {
  const ids: string[] = [];
  const app = await running(async (context) => {
    const first = await context.waitFor<{ who: string }>('first', async (id) => void ids.push(id), 60);
    const second = await context.waitFor('second', async (id) => void ids.push(id), 60);
    return { first, second };
  });
  const started = await app.start();
  await app.idle();
  expect(await app.complete(ids[0] ?? '', { who: 'ada' })).toBe(true);
  await app.restart();
  await app.idle();
  expect(await app.complete(ids[0] ?? '', { who: 'bob' })).toBe(false);
  await app.pass(60);
  expect(ids).toHaveLength(2);
  expect(await app.complete(ids[1] ?? '', {})).toBe(false);
  expect(await app.complete('rubbish', {})).toBe(false);
  expect(await (await app.start())?.result).toEqual({
    first: { done: true, value: { who: 'ada' } },
    second: { done: false },
  });
  void started;
  await app.stop();
});

test('what completes a wait while it is being registered is not lost', async () => {
  const app = await running(async (context) => ({
    waited: await context.waitFor('quick', async (id) => void (await app.complete(id, 7)), 60),
  }));
  const started = await app.start();
  expect(await started?.result).toEqual({ waited: { done: true, value: 7 } });
  await app.stop();
});

test('a completion in the very moment of falling asleep wakes it again', async () => {
  let id = '';
  const app = await running(async (context) => ({
    waited: await context.waitFor('moment', async (callbackId) => void (id = callbackId), 3600),
  }));
  for (let round = 0; round < 30; round++) {
    id = '';
    const started = await app.start({}, `round-${round}`);
    while (id === '') await new Promise((resolve) => setImmediate(resolve));
    // An invocation that has nothing more to do ends 20 ms later.
    await new Promise((resolve) => setTimeout(resolve, 16 + (round % 10)));
    expect(await app.complete(id, round)).toBe(true);
    expect(await started?.result).toEqual({ waited: { done: true, value: round } });
  }
  await app.stop();
});

test('a map runs so many items at a time, goes on after failures, and is not run again after a wait', async () => {
  let inFlight = 0;
  let most = 0;
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
          await new Promise((resolve) => setTimeout(resolve, 5));
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
  const started = await app.start();
  for (let round = 0; round < 3; round++) await app.pass(5);
  expect(await started?.result).toEqual({
    done: Array.from({ length: 40 }, (_, index) => index).filter((index) => index !== 13),
    failed: ['vendor_not_found'],
  });
  expect(most).toBe(4);
  expect(calls).toHaveLength(40);
  await app.stop();
});

test('a result beyond 200 kB goes to the file store and comes back whole', async () => {
  const text = 'é'.repeat(150_000);
  const app = await running(async (context) => {
    const large = await context.step('large', async () => ({ text }));
    await context.wait('pause', 1);
    return { same: large.text === text };
  });
  const started = await app.start();
  await app.pass(1);
  expect(await started?.result).toEqual({ same: true });
  await app.stop();
});

test('an execution that fails says so, and leaves nothing that runs', async () => {
  const app = await running(async (context) => {
    await context.step('one', async () => 1);
    throw new Error('A bug.');
  });
  const started = await app.start();
  await expect(started?.result).rejects.toThrow('A bug.');
  expect(app.faults).toHaveLength(1);
  const { items } = await table.query({ pk: `execution#function-${number}#one` });
  expect(items).toMatchObject([{ state: 'failed', result: 'A bug.' }]);
  expect(items[0]).not.toHaveProperty('dueAt');
  await app.stop();
});
