import { beforeEach, expect, test } from 'vitest';
import { Recent } from './recent.ts';

let now = 0;
let reads = 0;
let answer: (value: string | undefined) => void = () => undefined;
let recent: Recent<string>;
beforeEach(() => {
  [now, reads] = [1_000, 0];
  recent = new Recent({ now: () => now, sleep: async () => undefined }, 2);
});

/** A read that `answer` ends; what it brings may be used for ten milliseconds. */
const read = () => {
  reads++;
  return new Promise<{ value: string; until: number } | undefined>((resolve) => {
    answer = (value) => resolve(value === undefined ? undefined : { value, until: now + 10 });
  });
};
const readAs = (value: string) => async () => {
  reads++;
  return { value, until: now + 10 };
};

test('a value is read once for all callers, and again when it has expired', async () => {
  const asked = [recent.get('a', read), recent.get('a', read), recent.get('a', read)];
  answer('one');
  expect(await Promise.all(asked)).toEqual(['one', 'one', 'one']);
  now += 9;
  expect([await recent.get('a', read), reads]).toEqual(['one', 1]);
  now += 1;
  expect([await recent.get('a', readAs('two')), reads]).toEqual(['two', 2]);
});

test('a missing value is read again', async () => {
  const asked = recent.get('a', read);
  answer(undefined);
  expect(await asked).toBeUndefined();
  expect([await recent.get('a', readAs('now')), reads]).toEqual(['now', 2]);
});

test('a read that began before a value was forgotten is not kept', async () => {
  const before = recent.get('a', read);
  recent.forget('a');
  const end = answer;
  expect(await recent.get('a', readAs('new'))).toBe('new');
  end('old');
  expect(await before).toBe('old');
  expect([await recent.get('a', read), reads]).toEqual(['new', 2]);
  recent.clear();
  expect(await recent.get('a', readAs('newer'))).toBe('newer');
});

test('a read that fails fails for all who waited, and the next one tries again', async () => {
  const failing = async () => {
    reads++;
    throw new Error('away');
  };
  const asked = [recent.get('a', failing), recent.get('a', failing)];
  for (const each of asked) await expect(each).rejects.toThrow('away');
  expect([await recent.get('a', readAs('back')), reads]).toEqual(['back', 2]);
});

test('never holds more than its maximum', async () => {
  for (const id of ['a', 'b', 'c']) await recent.get(id, readAs(id));
  expect(reads).toBe(3);
  await recent.get('c', readAs('c'));
  expect(reads).toBe(3);
  await recent.get('a', readAs('a'));
  expect(reads).toBe(4);
});
