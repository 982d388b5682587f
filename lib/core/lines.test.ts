import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineCutter } from './lines.ts';

function cutAll(pieces: string[]): string[] {
  const cut = lineCutter();
  return [...pieces, '\n'].flatMap(cut);
}

test('a line ends at a line feed, wherever the pieces end', () => {
  expect(cutAll(['a', 'b\nc', '\n', '\nd'])).toEqual(['ab', 'c', '', 'd']);
  expect(cutAll([])).toEqual(['']);
  expect(lineCutter()('not complete')).toEqual([]);
});

test('no other character ends a line, so that JSON stays whole', () => {
  const line = JSON.stringify({ text: 'a\u2028b\u2029c\u0085d\u000be\u000cf\rg' });
  expect(cutAll([`${line}\n`])).toEqual([line, '']);
});

test('any JSON values survive any cut', () => {
  const values = fc.array(fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\u2028', '\u2029', '🚒') }));
  fc.assert(
    fc.property(values, fc.array(fc.nat(200)), (texts, cuts) => {
      const whole = texts.map((text) => JSON.stringify(text)).join('\n');
      const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.slice(at[index], end));
      const lines = cutAll(pieces).filter((line) => line !== '');
      expect(lines.map((line) => JSON.parse(line))).toEqual(texts);
    }),
  );
});
