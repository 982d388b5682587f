import { afterAll, describe, expect, test } from 'vitest';
import { evaluate } from './expression.ts';
import { ExpressionFailure, ExpressionPool } from './pool.ts';

const pool = new ExpressionPool({ size: 1 });
afterAll(() => pool.close());

const bindings = {
  event: { id: 'evt_1', data: { word: `${'a'.repeat(40)}b`, list: [1, 2, 3] } },
  steps: {},
  item: { secret: 'of another item' },
  run: { id: 'run_1' },
};
const run = (expression: string, options = {}) => evaluate(`{% ${expression} %}`, bindings, options, pool);

async function failure(expression: string, options = {}): Promise<ExpressionFailure> {
  const result = await run(expression, options).catch((error: unknown) => error);
  if (!(result instanceof ExpressionFailure))
    throw new Error(`${expression} gave ${JSON.stringify(result)?.slice(0, 200)}`);
  return result;
}

/** The pool still works, in the same process or in a new one. */
async function expectAlive(): Promise<void> {
  expect(await run('event.id')).toBe('evt_1');
}

describe('an expression that exceeds a limit is stopped, and the next one works', () => {
  /** Which limit a bomb meets first, time or memory, depends on the machine; each of them is a proper end. */
  const anyLimit = ['timeout', 'memory', 'evaluation', 'too-large'];
  const stopped: [name: string, expression: string, kinds?: string[]][] = [
    ['endless tail recursion', '($f := function($n){$f($n+1)}; $f(1))'],
    ['endless mutual recursion', '($a := function($n){$b($n)}; $b := function($n){$a($n)}; $a(1))'],
    ['recursion that keeps its frames', '($f := function($n){1+$f($n+1)}; $f(1))'],
    ['a recursion bomb', '($f := function($n){$f($n+1) & $f($n+1)}; $f(1))'],
    ['the Y combinator', '(λ($x){$x($x)})(λ($x){$x($x)})'],
    ['a regular expression that no linear engine takes', String.raw`$contains(event.data.word, /^(a|aa)+\1$/)`],
    ['a list of ten million', '[1..9999999]'],
    ['many lists', '[1..1000000].[1..1000]'],
    ['lists of lists', '$reduce([1..40], function($a, $b){[$a, $a, $a]})'],
    ['a long text', '$pad("x", 500000000)'],
    ['a doubling text', '$length($reduce([1..60], function($a, $b){$a & $a}, "xxxxxxxx"))'],
    ['a text in Base64', '$base64encode($pad("x", 400000000))'],
    ['many replacements', '$length($replace($pad("x", 1000000, "x"), "x", $pad("y", 10000)))'],
    ['a wide date', '$fromMillis(0, "[Y,400000000-400000000]")'],
    ['a long sort', '$count($sort($shuffle([1..3000000])))'],
    ['comparing all with all', '$count($distinct([1..300000].$string()))'],
    ['a result of a megabyte', '$pad("x", 1000000)', ['too-large']],
    ['a small value that is large as text', '$reduce([1..18], function($a, $b){{"a": $a, "b": $a}})', ['too-large']],
    ['a result of many levels', '$reduce([1..300], function($a, $b){{"a": $a}})', ['too-large']],
    ['an error of a megabyte', '$error($pad("x", 1000000))', ['evaluation']],
  ];
  test.each(stopped)('%s', async (_name, expression, kinds = anyLimit) => {
    const { kind, message } = await failure(expression, { timeMs: 700 });
    expect(kinds).toContain(kind);
    expect(message.length).toBeLessThan(600);
    await expectAlive();
  });

  test('regular expressions with catastrophic backtracking end', async () => {
    expect(await run('$exists($match(event.data.word & event.data.word, /(a+)+$/))')).toBe(false);
    expect(await run('$contains(event.data.word & "!", /^(a|aa|aaa)+$/)')).toBe(false);
  });

  test('the time limit is for the whole template, and the pointer shows where it was reached', async () => {
    const slow = '($f := function($n){$n = 0 ? 0 : $f($n - 1)}; $f(3000)) ';
    const template = { first: '{% 1 %}', list: [`{% ${slow} %}`, '{% ($f := function($n){$f($n)}; $f(1)) %}'] };
    const error = await evaluate(template, {}, { timeMs: 500 }, pool).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'timeout' });
    await expectAlive();
  });

  test('a result may have exactly as many bytes as allowed, quotes and escapes counted', async () => {
    expect(await run('$pad("x", 98)', { maxBytes: 100 })).toHaveLength(98);
    expect(await failure('$pad("x", 99)', { maxBytes: 100 })).toMatchObject({ kind: 'too-large' });
    expect(await failure('$pad("é", 98)', { maxBytes: 100 })).toMatchObject({ kind: 'too-large' });
    const three = { a: '{% $pad("x", 40) %}', b: '{% $pad("x", 40) %}', c: '{% $pad("x", 40) %}' };
    await expect(evaluate(three, {}, { maxBytes: 100 }, pool)).rejects.toMatchObject({
      kind: 'too-large',
      pointer: '/c',
    });
  });
});

