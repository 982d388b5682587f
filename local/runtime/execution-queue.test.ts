import { expect, test, vi } from 'vitest';
import { TestClock } from '../../test/support/harness.ts';
import { ExecutionQueue } from './execution-queue.ts';

function queueOf(concurrency = 1, perGroup = concurrency, { placeMs = 60_000, maxOpen = 1_000 } = {}) {
  const clock = new TestClock(1_000_000);
  const ran: string[] = [];
  const faults: unknown[] = [];
  let gate = Promise.resolve();
  const queue = new ExecutionQueue({
    clock,
    functionNames: ['f', 'g'],
    concurrency,
    perGroup,
    placeMs,
    maxOpen,
    // `alarm x` is of the lane of alarms, `siren:x` of the group of sirens.
    laneOf: (pk) => ({ group: pk.split(':')[0] ?? pk, isAlarm: pk.startsWith('alarm') }),
    run: async (pk) => {
      ran.push(pk);
      if (pk.startsWith('bad')) throw new Error('No.');
      await gate;
    },
    onFault: (_functionName, _pk, error) => faults.push(error),
  });
  const close = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { clock, queue, ran, faults, close };
}

test('an execution that is enqueued while it runs, runs once more, however often it was enqueued', async () => {
  const { queue, ran, close } = queueOf();
  const open = close();
  queue.enqueue('a', 'f');
  for (let times = 0; times < 3; times++) queue.enqueue('a', 'f');
  expect(ran).toEqual(['a']);
  open();
  await queue.idle();
  expect(ran).toEqual(['a', 'a']);
});

test('an execution that is enqueued while it waits runs once', async () => {
  const { queue, ran, close } = queueOf();
  const open = close();
  queue.enqueue('a', 'f');
  for (let times = 0; times < 3; times++) queue.enqueue('b', 'f');
  open();
  await queue.idle();
  expect(ran).toEqual(['a', 'b']);
});

test('a function whose places are all taken does not delay others', async () => {
  const { queue, ran, close } = queueOf(2);
  const open = close();
  for (const pk of ['a', 'b', 'c']) queue.enqueue(pk, 'f');
  queue.enqueue('d', 'g');
  expect(ran).toEqual(['a', 'b', 'd']);
  open();
  await queue.idle();
  expect(ran).toEqual(['a', 'b', 'd', 'c']);
});

test('a group of slow executions does not delay others, and the groups take turns', async () => {
  const { queue, ran, close } = queueOf(4, 2);
  const open = close();
  for (let at = 0; at < 70; at++) queue.enqueue(`slow:${at}`, 'f');
  for (const pk of ['quick:0', 'quick:1', 'quick:2']) queue.enqueue(pk, 'f');
  expect(ran).toEqual(['slow:0', 'slow:1', 'quick:0', 'quick:1']);
  open();
  await queue.idle();
  expect(ran.indexOf('quick:2')).toBeLessThan(8);
  expect(ran).toHaveLength(73);
});

test('an alarm waits behind no other execution', async () => {
  const { queue, ran, close } = queueOf(2);
  const open = close();
  for (let at = 0; at < 70; at++) queue.enqueue(`slow:${at}`, 'f');
  queue.enqueue('alarm 1', 'f');
  queue.enqueue('alarm 2', 'f');
  expect(ran).toEqual(['slow:0', 'slow:1', 'alarm 1', 'alarm 2']);
  open();
  await queue.idle();
});

test('executions that wait for a response leave their places to others, up to a limit', async () => {
  vi.useFakeTimers();
  const { queue, ran, close } = queueOf(2, 2, { placeMs: 1_000, maxOpen: 5 });
  const open = close();
  for (const pk of ['hangs:0', 'hangs:1', 'hangs:2', 'stalls:0', 'stalls:1', 'late:0', 'late:1'])
    queue.enqueue(pk, 'f');
  expect(ran).toEqual(['hangs:0', 'hangs:1']);
  vi.advanceTimersByTime(1_000);
  // Its own group stays held to two.
  expect(ran).toEqual(['hangs:0', 'hangs:1', 'stalls:0', 'late:0']);
  vi.advanceTimersByTime(1_000);
  expect(ran).toHaveLength(5);
  vi.advanceTimersByTime(10_000);
  expect(ran).toHaveLength(5);
  vi.useRealTimers();
  open();
  await queue.idle();
  expect(ran).toHaveLength(7);
});

test('a resting execution runs at its time, or earlier if it is enqueued', async () => {
  const { clock, queue, ran } = queueOf();
  queue.rest('later', 'f', clock.now() + 5000);
  queue.rest('sooner', 'f', clock.now() + 1000);
  clock.advance(1000);
  queue.wake();
  await queue.idle();
  expect(ran).toEqual(['sooner']);
  queue.enqueue('later', 'f');
  await queue.idle();
  clock.advance(5000);
  queue.wake();
  await queue.idle();
  expect(ran).toEqual(['sooner', 'later']);
  await queue.stop();
});

test('a resting execution runs within a minute after the clock was set forward past its time', async () => {
  vi.useFakeTimers();
  const { clock, queue, ran } = queueOf();
  queue.rest('later', 'f', clock.now() + 30 * 60_000);
  clock.advance(60 * 60_000);
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  await queue.idle();
  expect(ran).toEqual(['later']);
  await queue.stop();
});

test('a failed invocation is repeated a second later; after the end nothing runs', async () => {
  const { clock, queue, ran, faults } = queueOf();
  queue.enqueue('bad', 'f');
  await queue.idle();
  expect([ran.length, faults.length]).toEqual([1, 1]);
  clock.advance(1000);
  queue.wake();
  await queue.idle();
  expect(ran).toEqual(['bad', 'bad']);
  await queue.stop();
  queue.enqueue('a', 'f');
  expect(ran).toHaveLength(2);
});
