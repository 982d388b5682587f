import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasTooManyValues, JsonError, maxJsonValues, parseJson, parseLenientJson } from './json.ts';

const nested = (levels: number, open = '[', close = ']') => open.repeat(levels) + close.repeat(levels);

/** Any JSON value as a reader can give it back: no -0, which JSON writes as 0, no key that is left out, no integer that becomes text. */
const plainValue = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !/"__proto__":|\d{16}/.test(JSON.stringify(value)));

describe('reading JSON', () => {
  test('keeps every integer exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (integer) => {
        const safe = integer >= Number.MIN_SAFE_INTEGER && integer <= Number.MAX_SAFE_INTEGER;
        const exact = safe ? Number(integer) : String(integer);
        expect(parseJson(`{"a":${integer},"b":[${integer}]}`)).toEqual({ a: exact, b: [exact] });
      }),
    );
  });

  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['-9007199254740992', '-9007199254740992'],
    ['15583609109172', 15583609109172],
    [`1${'0'.repeat(400)}`, `1${'0'.repeat(400)}`],
    ['0.12345678901234566', 0.12345678901234566],
    ['1234567890123456789.0', 1234567890123456800],
    ['1e20', 1e20],
    ['"12345678901234567890"', '12345678901234567890'],
    [' \n[1 , 2]\t', [1, 2]],
  ])('%s', (text, value) => expect(parseJson(text)).toEqual(value));

  test('otherwise reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(plainValue, fc.constantFrom(0, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseJson(text)).toEqual(JSON.parse(text));
        expect(parseLenientJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('refuses what JSON.parse refuses', () => {
    fc.assert(
      fc.property(plainValue, fc.nat(), fc.constantFrom(',', '}', ']', '"', 'x', '\n', ''), (value, at, noise) => {
        const text = JSON.stringify(value);
        const place = at % (text.length + 1);
        const broken = text.slice(0, place) + noise + text.slice(place + 1);
        // These two are where it differs from `JSON.parse` on purpose.
        fc.pre(!/__proto__|\d{16}/.test(broken));
        const outcomeOf = (parse: (text: string) => unknown, Refusal: typeof SyntaxError | typeof JsonError) => {
          try {
            return { value: parse(broken) };
          } catch (error) {
            return { refused: error instanceof Refusal };
          }
        };
        expect(outcomeOf(parseJson, JsonError)).toEqual(outcomeOf(JSON.parse, SyntaxError));
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    '{"__proto__":{"admin":true},"a":1}',
    '{"\\u005f_proto__":{"admin":true},"a":1}',
    '{"__pr\\u006Fto__":{"admin":true},"a":1}',
    '{"a":1,"__proto__":null}',
  ])('leaves a dangerous key out of %s', (text) => {
    const value = parseJson(text) as object;
    expect(Object.keys(value)).toEqual(['a']);
    expect(Object.getPrototypeOf(Object.assign({}, value))).toBe(Object.prototype);
    expect(parseJson(`{"b":[${text}]}`)).toEqual({ b: [{ a: 1 }] });
  });

  test('stops at 200 levels, brackets in strings not counted', () => {
    expect(parseJson(nested(200))).toHaveLength(1);
    expect(() => parseJson(nested(201))).toThrow('JSON with more than 200 levels at position 200');
    expect(() => parseJson(`{"a":`.repeat(100_000))).toThrow(/200 levels/);
    expect(() => parseJson(nested(100_000, '[', ''))).toThrow(JsonError);
    const quoted = JSON.stringify({ a: nested(1000), b: '\\"[[['.repeat(500), c: '\\' });
    expect(parseJson(quoted)).toEqual(JSON.parse(quoted));
    expect(parseJson(`[${'[],'.repeat(500)}[]]`)).toHaveLength(501);
  });

  test('says where the text is wrong without repeating it', () => {
    for (const text of ['{"skey":"5ecret" x}', '{"skey":5ecret}', '5ecret', '["5ecret', '{"a":"5ecret\n"}']) {
      const error = (() => {
        try {
          return parseJson(text);
        } catch (caught) {
          return caught;
        }
      })();
      expect(error).toBeInstanceOf(JsonError);
      expect(String(error)).not.toMatch(/ecret/);
    }
    expect(() => parseJson('{"a":1 "b":2}')).toThrow('Not valid JSON at position 7');
    expect(() => parseJson('')).toThrow('Not valid JSON at position 0');
  });
});

describe('reading JSON leniently', () => {
  test("reads the vendor's own examples", () => {
    expect(parseLenientJson('{\n    "ServerURL": "https://aa.aa.com"\n    "Rand": "452673a34b"\n}')).toEqual({
      ServerURL: 'https://aa.aa.com',
      Rand: '452673a34b',
    });
  });

  test.each([
    ['{"a":1,}', { a: 1 }],
    ['[1,2,]', [1, 2]],
    ['[{"a":1}{"a":2}]', [{ a: 1 }, { a: 2 }]],
    ['[1 2 "3" null true]', [1, 2, '3', null, true]],
    ['{"a":{"b":1,}"c":[1],}', { a: { b: 1 }, c: [1] }],
    ['{"a":"x, \\" }" "b":12345678901234567890}', { a: 'x, " }', b: '12345678901234567890' }],
  ])('%s', (text, value) => expect(parseLenientJson(text)).toEqual(value));

  test.each([
    '{"a" 1}',
    '{"a":}',
    '[1,,2]',
    '[,1]',
    '{,}',
    '{"a":1',
    '{"a":1}}',
    '"a',
    '{a:1}',
    '<html>',
    '',
    '{"a":,"b":1}',
    '{"a",:1}',
  ])('refuses %s with the error of the strict reader', (text) => {
    expect(() => parseLenientJson(text)).toThrow(JsonError);
    expect(() => parseLenientJson(text)).toThrow(/^Not valid JSON/);
  });

  test('accepts any number of missing and additional commas', () => {
    fc.assert(
      fc.property(plainValue, fc.infiniteStream(fc.boolean()), (value, choices) => {
        const mend = (text: string) => (choices.next().value ? text : '');
        const broken = JSON.stringify(value, null, 1)
          .replace(/,\n/g, () => `${mend(',')}\n`)
          .replace(/([\]}"\dle])(\n *[\]}])/g, (_, end: string, close: string) => `${end}${mend(',')}${close}`);
        expect(parseLenientJson(broken)).toEqual(value);
      }),
    );
  });

  test('takes time proportional to the length of hostile text', () => {
    // Of this length, whatever takes the square of it would not end within the time limit of a test.
    for (const text of [
      '"'.repeat(2_000_001),
      '"\\'.repeat(1_000_000),
      '[ '.repeat(150),
      'a'.repeat(3_000_000),
      `"${'\\"'.repeat(1_500_000)}`,
    ]) {
      expect(() => parseLenientJson(text)).toThrow(JsonError);
    }
  });
});

describe('more values than fit into memory', () => {
  const list = (count: number) => `[${'{},'.repeat(count - 1)}{}]`;

  test('are refused by their number, not by their length', () => {
    // Each of half a million objects is preceded by a comma.
    expect(parseJson(list(maxJsonValues / 2))).toHaveLength(maxJsonValues / 2);
    expect(() => parseJson(list(maxJsonValues / 2 + 1))).toThrow('JSON with more than 1000000 values');
    expect(parseJson(JSON.stringify('{,['.repeat(maxJsonValues)))).toHaveLength(3 * maxJsonValues);
  });

  test('are counted in bytes just so, without reading them, and only in JSON', () => {
    const isExcess = (text: string) => hasTooManyValues(Buffer.from(text));
    expect(isExcess(` \n${list(maxJsonValues / 2)}`)).toBe(false);
    expect(isExcess(`\ufeff${list(maxJsonValues / 2 + 1)}`)).toBe(true);
    expect(isExcess(`[${JSON.stringify(`\\"${'{,['.repeat(maxJsonValues)}`)}]`)).toBe(false);
    expect(isExcess('a,b\n'.repeat(2 * maxJsonValues))).toBe(false);
  });
});
