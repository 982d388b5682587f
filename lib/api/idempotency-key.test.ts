import { expect, test } from 'vitest';
import { idempotencyKey } from './idempotency-key.ts';

test.each([
  ['"a key"', 'a key'],
  ['order-7', 'order-7'],
  ['<7>x', '<7>x'],
  ['strings', 'strings'],
])('%s is a key', (header, key) => {
  expect(idempotencyKey(header)).toBe(key);
});

test.each([
  ['<string>'],
  ['"<string>"'],
  ['{{$guid}}'],
  ['{{key}}'],
  ['{idempotency-key}'],
  ['string'],
  [':key'],
  ['undefined'],
])('%s, which a tool sends where nobody filled it in, is rejected', (header) => {
  expect(() => idempotencyKey(header)).toThrow('placeholder');
});
