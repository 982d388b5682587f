import { expect, test } from 'vitest';
import { LruMap } from './lru-map.ts';

test('evicts only the least recently used entry', () => {
  const map = new LruMap<string, number>(3);
  map.set('a', 1).set('b', 2).set('c', 3);
  expect(map.get('a')).toBe(1);
  map.set('d', 4);
  expect([...map.keys()]).toEqual(['c', 'a', 'd']);
  map.set('c', 5).set('e', 6);
  expect([...map]).toEqual([
    ['d', 4],
    ['c', 5],
    ['e', 6],
  ]);
});

test('reading what is not there and writing what is there drop nothing', () => {
  const map = new LruMap<string, number>(2);
  map.set('a', 1).set('b', 2);
  expect(map.get('z')).toBeUndefined();
  map.set('a', 3);
  expect([...map.values()]).toEqual([2, 3]);
});
