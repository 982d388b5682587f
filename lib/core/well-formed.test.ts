import { expect, test } from 'vitest';
import { wellFormed } from './well-formed.ts';

test('half a character is replaced wherever it is, and whole ones stay', () => {
  const given = { text: 'a\ud83d', list: [{ 'k\udd25': '\ud83d\udd25', n: 1, none: null }] };
  expect(wellFormed(given)).toEqual({ text: 'a\ufffd', list: [{ 'k\ufffd': '🔥', n: 1, none: null }] });
});

test('what is well-formed is the same value', () => {
  for (const value of ['🔥', { a: ['x', 1, true, null, undefined] }, new Uint8Array([0xd8])])
    expect(wellFormed(value)).toBe(value);
});
