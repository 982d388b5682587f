import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { evaluate, validate } from './expression.ts';
import { ExpressionPool } from './pool.ts';

const event = {
  id: 'evt_1',
  type: 'proptt2.function_key.pressed',
  data: {
    site: 'S12',
    zone: 'Z3',
    senderName: 'user%20name',
    broken: '100%',
    lat: 0,
    tags: ['a'],
    list: [{ no: '12', id: 3 }],
  },
};
const bindings = {
  event,
  steps: {
    find: {
      output: {
        channels: [
          { no: '11', id: 1 },
          { no: '12', id: 2 },
        ],
      },
    },
  },
  item: { name: 'Kim' },
  run: { id: 'run_1' },
};
const seen = (template: unknown, options = {}) => evaluate(template, bindings, options);

describe('a template', () => {
  test('keeps its shape, and texts that are no expression', async () => {
    const template = {
      plain: 'ALARM { % site % } in the middle',
      number: 1.5,
      flags: [true, null, '{%', '%}', '{ % a %}', ''],
      text: '{% "ALARM " & event.data.site & "/" & event.data.zone & " #" & $ref(event) %}',
      nested: [{ id: '{% steps.find.output.channels[no = "12"].id %}' }, ['{% item.name %}']],
    };
    expect(await seen(template)).toEqual({
      ...template,
      text: 'ALARM S12/Z3 #7D4E',
      nested: [{ id: 2 }, ['Kim']],
    });
    expect(template.nested).toEqual([{ id: '{% steps.find.output.channels[no = "12"].id %}' }, ['{% item.name %}']]);
  });

  test('puts the values of embedded expressions into the text around them', async () => {
    const filled = await seen({
      line: 'ALARM {% event.data.site %}/{% event.data.zone %}!',
      both: '{% event.data.site %} and {% event.data.zone %}',
      kinds: '{% event.data.lat %} {% event.data.tags %} {% true %} [{% null %}{% event.nothing %}]',
    });
    expect(filled).toEqual({ line: 'ALARM S12/Z3!', both: 'S12 and Z3', kinds: '0 ["a"] true []' });
    await expect(seen({ a: 'x {% $parse("{") %}' })).rejects.toMatchObject({ pointer: '/a' });
    await expect(seen('a {% event.id %}', { maxBytes: 5 })).rejects.toMatchObject({ kind: 'too-large' });
  });

  test('without an expression is returned unchanged, and no process is started for it', async () => {
    const pool = new ExpressionPool();
    const template = { a: ['b', { c: 1 }] };
    expect(await evaluate(template, {}, {}, pool)).toBe(template);
    expect(await validate(template, pool)).toEqual([]);
    expect(pool.alive).toBe(0);
  });

  test('sees what is bound as fields and as variables', async () => {
    expect(await seen('{% [event.id, $event.id, run.id, $run.id, $exists(other)] %}')).toEqual([
      'evt_1',
      'evt_1',
      'run_1',
      'run_1',
      false,
    ]);
    expect(await seen('{% steps.find.output.channels[no = $event.data.list.no].id %}')).toBe(2);
  });

  test('an expression that finds nothing leaves its member out, null in a list, nothing alone', async () => {
    expect(await seen({ a: '{% event.nothing %}', b: ['{% event.nothing %}', 1] })).toEqual({ b: [null, 1] });
    expect(await seen('{% event.nothing %}')).toBeUndefined();
  });

  test('hands any data through unchanged', async () => {
    const value = fc
      .jsonValue({ maxDepth: 4 })
      .map((one) => JSON.parse(JSON.stringify(one)) as unknown)
      .filter((one) => !JSON.stringify(one).includes('"__proto__"'));
    await fc.assert(
      fc.asyncProperty(value, fc.string(), async (data, key) => {
        const expressions = [
          '{% event.data %}',
          '{% $event.data %}',
          '{% $lookup(event, "data") %}',
          '{% $$.event.data %}',
        ];
        const filled = await evaluate({ [`k${key}`]: expressions }, { event: { data } });
        expect(filled).toEqual({ [`k${key}`]: [data, data, data, data] });
      }),
      { numRuns: 200 },
    );
  });

  test('keeps lists of one and of none where they stand', async () => {
    expect(
      await evaluate({ a: '{% event.data %}', b: '{% event.empty %}' }, { event: { data: [1], empty: [] } }),
    ).toEqual({ a: [1], b: [] });
  });
});

