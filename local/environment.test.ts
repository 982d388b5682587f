import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { environmentSettings, requireKnownSettings } from './environment.ts';

test('a setting that does not exist is refused by name', () => {
  expect(() => requireKnownSettings({ TRUNKLINE_PRIVATE_NETWORK: '10.0.0.0/8' })).toThrow(
    /^TRUNKLINE_PRIVATE_NETWORK is not a setting\. Settings are .*TRUNKLINE_PRIVATE_NETWORKS/,
  );
  const ours = {
    TRUNKLINE_PRIVATE_NETWORKS: '10.0.0.0/8',
    TRUNKLINE_URL: 'http://127.0.0.1',
    TRUNKLINE_TABLE: 'trunkline',
  };
  expect(() => requireKnownSettings({ ...ours, PATH: '/bin', OTHER: 'x' })).not.toThrow();
});

test('every setting is documented', () => {
  const documented = readFileSync('docs/operations.md', 'utf8');
  expect(environmentSettings.filter((name) => !documented.includes(`| \`${name}\` |`))).toEqual([]);
});

test('every variable that the code reads is known', () => {
  const folders = ['local', 'lib', 'functions', 'cli'];
  const sources = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`),
  );
  const names = sources
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .flatMap((path) => readFileSync(path, 'utf8').match(/\bTRUNKLINE_[A-Z_]+[A-Z]\b/g) ?? []);
  expect(names).toContain('TRUNKLINE_TABLE');
  for (const name of new Set(names)) expect(() => requireKnownSettings({ [name]: 'x' })).not.toThrow();
});
