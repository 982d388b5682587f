import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startBackends } from '../../test/support/harness.ts';
import { type Key, Table } from './table.ts';
import { completeTriggers, removeTriggers, triggered, triggersOf, triggerWrites } from './triggers.ts';

type Thing = Key & { id: string; text: string };

let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
let pk: string;
const keyOf = (id: string): Key => ({ pk, sk: id });
const source = { key: keyOf, all: () => table.queryAll<Thing>({ pk, consistent: true }) };
const store = (id: string, text: string, triggers: string[]) =>
  table.transact([{ put: { ...keyOf(id), id, text } }, ...triggerWrites('automation', id, triggers)]);
const read = (...triggers: string[]) => triggered<Thing>(table, 'automation', triggers, source);
const found = async (...triggers: string[]) =>
  (await Array.fromAsync(read(...triggers)))
    .flat()
    .map(({ id, text }) => `${id} ${text}`)
    .sort();

let number = 0;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());
afterEach(() => table.destroy());
beforeEach(async () => {
  pk = `things-${number++}`;
  table = new Table('trunkline', backends.database.client);
  await completeTriggers(table, 'automation', async () => []);
});

test('an event triggers its type, each pattern over it, and its hook', () => {
  expect(triggersOf({ type: 'talk.message.created', hook: 'hook_a' })).toEqual([
    '*',
    'talk.*',
    'talk.message.*',
    'talk.message.created',
    'hook#hook_a',
  ]);
});

test('what is stored is found by each of its triggers, once, from the next event on', async () => {
  await store('a', 'one', [`talk.${pk}.*`, `talk.${pk}.created`]);
  await store('b', 'two', [`talk.${pk}.gone`]);
  expect(await found(`talk.${pk}.*`, `talk.${pk}.created`)).toEqual(['a one']);
  await store('a', 'changed', [`talk.${pk}.*`]);
  expect(await found(`talk.${pk}.*`)).toEqual(['a changed']);
  await store('c', 'three', [`talk.${pk}.*`]);
  expect(await found(`talk.${pk}.*`)).toEqual(['a changed', 'c three']);
});

test('what no longer has a trigger is not found by it', async () => {
  await store('a', 'one', [`x.${pk}`]);
  expect(await found(`x.${pk}`)).toEqual(['a one']);
  await table.transact([{ delete: keyOf('a') }, ...triggerWrites('automation', 'a', [])]);
  await removeTriggers(table, 'automation', 'a', [`x.${pk}`]);
  expect(await found(`x.${pk}`)).toEqual([]);
});

test('one small read is all that an event costs while nothing changes', async () => {
  await store('a', 'one', [`x.${pk}`]);
  await found(`x.${pk}`, `y.${pk}`);
  const before = table.requests;
  expect(await found(`x.${pk}`, `y.${pk}`)).toEqual(['a one']);
  expect(table.requests - before).toBe(1);
});

test('all of very many items are found', async () => {
  // Keys this long fill more than one page of 1 MB.
  const ids = Array.from({ length: 2_000 }, (_, at) => `n${at}-${'x'.repeat(700)}`);
  for (let at = 0; at < ids.length; at += 50) {
    await table.transact(
      ids
        .slice(at, at + 50)
        .flatMap((id) => [
          { put: { ...keyOf(id), id, text: '' } },
          ...triggerWrites('automation', id, [`many.${pk}`]).slice(0, 1),
        ]),
    );
  }
  await store('last', '', []);
  expect(await found(`many.${pk}`)).toHaveLength(2_000);
});

test('the first items are returned before the others are read, and those that can wait come last', async () => {
  const trigger = `stream.${pk}`;
  const writes = (id: string, canWait: boolean) => [
    { put: { ...keyOf(id), id, text: '' } },
    ...triggerWrites('automation', id, [trigger], canWait).slice(0, 1),
  ];
  for (let at = 0; at < 240; at += 40)
    await table.transact(Array.from({ length: 40 }, (_, each) => writes(`a${at + each}`, true)).flat());
  await table.transact(writes('urgent', false));
  const before = table.requests;
  const pages = read(trigger);
  expect((await pages.next()).value).toMatchObject([{ id: 'urgent' }]);
  // The version, a page of ids, and their items.
  expect(table.requests - before).toBe(3);
  expect((await pages.next()).value).toHaveLength(100);
  expect(table.requests - before).toBe(5);
  const rest = await Array.fromAsync(pages);
  expect(rest.map(({ length }) => length)).toEqual([100, 40]);
  expect((await Array.fromAsync(read(trigger))).map((page) => page.map(({ id }) => id))[0]).toEqual(['urgent']);
});

test('all triggers are queried before the first page of one is returned', async () => {
  await store('a', 'one', [`x.${pk}.1`]);
  const before = table.requests;
  const pages = read(...Array.from({ length: 5 }, (_, at) => `x.${pk}.${at + 1}`));
  expect((await pages.next()).value).toMatchObject([{ id: 'a' }]);
  // The version, the entries of five triggers, and the item.
  expect(table.requests - before).toBe(7);
  expect(await Array.fromAsync(pages)).toEqual([]);
});

test('items from before the index are found until it is complete, and after', async () => {
  await table.delete({ pk: 'trigger', sk: 'automation' });
  await table.put({ ...keyOf('old'), id: 'old', text: 'one' });
  expect(await found(`old.${pk}`)).toEqual(['old one']);
  await completeTriggers(table, 'automation', async () => [{ id: 'old', triggers: [`old.${pk}`] }]);
  expect(await found(`old.${pk}`)).toEqual(['old one']);
  expect(await found(`other.${pk}`)).toEqual([]);
});
