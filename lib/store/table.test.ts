import { expect, test } from 'vitest';
import { withTestTable } from '../../test/support/test-table.ts';
import { isFree, takeLease } from './lease.ts';
import type { Table } from './table.ts';

let table: Table;
withTestTable((made) => {
  table = made;
});

test.each([
  ['a partition key', { pk: '한'.repeat(683), sk: 'x' }],
  ['a sort key', { pk: 'x', sk: 'a'.repeat(1025) }],
  ['an empty key', { pk: 'x', sk: '' }],
])('%s that DynamoDB does not accept finds nothing and stores nothing', async (_, key) => {
  expect(await table.get(key)).toBeUndefined();
  expect(await table.getMany([key])).toEqual([undefined]);
  expect(await table.queryAll({ pk: key.pk, prefix: key.sk })).toEqual([]);
  const refused = { code: 'invalid_input' };
  await expect(table.put(key)).rejects.toMatchObject(refused);
  await expect(table.update(key, 'SET #a = :a', { a: 1 })).rejects.toMatchObject(refused);
  await expect(table.delete(key)).rejects.toMatchObject(refused);
  await expect(table.transact([{ put: key }])).rejects.toMatchObject(refused);
});

test('the longest keys are accepted', async () => {
  const key = { pk: 'é'.repeat(1024), sk: 'a'.repeat(1024) };
  await table.put({ ...key, found: true });
  expect(await table.get(key)).toMatchObject({ found: true });
});

test('half a character is stored as a replacement character', async () => {
  const half = { pk: 'half \ud83d', sk: 'x' };
  const stored = { pk: 'half \ufffd', sk: 'x', reason: 'cut \ufffd', list: ['\ufffd', '🔥'] };
  expect((await table.put({ ...half, reason: 'cut \ud83d', list: ['\udd25', '🔥'] })).done).toBe(true);
  expect(await table.get(half)).toEqual(stored);
  await table.update(half, 'SET #reason = :reason', { reason: '\ud83d' });
  await table.transact([{ put: { ...half, sk: 'y', reason: '\ud83d' } }]);
  const items = await table.queryAll({ pk: half.pk });
  expect(items.map(({ reason }) => reason)).toEqual(['\ufffd', '\ufffd']);
});

test('a key that is requested twice is read once', async () => {
  const key = { pk: 'twice', sk: 'x' };
  await table.put(key);
  expect(await table.getMany([key, key])).toEqual([key, key]);
});

test('a lease from a clock that was two days ahead is free; one from a clock a little ahead is not', async () => {
  const key = { pk: 'leased', sk: 'x' };
  const now = 1_000_000_000;
  const ahead = now + 2 * 24 * 60 * 60_000;
  expect(await takeLease(table, key, 'ahead', ahead, 20_000)).toBeDefined();
  const second = await takeLease(table, key, 'right', now, 20_000);
  expect(second).toMatchObject({ owner: 'right', fence: 2 });
  expect(await takeLease(table, key, 'other', now - 30_000, 20_000)).toBeUndefined();
  expect(isFree({ leaseUntil: second?.until ?? 0 }, now - 30_000, 20_000)).toBe(false);
});