describe('an expression can access only its bindings', () => {
  const nothing = [
    'process',
    'process.env',
    'globalThis',
    'global',
    'require',
    'module',
    'Buffer',
    '$process',
    '$globalThis',
    '$require',
    'constructor',
    '$.constructor',
    'event.constructor',
    'event.__proto__',
    '$.__proto__',
    'event.data.list.constructor',
    'event.data.word.constructor',
    'event.toString',
    'event.hasOwnProperty',
    '$lookup(event, "constructor")',
    '$lookup(event, "__proto__")',
    '$lookup(event.data.list, "push")',
    '`__proto__`',
    '$string.constructor',
    '$map.implementation',
    '$lookup($string, "implementation")',
    '$lookup($string, "constructor")',
    '$keys($string)',
    '$spread($string).implementation',
    'function($x){$x}.environment',
    '$lookup(function($x){$x}, "environment")',
    'λ($x){$x}.apply',
    '$each({}, $string)',
    'event.data.list.length',
    'event.data.word.length',
    '$match("a", /a/).constructor',
    '$now.constructor',
  ];
  test.each(nothing)('%s is nothing', async (expression) => {
    expect(await run(`$exists(${expression})`)).toBe(false);
    await expectAlive();
  });

  const harmless = [
    '$constructor("return process")()',
    '$string.constructor("return process")()',
    '(function(){1}).constructor("x")()',
    '$merge([$string]).implementation.constructor("return process")()',
    '$merge([function(){1}]).environment.lookup("string")',
    '$merge([function(){1}]).environment.base.options',
    '$clone($string).implementation("x")',
    '$each($string, function($v){$v})',
    '$sift($string, function($v, $k){$k = "implementation"})',
    '$zip([$string], [$map])',
    '[$string, $map]',
    '{"f": $string}',
    'function($x){$x}',
    '$merge([function(){1}])',
    '$merge([$string])',
    '$sort([$string, $map])',
    '$spread(function(){1})',
    '$distinct([$map])',
    '$string($string)',
    '$map([$string], function($f){$f.implementation})',
    '$reduce([$string,$map], function($a,$b){$a.signature})',
    '$merge([function(){1}]).environment.base.createSequence.constructor',
    '$type($merge([$string]))',
    '$eval("process")',
    '$eval',
  ];
  test.each(harmless)('%s shows and does nothing', async (expression) => {
    const result = await run(expression).catch((error: unknown) => error);
    const refused = result instanceof ExpressionFailure;
    expect(['evaluation', 'syntax', 'too-large', 'answered']).toContain(refused ? result.kind : 'answered');
    const text = refused ? result.message : (JSON.stringify(result) ?? '');
    expect(text).not.toMatch(/native code|node:|execPath|ownKeys|\/lib\/|mainModule|argv/);
    await expectAlive();
  });

  test('prototypes stay unchanged in both processes', async () => {
    const attempts = [
      '{"__proto__": {"polluted": true}}',
      '$merge([{}, {"__proto__": {"polluted": true}}])',
      'event ~> | $ | {"__proto__": {"polluted": true}} |',
      'event ~> | $ | {"constructor": {"prototype": {"polluted": true}}} |',
      '{"constructor": {"prototype": {"polluted": true}}}',
      '$parse("{\\"__proto__\\":{\\"polluted\\":true}}")',
      '$reduce(["__proto__"], function($a, $k){$merge([$a, {$k: {"polluted": true}}])}, {})',
    ];
    for (const expression of attempts) {
      const result = await run(expression).catch(() => undefined);
      expect(Object.getOwnPropertyNames(Object(result))).not.toContain('__proto__');
      expect(Object.assign({}, result)).not.toHaveProperty('polluted', true);
      expect(await run('{}.polluted ~> $exists()')).toBe(false);
      expect(await run('event.data.polluted ~> $exists()')).toBe(false);
    }
    const hostile = JSON.parse('{"a":{"__proto__":{"polluted":true}},"b":"{% $merge([$.x, item]) %}"}') as unknown;
    const filled = await evaluate(
      hostile,
      JSON.parse('{"x":{"__proto__":{"polluted":true}},"item":{"ok":1}}'),
      {},
      pool,
    );
    expect(filled).toEqual({ a: {}, b: { ok: 1 } });
    expect(JSON.stringify(filled)).not.toContain('polluted');
    expect({}).not.toHaveProperty('polluted');
  });

  test('nothing is left for the next evaluation', async () => {
    await run('($leak := item.secret; $map := 5; $string := 6; event)').catch(() => undefined);
    expect(await evaluate('{% [$exists($leak), $exists(item), $string(1)] %}', { event: {} }, {}, pool)).toEqual([
      false,
      false,
      '1',
    ]);
    await run('event ~> | data | {"list": "changed"} |');
    const template = ['{% event.data ~> |$|{"list": 1}| %}', '{% event.data.list %}'];
    expect(await evaluate(template, bindings, {}, pool)).toMatchObject([{ list: 1 }, [1, 2, 3]]);
  });
});
