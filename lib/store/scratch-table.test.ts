import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withTestTable } from '../../test/support/test-table.ts';
import { ScratchTable } from './scratch-table.ts';
import type { Item, Query, Table, Values } from './table.ts';

let table: Table;
withTestTable((made) => {
  table = made;
});

/** Every condition and update that the engine uses, in their forms. */
const conditions = [
  undefined,
  'attribute_not_exists(#pk)',
  'attribute_exists(#n)',
  'attribute_not_exists(#pk) OR #until <= :now',
  '#value = :expected AND #until > :now',
  'attribute_not_exists(#pk) OR (#state = :done AND #until < :now) OR (#n = :n AND #state = :running)',
  '#state <> :done',
  '#n >= :n',
];
const updates = [
  'SET #n = if_not_exists(#n, :n), #state = :running REMOVE #value, #duePk, #dueAt',
  'SET #until = :now ADD #n :n',
  'REMOVE #state',
  'SET #duePk = :duePk, #dueAt = :n',
];
const values: Values = { now: 5, expected: 'x', done: 'done', running: 'running', n: 3, duePk: 'kind#0' };

const key = fc.record({ pk: fc.constantFrom('a', 'b'), sk: fc.constantFrom('1', '2', '3') });
const item = fc
  .tuple(
    key,
    fc.record(
      {
        n: fc.constantFrom(2, 3, 4),
        until: fc.constantFrom(4, 5, 6),
        state: fc.constantFrom('done', 'running'),
        value: fc.constantFrom('x', 'y'),
      },
      { requiredKeys: [] },
    ),
    fc.option(fc.record({ duePk: fc.constant('kind#0'), dueAt: fc.constantFrom(1, 2, 3) }), { nil: {} }),
  )
  .map((parts): Item => Object.assign({}, ...parts));
const query = fc.oneof(
  fc.record({ pk: fc.constantFrom('a', 'b'), prefix: fc.constantFrom('1', '2') }, { requiredKeys: ['pk'] }),
  fc.record(
    {
      pk: fc.constantFrom('a', 'b'),
      from: fc.constantFrom('1', '2'),
      to: fc.constantFrom('2', '3'),
      forward: fc.boolean(),
      limit: fc.constantFrom(1, 2),
    },
    { requiredKeys: ['pk'] },
  ),
  fc.record(
    { index: fc.constant('due' as const), pk: fc.constant('kind#0'), to: fc.constantFrom(1, 2) },
    { requiredKeys: ['index', 'pk'] },
  ),
) as fc.Arbitrary<Query>;
const action = fc.oneof(
  fc.record({ put: item, condition: fc.constantFrom(...conditions) }),
  fc.record({ update: key, expression: fc.constantFrom(...updates), condition: fc.constantFrom(...conditions) }),
  fc.record({ remove: key, condition: fc.constantFrom(...conditions) }),
  fc.record({ transact: fc.tuple(item, fc.constantFrom(...conditions)) }),
  fc.record({ query }),
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

async function perform(on: Table, todo: Action): Promise<unknown> {
  if ('put' in todo) return on.put(todo.put, todo.condition, values);
  if ('update' in todo) return on.update(todo.update, todo.expression, values, todo.condition);
  if ('remove' in todo) return on.delete(todo.remove, todo.condition, values);
  if ('query' in todo) {
    const found = await on.queryAll<Item>(todo.query);
    // An index orders items of the same time as it likes.
    return todo.query.index ? new Set(found.map((each) => JSON.stringify(sorted(each)))) : found;
  }
  const [put, condition] = todo.transact;
  return on.transact([
    { put, ...(condition !== undefined && { condition }), values },
    { delete: { pk: put.pk, sk: '9' } },
  ]);
}

function sorted(each: Item): object {
  return Object.fromEntries(Object.entries(each).sort());
}

describe('a scratch table', () => {
  test('answers every write and read as the table below would, and changes nothing in it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 4 }),
        fc.array(action, { minLength: 1, maxLength: 12 }),
        async (before, actions) => {
          const wipe = async () => {
            for (const pk of ['a', 'b'])
              for (const each of await table.queryAll<Item>({ pk })) await table.delete({ pk, sk: each.sk });
            for (const each of before) await table.put(each);
          };
          await wipe();
          const scratch = new ScratchTable(table);
          const got: unknown[] = [];
          for (const todo of actions) got.push(await perform(scratch, todo));
          for (const each of before) expect(await table.get({ pk: each.pk, sk: each.sk }, true)).toBeDefined();
          const expected: unknown[] = [];
          for (const todo of actions) expected.push(await perform(table, todo));
          expect(got).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  }, 30_000);

  test('loses no concurrent write, and lets one of them claim a key', async () => {
    const scratch = new ScratchTable(table);
    const key = { pk: 'counts', sk: '1' };
    await Promise.all(Array.from({ length: 20 }, () => scratch.update(key, 'ADD #n :one', { one: 1 })));
    expect(await scratch.get(key)).toMatchObject({ n: 20 });
    const claim = () => scratch.put({ pk: 'claims', sk: '1' }, 'attribute_not_exists(#pk)');
    const claims = await Promise.all([claim(), claim(), claim()]);
    expect(claims.filter(({ done }) => done)).toHaveLength(1);
  });

  test('shows nothing of a hidden partition but what was written to it', async () => {
    await table.put({ pk: 'secret', sk: '1', n: 1 });
    const scratch = new ScratchTable(table, (pk) => pk === 'secret');
    expect(await scratch.get({ pk: 'secret', sk: '1' })).toBeUndefined();
    expect(await scratch.queryAll({ pk: 'secret' })).toEqual([]);
    expect(await scratch.put({ pk: 'secret', sk: '2' }, 'attribute_not_exists(#pk)')).toMatchObject({ done: true });
    expect(await scratch.queryAll({ pk: 'secret' })).toEqual([{ pk: 'secret', sk: '2' }]);
    expect(await table.queryAll({ pk: 'secret' })).toEqual([{ pk: 'secret', sk: '1', n: 1 }]);
  });

  test.each([
    ['#a BETWEEN :n AND :now', 'SET #a = :n'],
    [undefined, 'DELETE #a :n'],
    [undefined, 'SET #a = :missing'],
  ])('rejects expressions that it does not support', async (condition, expression) => {
    const scratch = new ScratchTable(table);
    await expect(scratch.update({ pk: 'a', sk: '1' }, expression, values, condition)).rejects.toThrow(/./);
  });
});