describe('the same now and seed give the same result', () => {
  const template = {
    now: '{% $now() %}',
    millis: '{% $millis() %}',
    today: '{% $toMillis("12:00", "[H01]:[m01]") %}',
    chance: '{% [$random(), $random()] %}',
    other: '{% $random() %}',
    order: '{% $shuffle([1..20]) %}',
  };

  test('whenever, and in whichever process', async () => {
    const pools = [new ExpressionPool({ size: 1 }), new ExpressionPool({ size: 1 })];
    onTestFinished(() => pools.forEach((pool) => void pool.close()));
    const options = { now: Date.UTC(2026, 0, 5, 2, 11, 9), seed: 'run_1 step' };
    const results = [];
    for (const pool of [...pools, ...pools]) results.push(await evaluate(template, bindings, options, pool));
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]).toMatchObject({
      now: '2026-01-05T02:11:09.000Z',
      millis: options.now,
      today: Date.UTC(2026, 0, 5, 12),
    });
  });

  test('and others give another', async () => {
    const [one, other] = [await seen(template, { now: 1, seed: 'a' }), await seen(template, { now: 2, seed: 'b' })];
    for (const key of ['now', 'millis', 'chance', 'other', 'order'])
      expect(one).not.toHaveProperty(key, (other as Record<string, unknown>)[key]);
    const { chance, other: alone } = one as { chance: number[]; other: number };
    expect(new Set([...chance, alone]).size).toBe(3);
    for (const number of [...chance, alone]) expect(number >= 0 && number < 1).toBe(true);
    const fresh = await Promise.all([seen('{% $random() %}'), seen('{% $random() %}')]);
    expect(fresh[0]).not.toBe(fresh[1]);
    const before = Date.now();
    const millis = Number(await seen('{% $millis() %}'));
    expect([before <= millis, millis <= Date.now()], `${before} ${millis}`).toEqual([true, true]);
  });
});

describe('our own functions', () => {
  test.each([
    ['$ref(event)', '7D4E'],
    ['$ref("evt_1")', '7D4E'],
    ['$base64("화재 경보: 3층")', '7ZmU7J6sIOqyveuztDogM+y4tQ=='],
    ['$base64("ALARM S12/Z3 Fire 🔥 #7F3A")', 'QUxBUk0gUzEyL1ozIEZpcmUg8J+UpSAjN0YzQQ=='],
    ['$base64encode("🔥é")', '8J+UpcOp'],
    ['$base64decode("w6k=")', 'é'],
    ['$base64decode($base64encode("화재 🔥"))', '화재 🔥'],
    ['$round($distance(48.8566, 2.3522, 51.5074, -0.1278) / 1000)', 344],
    ['$distance(37.5, 127, 37.5, 127)', 0],
    ['$decodeURIComponentSafe(event.data.senderName)', 'user name'],
    ['$decodeURIComponentSafe(event.data.broken)', '100%'],
    ['$parse("{\\"id\\":12345678901234567890,\\"__proto__\\":{}}")', { id: '12345678901234567890' }],
    ['$parseTime("2019-03-21 17:45:29", "Asia/Seoul")', Date.UTC(2019, 2, 21, 8, 45, 29)],
    ['$parseTime("2026-01-05T02:11:09Z")', Date.UTC(2026, 0, 5, 2, 11, 9)],
    ['$exists($parseTime("never"))', false],
    ['event.data.senderName ~> $decodeURIComponentSafe ~> $uppercase', 'USER NAME'],
    [
      '[$exists($hash(event.none)), $exists($base64(event.none)), $exists($parseTime(event.none))]',
      [false, false, false],
    ],
    [
      '[$exists($ref(event.none)), $exists($parse(event.none)), $exists($decodeURIComponentSafe(event.none))]',
      [false, false, false],
    ],
  ])('%s', async (expression, expected) => {
    expect(await seen(`{% ${expression} %}`)).toEqual(expected);
  });

  test('$hash is SHA-256 in hex', async () => {
    expect(await seen('{% $hash("") & $hash("abc") %}')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  test.each([
    ['$parse("{")', /Not valid JSON/],
    ['$parseTime("2019-03-21 17:45:29")', /names no time zone/],
    ['$parseTime("2019-03-21 17:45:29", "Mars/Base")', /is not a time zone/],
    ['$eval("1+1")', /\$eval is not available/],
    ['$hash(5)', /does not match function signature/],
  ])('%s fails with a sentence', async (expression, message) => {
    await expect(seen({ 'a/b': [`{% ${expression} %}`] })).rejects.toMatchObject({
      name: 'ExpressionFailure',
      kind: 'evaluation',
      pointer: '/a~1b/0',
      message: expect.stringMatching(message),
    });
  });
});

describe('validation', () => {
  test('names every expression that cannot be compiled, with its place', async () => {
    const problems = await validate({
      good: '{% event.id %}',
      text: 'nothing to see',
      'a/b': { 'c~d': [0, '{% 1 + %}'] },
      open: '{% event.id',
      closed: 'event.id %}',
      inside: 'Alarm {% 1 + %} and {% event.id',
      empty: '{%   %}',
      regex: '{% $contains(event.id, /a{2,1}/) %}',
      long: `{% ${'1+'.repeat(15_000)}1 %}`,
      deep: `{% ${'('.repeat(9_000)} %}`,
    });
    const expected = ['/a~1b/c~0d/1', '/open', '/closed', '/inside', '/inside', '/empty', '/regex', '/long', '/deep'];
    expect(problems.map(({ pointer }) => pointer)).toEqual(expected);
    expect(problems[0]).toMatchObject({ code: 'S0207', position: 3 });
    for (const problem of problems) expect(problem.message).not.toBe('');
    expect(await validate('{% $ %}')).toEqual([]);
    expect(await validate('{% "open %}')).toMatchObject([{ pointer: '', code: 'S0101', position: 5 }]);
  });

  test('finds what evaluation would refuse', async () => {
    await expect(seen({ a: '{% 1 + %}' })).rejects.toMatchObject({ kind: 'syntax', pointer: '/a', code: 'S0207' });
  });
});
