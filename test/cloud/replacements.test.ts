import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { moduleEdits, moduleReplacements, packageReplacements } from '../../cdk/sdk/replacements.ts';

const modules = join(dirname(dirname(import.meta.dirname)), 'node_modules');

test('every replaced module of the bundles exists', () => {
  const places = [...Object.keys(moduleReplacements), ...Object.keys(moduleEdits), ...Object.keys(packageReplacements)];
  expect(places.filter((place) => !existsSync(join(modules, place)))).toEqual([]);
});

test.each(Object.entries(moduleReplacements))('%s is replaced with the same names', (place, contents) => {
  const names = (text: string) =>
    [...text.matchAll(/export (?:const|class|function|async function) (\w+)|export \{ (\w+) \}/g)]
      .map(([, one, other]) => one ?? other)
      .sort();
  expect(names(contents)).toEqual(names(readFileSync(join(modules, place), 'utf8')));
});
