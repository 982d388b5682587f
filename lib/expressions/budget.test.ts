import { expect, onTestFinished, test } from 'vitest';
import { withEvaluationBudget } from '../core/evaluation-budget.ts';
import { evaluate } from './expression.ts';
import { ExpressionPool } from './pool.ts';

const endless = '{% ($f := function($n){$f($n)}; $f(1)) %}';

function startPool(): ExpressionPool {
  const pool = new ExpressionPool({ size: 1 });
  onTestFinished(() => pool.close());
  return pool;
}

test('a request evaluates until its time is used up, and then no more', async () => {
  const pool = startPool();
  const budget = { share: 'key a', leftMs: 400 };
  const results = await withEvaluationBudget(budget, () =>
    Promise.allSettled(Array.from({ length: 10 }, () => evaluate(endless, {}, { timeMs: 150 }, pool))),
  );
  expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  expect(budget.leftMs).toBeLessThanOrEqual(0);
  await expect(withEvaluationBudget(budget, () => evaluate('{% 1 %}', {}, {}, pool))).rejects.toMatchObject({
    kind: 'timeout',
    message: expect.stringContaining('used up'),
  });
  // Waiting does not count, and other budgets are not affected.
  expect(await withEvaluationBudget({ share: 'key b', leftMs: 400 }, () => evaluate('{% 2 %}', {}, {}, pool))).toBe(2);
  expect(await evaluate('{% 3 %}', {}, {}, pool)).toBe(3);
});

test('requests of one key wait behind each other, those of others and runs do not', async () => {
  const pool = startPool();
  await evaluate('{% 1 %}', {}, {}, pool);
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  const flood = withEvaluationBudget({ share: 'key a', leftMs: 60_000 }, () =>
    Array.from({ length: 50 }, (_, index) => evaluate('{% 1 %}', {}, {}, pool).then(note(`flood ${index}`))),
  );
  const other = withEvaluationBudget({ share: 'key b', leftMs: 60_000 }, () =>
    evaluate('{% 1 %}', {}, {}, pool).then(note('other')),
  );
  const run = evaluate('{% 1 %}', {}, { share: 'automation' }, pool).then(note('run'));
  await Promise.all([...flood, other, run]);
  expect(order.indexOf('other')).toBeLessThan(4);
  expect(order.indexOf('run')).toBeLessThan(4);
});

test('what a client no longer waits for is not evaluated', async () => {
  const pool = startPool();
  await evaluate('{% 1 %}', {}, {}, pool);
  const gone = new AbortController();
  const first = evaluate(endless, {}, { timeMs: 100 }, pool);
  const waiting = withEvaluationBudget({ share: 'key a', leftMs: 60_000, signal: gone.signal }, () =>
    Promise.allSettled(Array.from({ length: 20 }, () => evaluate(endless, {}, { timeMs: 60_000 }, pool))),
  );
  gone.abort();
  for (const each of await waiting)
    expect(each).toMatchObject({ reason: { message: expect.stringContaining('Nobody') } });
  await expect(first).rejects.toMatchObject({ kind: 'timeout' });
  expect(await evaluate('{% 2 %}', {}, {}, pool)).toBe(2);
  const late = withEvaluationBudget({ share: 'key a', leftMs: 1_000, signal: gone.signal }, () =>
    evaluate('{% 1 %}', {}, {}, pool),
  );
  await expect(late).rejects.toThrow('Nobody');
});
