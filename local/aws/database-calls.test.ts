import fc from 'fast-check';
import { expect, test } from 'vitest';
import { databaseCalls } from './database-calls.ts';
import type { DatabaseProcess } from './database-process.ts';

const parameters = ['table_name', 'key', 'item', 'transact_items', 'update_expression', 'projection_expression'];
const tools = new Map(
  ['get_item', 'put_item', 'update_item', 'delete_item', 'transact_write_items', 'describe_table', 'raw'].map(
    (name) => [name, new Set([...parameters, 'raw'])],
  ),
);

type Item = { pk: { S: string }; version: { N: string } };
type Write = { Put?: { Item: Item }; Update?: { Key: Item }; Delete?: { Key: Item } };
interface Input {
  key: Item;
  item: Item;
  transact_items: Write[];
  update_expression: string;
}

/** A database whose calls take as many turns of the event loop as `turns` says, and have their effect in the middle. */
function database(turns: () => number) {
  const items = new Map<string, Item>();
  const called: string[] = [];
  const pass = async () => {
    for (let left = turns(); left > 0; left--) await new Promise(setImmediate);
  };
  const carryOut = (tool: string, { key, item, transact_items, update_expression }: Input): unknown => {
    if (tool === 'describe_table') return { Table: { KeySchema: [{ AttributeName: 'pk' }] } };
    if (tool === 'get_item') return { Item: items.get(key.pk.S) };
    if (tool === 'put_item') items.set(item.pk.S, item);
    if (tool === 'update_item') items.set(key.pk.S, { ...key, version: { N: update_expression } });
    if (tool === 'delete_item') items.delete(key.pk.S);
    for (const { Put, Update, Delete } of transact_items ?? []) {
      if (Put) items.set(Put.Item.pk.S, Put.Item);
      if (Update) items.set(Update.Key.pk.S, Update.Key);
      if (Delete) items.delete(Delete.Key.pk.S);
    }
    return {};
  };
  const process: DatabaseProcess = {
    pid: 0,
    tools,
    ended: new Promise(() => {}),
    stop: async () => undefined,
    call: async (tool, text) => {
      called.push(tool);
      await pass();
      const answer = JSON.stringify(carryOut(tool, JSON.parse(text) as Input));
      await pass();
      return { failed: false, text: answer };
    },
  };
  return { call: databaseCalls(async () => process), called };
}

const TableName = 'trunkline';
const item = (pk: string, version: number) => ({ pk: { S: pk }, version: { N: String(version) } });
const keyOf = (pk: string) => ({ pk: { S: pk } });

test('an item that was read or put is not read again until something is written there', async () => {
  const { call, called } = database(() => 0);
  const get = async (pk: string) =>
    (JSON.parse(await call('GetItem', { TableName, Key: keyOf(pk) })) as { Item?: Item }).Item;
  const reads = () => called.filter((tool) => tool === 'get_item').length;
  expect([await get('a'), await get('a')]).toEqual([undefined, undefined]);
  expect(reads()).toBe(1);
  await call('PutItem', { TableName, Item: item('a', 1) });
  expect(await get('a')).toEqual(item('a', 1));
  expect(reads()).toBe(1);
  await call('UpdateItem', { TableName, Key: keyOf('a'), UpdateExpression: '2' });
  expect([await get('a'), await get('a')]).toEqual([item('a', 2), item('a', 2)]);
  expect(reads()).toBe(2);
  // A part of an item is not the item.
  await call('GetItem', { TableName, Key: keyOf('a'), ProjectionExpression: 'pk' });
  expect(reads()).toBe(3);
});

test('a read during writes returns at least what was acknowledged before it started', async () => {
  const operation = fc.record({
    kind: fc.constantFrom('get', 'get', 'get', 'put', 'update', 'delete', 'transact'),
    after: fc.nat(6),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 12 }),
      fc.array(fc.nat(3), { minLength: 1 }),
      async (steps, turns) => {
        let turn = 0;
        const { call } = database(() => turns[turn++ % turns.length] ?? 0);
        /** Writes go one after another. */
        let acknowledged = 0;
        let deleted = 0;
        const running: Promise<void>[] = [];
        for (const [index, { kind, after }] of steps.entries()) {
          const version = index + 1;
          const least = acknowledged;
          const write = async (operation: string, input: object) => {
            if (kind === 'delete') deleted = version;
            await call(operation, { TableName, ...input });
            acknowledged = version;
          };
          const check = async () => {
            const found = JSON.parse(await call('GetItem', { TableName, Key: keyOf('a') })) as { Item?: Item };
            expect(found.Item ? Number(found.Item.version.N) : deleted).toBeGreaterThanOrEqual(least);
          };
          if (kind === 'get') running.push(check());
          if (kind === 'put') running.push(write('PutItem', { Item: item('a', version) }));
          if (kind === 'update')
            running.push(write('UpdateItem', { Key: keyOf('a'), UpdateExpression: String(version) }));
          if (kind === 'delete') running.push(write('DeleteItem', { Key: keyOf('a') }));
          if (kind === 'transact')
            running.push(
              write('TransactWriteItems', { TransactItems: [{ Put: { TableName, Item: item('a', version) } }] }),
            );
          for (let left = after; left > 0; left--) await new Promise(setImmediate);
        }
        await Promise.all(running);
      },
    ),
    { numRuns: 1_000 },
  );
});
