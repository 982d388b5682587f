import { beforeEach, expect, test } from 'vitest';
import { rotateSecret, storeSecret, validSecrets } from './rotated-secret.ts';
import type { SecretStore } from './secrets.ts';

let now = 0;
let stored: Map<string, string>;
let cached: Map<string, string>;
/** A store whose reads may be old until a fresh one is asked for. */
const secrets: SecretStore = {
  read: async (name, fresh = false) => {
    const value = fresh ? stored.get(name) : (cached.get(name) ?? stored.get(name));
    if (value !== undefined) cached.set(name, value);
    return value;
  },
  write: async (name, value) => void stored.set(name, value),
  delete: async (name) => void stored.delete(name),
};
const services = { secrets, clock: { now: () => now, sleep: async () => undefined } };
beforeEach(() => {
  now = 1_000_000;
  stored = new Map();
  cached = new Map();
});

test('the secret before a rotation stays valid until the overlap is over', async () => {
  await storeSecret(secrets, 'hook', 1, 'first');
  expect(await validSecrets(services, 'hook', 1)).toEqual(['first']);
  await rotateSecret(services, 'hook', 2, 'second', 60);
  expect(await validSecrets(services, 'hook', 2)).toEqual(['second', 'first']);
  now += 60_000;
  expect(await validSecrets(services, 'hook', 2)).toEqual(['second']);
});

test('without an overlap only the new secret is valid', async () => {
  await storeSecret(secrets, 'hook', 1, 'first');
  await rotateSecret(services, 'hook', 2, 'second', 0);
  expect(await validSecrets(services, 'hook', 2)).toEqual(['second']);
});

test('two rotations in one overlap leave the newest two', async () => {
  await storeSecret(secrets, 'hook', 1, 'first');
  await rotateSecret(services, 'hook', 2, 'second', 60);
  await rotateSecret(services, 'hook', 3, 'third', 60);
  expect(await validSecrets(services, 'hook', 3)).toEqual(['third', 'second']);
});

test('a name without a secret has no valid one', async () => {
  expect(await validSecrets(services, 'hook', 1)).toEqual([]);
});
