import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { newId } from './ids.ts';

const random = { number: Math.random, bytes: randomBytes };

test('an id is 16 characters of base32 and its own each time', () => {
  const ids = Array.from({ length: 1_000 }, () => newId(random));
  expect(ids.filter((id) => !/^[a-z2-7]{16}$/.test(id))).toEqual([]);
  expect(new Set(ids).size).toBe(1_000);
});

test('each byte gives one character', () => {
  const bytes = Buffer.from([0, 1, 25, 26, 31, 32, 63, 255, ...Array(8).fill(2)]);
  expect(newId({ ...random, bytes: () => bytes })).toBe('abz27a77cccccccc');
});
