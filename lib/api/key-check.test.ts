import { expect, test, vi } from 'vitest';
import { TestClock } from '../../test/support/harness.ts';
import { adminKeySecret } from '../core/secrets.ts';
import type { Table } from '../store/table.ts';
import { hashOf, KeyCheck } from './key-check.ts';

const goodKey = `tl_${'a'.repeat(16)}_${'k'.repeat(43)}`;
const item = { id: 'a'.repeat(16), name: 'Good', scopes: [], perMinute: 1, hashes: [{ hash: hashOf('k'.repeat(43)) }] };

function start() {
  const clock = new TestClock();
  const secrets = new Map([[adminKeySecret, 'the-admin-key-of-this-test']]);
  const read = vi.fn(async (name: string) => secrets.get(name));
  const get = vi.fn(async () => item);
  // What a check touches of both.
  const check = new KeyCheck(
    { get } as unknown as Table,
    { read, write: async () => {}, delete: async () => {} },
    clock,
  );
  const ask = (key: string) =>
    check.check({ method: 'GET', path: '/v1/me', headers: { authorization: `Bearer ${key}` } }).then(
      ({ name }) => name,
      () => 'refused',
    );
  return { ask, clock, secrets, read, get };
}

test('a thousand texts that are no key cost one read of the admin key', async () => {
  const { ask, read } = start();
  for (let at = 0; at < 1_000; at++) expect(await ask(`tl_wrong-${at}`)).toBe('refused');
  expect(read).toHaveBeenCalledOnce();
});

test('a flood of wrong keys drives no good one out of memory', async () => {
  const { ask, get } = start();
  expect(await ask(goodKey)).toBe('Good');
  for (let at = 0; at < 20_000; at++) await ask(`tl_wrong-${at}`);
  expect(await ask(goodKey)).toBe('Good');
  expect(get).toHaveBeenCalledOnce();
});

test('a new admin key counts within ten seconds, and the old one no more', async () => {
  const { ask, clock, secrets } = start();
  expect(await ask('tl_the-admin-key-of-this-test')).toBe('Admin key');
  secrets.set(adminKeySecret, 'another-admin-key');
  clock.advance(10_001);
  expect(await ask('tl_another-admin-key')).toBe('Admin key');
  expect(await ask('tl_the-admin-key-of-this-test')).toBe('refused');
});
