import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HookItem } from './hooks.ts';
import { messageOf } from './message.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const hook = { id: 'hook-1', dedupe: { key: '{% event.data.body.id %}' } } as HookItem;
const received = (headers: Record<string, string> = {}) => ({ headers, rawBody: Buffer.from('{}'), event: {} });

test("a message waits at most three seconds for its key, and then uses its sender's id", async () => {
  const never = () => new Promise<never>(() => undefined);
  const waiting = messageOf(hook, received({ 'webhook-id': 'msg_1' }), 0, never);
  const settled = vi.fn();
  void waiting.then(settled);
  await vi.advanceTimersByTimeAsync(2_999);
  expect(settled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(await waiting).toMatchObject({
    message: { by: 'id', value: 'msg_1' },
    problem: expect.stringContaining('more than 3000 ms'),
  });
});

test('a pool that refuses, or fails late, loses nothing', async () => {
  const refuses = () => Promise.reject(new Error('too many expressions are waiting'));
  expect(await messageOf(hook, received(), 0, refuses)).toEqual({
    problem: 'The dedupe key failed: too many expressions are waiting',
  });
  const late = () => new Promise<never>((_, reject) => void setTimeout(() => reject(new Error('late')), 10_000));
  const waiting = messageOf(hook, received(), 0, late);
  await vi.advanceTimersByTimeAsync(20_000);
  expect((await waiting).problem).toContain('more than 3000 ms');
});
