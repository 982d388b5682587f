import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seal, unseal } from './seal.ts';

const key = randomBytes(32);

test('a sealed text can be opened, and reveals nothing of the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, purpose) => {
      expect(unseal(key, purpose, seal(key, purpose, text))).toBe(text);
    }),
  );
  expect(seal(key, 'session', 'very secret').includes('very secret')).toBe(false);
  expect(seal(key, 'session', 'same')).not.toEqual(seal(key, 'session', 'same'));
});

test('another key, another purpose and changed bytes do not open', () => {
  const sealed = seal(key, 'session', 'text');
  expect(() => unseal(randomBytes(32), 'session', sealed)).toThrow();
  expect(() => unseal(key, 'other', sealed)).toThrow();
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => unseal(key, 'session', changed)).toThrow();
  }
  for (let length = 0; length < sealed.length; length++) {
    expect(() => unseal(key, 'session', sealed.subarray(0, length))).toThrow();
  }
});
