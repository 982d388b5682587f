import { expect, test } from 'vitest';
import { StepInterrupted } from '../../lib/core/durable.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { durableStage } from '../../test/support/durable-stage.ts';
import { until } from '../../test/support/until.ts';

const { clock, running } = durableStage();

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
  expect(await app.start()).toBe(started);
  expect(await app.result()).toEqual({ second: { first: 1 } });
  await app.stop();
});

test('a name starts once; another payload with the same name is refused', async () => {
  let runs = 0;
  const app = await running(async (context) => ({ runs: await context.step('count', async () => ++runs) }));
  const all = await Promise.all(Array.from({ length: 5 }, () => app.start({ id: 1 })));
  expect(new Set(all).size).toBe(1);
  expect(await app.result()).toEqual({ runs: 1 });
  await expect(app.start({ id: 2 })).rejects.toThrow('another payload');
  expect(await app.start({ id: 1 })).toBe(all[0]);
  expect(await app.result()).toEqual({ runs: 1 });
  await app.stop();
});

test('an error keeps its code through storage, and an internal error is retried with pauses', async () => {
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
  await app.start();
  await app.idle();
  for (let at = 0; at < 6; at++) await app.pass(5);
  expect(await app.result()).toEqual({
    code: 'vendor_conflict',
    message: 'Linked already.',
    vendor: 'proptt2',
    outcome: 'refused',
    mended: 4,
  });
  expect([refusals, faults]).toEqual([1, 4]);
  await app.stop();
});

test('a step decides whether and when it is repeated', async () => {
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
  await app.start();
  for (let round = 0; round < 4; round++) await app.pass(10);
  expect(await app.result()).toEqual({ result: { code: 'outcome_unknown' } });
  expect(at.map((time) => (time - (at[0] ?? 0)) / 1000)).toEqual([0, 10, 20]);
  await app.stop();
});

test('an interrupted step is repeated, or reported if it must not be repeated', async () => {
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
    await until(() => calls.length > 0);
    // The start of a step that may be repeated is stored beside it, not before it.
    await until(async () => {
      const { items } = await app.table.query({ pk: `execution#${app.name}#one` });
      return items.some((item) => String(item.operation).includes('write'));
    });
    hang = false;
    await app.restart();
    await app.idle();
    await app.pass(1);
    await app.start();
    expect(await app.result()).toEqual({ outcome: atMostOnce ? 'interrupted: write' : 'done' });
    expect(calls).toHaveLength(atMostOnce ? 1 : 2);
    await app.stop();
  }
});

test('an execution that fails reports it and leaves nothing running', async () => {
  const app = await running(async (context) => {
    await context.step('one', async () => 1);
    throw new Error('A bug.');
  });
  const started = await app.start();
  await expect(app.result()).rejects.toThrow('A bug.');
  expect(app.faults).toHaveLength(1);
  expect(app.failed).toEqual([expect.objectContaining({ functionName: app.name, name: 'one', arn: started })]);
  const { items } = await app.table.query({ pk: `execution#${app.name}#one` });
  expect(items).toMatchObject([{ state: 'failed', result: 'A bug.' }]);
  expect(items[0]).not.toHaveProperty('dueAt');
  await app.stop();
});

test('branches run beside the following steps, through waits and restarts, and keep their results', async () => {
  const calls: string[] = [];
  const app = await running(async (context) => {
    const slow = context.branch('slow', async (inner) => {
      await inner.step('first', async () => calls.push('slow 1'));
      await inner.wait('pause', 60);
      return inner.step('second', async () => calls.push('slow 2'));
    });
    const failed = context
      .branch('failing', async (inner) => {
        await inner.wait('pause', 10);
        throw new GatewayError('vendor_conflict', 'Linked already.', { outcome: 'refused' });
      })
      .catch((error: unknown) => (error instanceof GatewayError ? error.code : String(error)));
    await context.step('beside', async () => calls.push('beside'));
    return { slow: await slow, failed: await failed };
  });
  await app.start();
  await app.idle();
  expect(new Set(calls)).toEqual(new Set(['slow 1', 'beside']));
  await app.restart();
  await app.pass(10);
  await app.pass(50);
  expect(await app.result()).toEqual({ slow: 3, failed: 'vendor_conflict' });
  expect(calls).toHaveLength(3);
  await app.stop();
});

test('an execution ends though a branch of it still waits', async () => {
  const app = await running(async (context) => {
    void context.branch('watch', (inner) => inner.waitFor('never', async () => undefined, 86_400));
    return { done: await context.step('work', async () => true) };
  });
  await app.start();
  expect(await app.result()).toEqual({ done: true });
  await app.stop();
});

test('a temporary database failure loses no checkpoint and repeats no step', async () => {
  let calls = 0;
  const app = await running(async (context) => {
    for (let at = 0; at < 5; at++) await context.step(`write ${at}`, async () => ++calls, { atMostOnce: true });
    return { calls };
  });
  const { put, transact, update } = app.table;
  let failures = 0;
  const troubled =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      // Every third request is refused, every fifth is carried out without an answer.
      if (++failures % 3 === 0) throw new Error('ThrottlingException');
      const result = await work.apply(app.table, args);
      if (failures % 5 === 0) throw new Error('the answer was lost');
      return result;
    };
  Object.assign(app.table, { put: troubled(put), transact: troubled(transact), update: troubled(update) });
  let started: string | undefined;
  for (let attempt = 0; attempt < 5 && !started; attempt++) started = await app.start()?.catch(() => undefined);
  expect(await app.result()).toEqual({ calls: 5 });
  expect(calls).toBe(5);
  Object.assign(app.table, { put, transact, update });
  await app.stop();
});
