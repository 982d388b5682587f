import { expect, test, vi } from 'vitest';
import { TestClock } from '../../../test/support/harness.ts';
import { adminKeySecret } from '../../core/secrets.ts';
import type { Key, Table } from '../../store/table.ts';
import { hashOf, publishAdminKey } from './admin-key.ts';
import { KeyCheck } from './key-check.ts';

const goodKey = `tl_${'a'.repeat(16)}_${'k'.repeat(43)}`;
const item = { id: 'a'.repeat(16), name: 'Good', scopes: [], perMinute: 1, hashes: [{ hash: hashOf('k'.repeat(43)) }] };

async function start() {
  const clock = new TestClock();
  const stored = new Map<string, object>();
  const secret = { value: 'the-admin-key-of-this-test' };
  const get = vi.fn(async ({ pk }: Key) => stored.get(pk) ?? (pk === 'keys' ? item : undefined));
  // What keys touch of the table.
  const table = {
    get,
    put: async (put: Key) => stored.set(put.pk, put),
    delete: async ({ pk }: Key) => stored.delete(pk),
  } as unknown as Table;
  const read = async (name: string) => (name === adminKeySecret ? secret.value : undefined);
  const publish = () => publishAdminKey({ table, secrets: { read, write: async () => {}, delete: async () => {} } });
  await publish();
  get.mockClear();
  const check = new KeyCheck(table, clock);
  const ask = (key: string) =>
    check.check({ method: 'GET', path: '/v1/me', headers: { authorization: `Bearer ${key}` } }).then(
      ({ name }) => name,
      () => 'refused',
    );
  return { ask, clock, secret, publish, get, stored };
}

test('a thousand texts that are no key cost one read of the admin key', async () => {
  const { ask, get } = await start();
  for (let at = 0; at < 1_000; at++) expect(await ask(`tl_wrong-${at}`)).toBe('refused');
  expect(get).toHaveBeenCalledOnce();
});

test('a flood of wrong keys evicts no valid key from the cache', async () => {
  const { ask, get } = await start();
  expect(await ask(goodKey)).toBe('Good');
  for (let at = 0; at < 20_000; at++) await ask(`tl_wrong-${at}`);
  expect(await ask(goodKey)).toBe('Good');
  expect(get.mock.calls.filter(([{ pk }]) => pk === 'keys')).toHaveLength(1);
});

test('within ten seconds, a new admin key works and the old one does not', async () => {
  const { ask, clock, secret, publish } = await start();
  expect(await ask('tl_the-admin-key-of-this-test')).toBe('Admin key');
  secret.value = 'another-admin-key';
  await publish();
  clock.advance(10_001);
  expect(await ask('tl_another-admin-key')).toBe('Admin key');
  expect(await ask('tl_the-admin-key-of-this-test')).toBe('refused');
});

test('the table holds only the hash of the admin key, and without it nobody is the admin', async () => {
  const { ask, clock, stored } = await start();
  expect(JSON.stringify([...stored.values()])).not.toContain('the-admin-key');
  expect(await ask(hashOf('tl_the-admin-key-of-this-test'))).toBe('refused');
  stored.clear();
  clock.advance(10_001);
  expect(await ask('tl_the-admin-key-of-this-test')).toBe('refused');
});
