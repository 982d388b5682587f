import { text } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type HookBench, type MadeHook, startHookBench } from '../../test/support/hook-requests.ts';
import { systemClock } from '../aws/system.ts';
import { GatewayError } from '../core/errors.ts';
import { uploadKey } from '../core/files.ts';
import { findEvent, shownEvent } from '../events/log.ts';
import { readBody } from './read/body.ts';

let bench: HookBench;
let open: MadeHook;
const errors: string[] = [];

beforeAll(async () => {
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => {
    if (String(line).includes('"level":"error"')) errors.push(String(line));
    return true;
  });
  bench = await startHookBench();
  open = await bench.make({ verify: { kind: 'none' }, perMinute: 60_000 });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.stop();
});

const limit = 256 * 1024;
/** Files that were stored, by their id. */
const stored = new Map<string, Buffer>();
const read = (body: string | Buffer, type?: string) =>
  readBody(Buffer.from(body as string), type, async (bytes, media, name) => {
    const uploadId = `file-${stored.size}`;
    stored.set(uploadId, bytes);
    return { uploadId, type: media, size: bytes.length, ...(name && { name }) };
  });

/** Posts a body and returns its event in the log. */
async function through(body: string | Buffer, type?: string): Promise<unknown> {
  const headers = type === undefined ? {} : { 'content-type': type };
  const answer = await bench.post({ path: open.path, body: Buffer.from(body as string), headers });
  expect(answer.status, answer.text).toBe(202);
  const services = { table: bench.table, files: bench.files, clock: systemClock };
  const item = await findEvent(services, (answer.body as { eventId: string }).eventId);
  if (!item) throw new Error('The event is not in the log');
  return (await shownEvent(bench.files, item)).data.body;
}

describe('how a body is read', () => {
  test.each([
    ['{"a":[1,null,"ü"]}', 'application/json', { a: [1, null, 'ü'] }],
    ['{"id":12345678901234567890}', 'application/cloudevents+json; charset=utf-8', { id: '12345678901234567890' }],
    ['"text"', 'application/json', 'text'],
    ['\ufeff{"a":1}', 'application/json', { a: 1 }],
    ['a=1&b=x%20y+z&a=2&c', 'application/x-www-form-urlencoded', { a: ['1', '2'], b: 'x y z', c: '' }],
    ['a=%zz', 'application/x-www-form-urlencoded', { a: '%zz' }],
    ['msg=%C9vacuation', 'application/x-www-form-urlencoded; charset=iso-8859-1', { msg: 'Évacuation' }],
    ['name=K%FChlraum', 'application/x-www-form-urlencoded; charset=iso-8859-1', { name: 'Kühlraum' }],
    ['a=%89%CE&b=%8D%91', 'application/x-www-form-urlencoded; charset=shift_jis', { a: '火', b: '国' }],
    ['{"a":1}\n{"a":2}\n', 'application/x-ndjson', [{ a: 1 }, { a: 2 }]],
    ['{"a":1}', 'application/x-json', { a: 1 }],
    [' \r\n ', 'application/json', null],
    ['{"half":"\\ud800"}', 'application/json', { half: '\ufffd' }],
    ['<a>1</a>', 'application/atom+xml', { a: '1' }],
    ['{"from":"curl -d"}', 'application/x-www-form-urlencoded', { from: 'curl -d' }],
    ['{"a":1}&b=2', 'application/x-www-form-urlencoded', { '{"a":1}': '', b: '2' }],
    ['Fire in Z3', 'text/plain', 'Fire in Z3'],
    ['{"Type":"Notification"}', 'text/plain; charset=UTF-8', { Type: 'Notification' }],
    ['{not json', 'text/plain', '{not json'],
    ['42', 'text/plain', '42'],
    ['{"a":1}', undefined, { a: 1 }],
    ['Fire', undefined, 'Fire'],
    ['', 'application/json', null],
    ['', undefined, null],
    ['', 'image/png', null],
  ])('%j as %s', async (body, type, expected) => {
    expect(await read(body, type)).toEqual(expected);
  });

  test.each([['application/xml'], ['text/xml; charset=utf-8'], ['application/soap+xml']])(
    'XML as %s: attributes, lists, CDATA and the entities of XML itself',
    async (type) => {
      const xml = `<?xml version="1.0"?>
      <alarm id="0012" state='open'>
        <zone>Z3</zone><zone>Z&#233;&#x41; &amp; &lt;4&gt;</zone>
        <text lang="de">Feuer</text><raw><![CDATA[<b>&amp;</b>]]></raw><empty/><!-- no -->
      </alarm>`;
      expect(await read(xml, type)).toEqual({
        alarm: {
          '@id': '0012',
          '@state': 'open',
          zone: ['Z3', 'ZéA & <4>'],
          text: { '@lang': 'de', '#text': 'Feuer' },
          raw: '<b>&amp;</b>',
          empty: '',
        },
      });
    },
  );

  test('other charsets are decoded if they are declared', async () => {
    const latin = Buffer.from('Türe', 'latin1');
    expect(await read(latin, 'text/plain; charset=iso-8859-1')).toBe('Türe');
    expect(
      await read(Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>Türe</a>', 'latin1'), 'text/xml'),
    ).toEqual({
      a: 'Türe',
    });
    expect(await read(Buffer.from('\ufeff{"a":"ü"}', 'utf16le'), 'application/json')).toEqual({ a: 'ü' });
  });

  test.each([
    ['{"a":', 'application/json', 'invalid_json'],
    ['undefined', 'application/json', 'invalid_json'],
    [Buffer.from([0x22, 0xff, 0x22]), 'application/json', 'invalid_request'],
    [Buffer.from('Türe', 'latin1'), 'text/plain', 'invalid_request'],
    ['x', 'text/plain; charset=klingon', 'unsupported_media_type'],
    ['b=%ff', 'application/x-www-form-urlencoded', 'invalid_request'],
    ['--x\r\n\r\n--x--', 'multipart/form-data; boundary=x', 'invalid_request'],
    ['<a><b></a>', 'application/xml', 'invalid_request'],
    ['not xml', 'application/xml', 'invalid_request'],
    ['<a>AT&T</a>', 'application/xml', 'invalid_request'],
    ['<a>&#0;</a>', 'application/xml', 'invalid_request'],
    ['<a>&#xD800;</a>', 'application/xml', 'invalid_request'],
    [`[${'['.repeat(300)}${']'.repeat(300)}]`, 'application/json', 'invalid_json'],
    [
      Array.from({ length: 1001 }, (_, at) => `f${at}=1`).join('&'),
      'application/x-www-form-urlencoded',
      'invalid_request',
    ],
  ])('%j as %s is refused', async (body, type, code) => {
    await expect(read(body, type)).rejects.toThrow(expect.objectContaining({ code }));
    const answer = await bench.post({
      path: open.path,
      body: Buffer.from(body as string),
      headers: { 'content-type': type },
    });
    expect(answer.body).toMatchObject({ code });
    expect((await bench.read(open.id)).lastRefusal).toMatchObject({ status: answer.status });
  });

  test('text parts of a multipart form are fields, JSON and XML parts are read, and files are stored', async () => {
    const part = (head: string, text: string) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
    const form = [
      part('name="event"', 'media.play'),
      part('name="payload"', '{"user":true}'),
      part('name="alarm"; filename="a.xml"\r\nContent-Type: application/xml', '<zone>Z3</zone>'),
      part('name="picture"; filename="a.jpg"\r\nContent-Type: image/jpeg', 'bytes'),
      '--b--\r\n',
    ].join('');
    const found = (await through(form, 'multipart/form-data; boundary=b')) as { picture: { uploadId: string } };
    expect(found).toMatchObject({
      event: 'media.play',
      payload: { user: true },
      alarm: { zone: 'Z3' },
      picture: { type: 'image/jpeg', size: 5, name: 'a.jpg' },
    });
    const { stream } = await bench.files.get(uploadKey(found.picture.uploadId));
    expect(await text(stream)).toBe('bytes');
  });

  test('bytes of another type, and bodies beyond 256 KB, are stored as files', async () => {
    for (const type of ['image/png', 'application/octet-stream'])
      expect(await through('x', type)).toMatchObject({ type, size: 1 });
    const large = JSON.stringify({ text: 'x'.repeat(limit) });
    const found = (await through(large, 'application/json')) as { uploadId: string; size: number };
    expect(found).toMatchObject({ type: 'application/json', size: large.length });
    const { stream } = await bench.files.get(uploadKey(found.uploadId));
    expect(await text(stream)).toBe(large);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('a body that was compressed with %s is unpacked', async (coding, compress) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': coding };
    const answer = await bench.post({ path: open.path, body: compress('{"zone":"Z3"}'), headers });
    expect(answer.status, answer.text).toBe(202);
    expect(bench.eventsOf(open.id).at(-1)?.event.data.body).toEqual({ zone: 'Z3' });
  });

  test('an unknown coding is 415 with the known ones, a decompression bomb is 413, and invalid data is 400', async () => {
    const post = (body: Buffer, coding: string) =>
      bench.post({ path: open.path, body, headers: { 'content-type': 'text/plain', 'content-encoding': coding } });
    const unknown = await post(Buffer.from('x'), 'compress');
    expect(unknown).toMatchObject({ status: 415, headers: { 'accept-encoding': 'gzip, deflate, br' } });
    expect(await post(gzipSync(Buffer.alloc(11 * 1024 * 1024)), 'gzip')).toMatchObject({ status: 413 });
    expect(await post(Buffer.from('no gzip'), 'gzip')).toMatchObject({ status: 400 });
  });

  test('a body is not read without the secret', async () => {
    const closed = await bench.make({ verify: { kind: 'github' } });
    const answer = await bench.post({
      path: closed.path,
      body: '{"a":',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(401);
  });
});

describe('hostile bodies', () => {
  test('a billion laughs, an external entity and a parameter entity expand to nothing', async () => {
    const laughs = `<!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from(
      { length: 9 },
      (_, at) => `<!ENTITY lol${at + 1} "${`&lol${at === 0 ? '' : at};`.repeat(10)}">`,
    ).join('')}]><lolz>&lol9;</lolz>`;
    for (const xml of [
      laughs,
      '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
      '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
      '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><a>&y;</a>',
      '<!DOCTYPE a [<!ENTITY amp "changed">]><a b="&lol;">&amp;</a>',
    ]) {
      await expect(read(xml, 'application/xml')).rejects.toThrow(expect.objectContaining({ code: 'invalid_request' }));
    }
    expect(await read('<!DOCTYPE a SYSTEM "a.dtd"><a>&amp;</a>', 'application/xml')).toEqual({ a: '&' });
  });

  test('names that could change a prototype do not, and the rest is stored', async () => {
    const json =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1},"name":"Set"},"a":{"__proto__":[1]},"":0}';
    expect(await through(json, 'application/json')).toEqual({
      constructor: { prototype: { polluted: 1 }, name: 'Set' },
      a: {},
      '': 0,
    });
    expect(await through('__proto__=1&constructor=2&toString=3', 'application/x-www-form-urlencoded')).toEqual({
      constructor: '2',
      toString: '3',
    });
    expect(await through('<a __proto__="x"><toString>1</toString></a>', 'text/xml')).toEqual({
      a: { '@__proto__': 'x', toString: '1' },
    });
    for (const name of ['__proto__', 'constructor', 'prototype']) {
      await expect(read(`<a><${name}>1</${name}></a>`, 'text/xml')).rejects.toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('JSON values that the table cannot store are stored all the same', async () => {
    const deep = `${'{"a":['.repeat(60)}1${']}'.repeat(60)}`;
    for (const json of [
      '{"n":1e300,"small":1e-200,"big":123456789012345678901234567890,"f":0.1,"e":1e20}',
      '{"lone":"\\ud800","\\ud800":1}',
      '{"constructor":{"name":"Map"},"x":1}',
      '{"constructor":"x"}',
      '{"":{"":[]}}',
      deep,
      `[${'1,'.repeat(100_000)}1]`,
      `[${'[],'.repeat(60_000)}[]]`,
      JSON.stringify({ text: '\u0000'.repeat(40_000) }),
      // Line separators of Unicode, which JSON takes unescaped.
      '{"text":"a\u2028b\u2029c\u0085d","key\u2028":1}',
    ]) {
      expect(await through(json, 'application/json')).toEqual(await read(json, 'application/json'));
    }
  });

  test('no body of 256 KB blocks the process', async () => {
    const name = 'n'.repeat(1000);
    const bodies = [
      '<a>'.repeat(limit / 3),
      `<a>${'<b/>'.repeat(limit / 4 - 10)}</a>`,
      `<a ${Array.from({ length: 20_000 }, (_, at) => `b${at}="1"`).join(' ')}/>`,
      `<a>${'&amp;'.repeat(limit / 5 - 10)}</a>`,
      `<a>${'&'.repeat(limit - 10)}</a>`,
      `<a${' '.repeat(limit - 10)}>`,
      `<a ${'b'}${' '.repeat(limit - 20)}="1"/>`,
      '<'.repeat(limit),
      `<a>${'<![CDATA['.repeat(limit / 9 - 10)}`,
      `<a>${'<!--'.repeat(limit / 4 - 10)}`,
      `<a>${'<?'.repeat(limit / 2 - 10)}`,
      `<a ${'="'.repeat(limit / 2 - 10)}`,
      `<a b='${'"'.repeat(limit - 20)}'/>`,
      `<!DOCTYPE a [${'<!ENTITY b "c">'.repeat(limit / 16)}]><a/>`,
      '<!DOCTYPE a ['.repeat(limit / 13),
      `${`<${name}>`.repeat(45)}${'<a/>'.repeat(40_000)}${`</${name}>`.repeat(45)}`,
      `<a>${'<b>\n\t</b>'.repeat(limit / 11)}</a>`,
    ];
    for (const body of bodies) {
      const problem = await read(body.slice(0, limit), 'application/xml').then(
        () => new GatewayError('invalid_request', 'none'),
        (error) => error as unknown,
      );
      expect(problem).toBeInstanceOf(GatewayError);
      expect((problem as GatewayError).message.length).toBeLessThan(250);
    }
  });
});

const type = fc.oneof(
  fc.constantFrom(
    'application/json',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/xml',
    'text/xml',
    'application/vnd.api+json',
    'text/plain; charset=utf-16',
    'multipart/form-data',
    ';',
    'application/json;charset=',
  ),
  fc.string({ maxLength: 30 }),
);
const key = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'length', ''),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ maxLength: 12, unit: 'binary' }),
    fc.double(),
    fc.constantFrom(null, true, 1e300, -0, 2 ** 60),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}));
const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  value.map((each) => Buffer.from(JSON.stringify(each))),
  fc.string({ maxLength: 100, unit: 'grapheme' }).map((each) => Buffer.from(each)),
  fc
    .array(
      fc.constantFrom(
        '<a>',
        '</a>',
        '<b c="d">',
        '</b>',
        '<a/>',
        '&amp;',
        '&x;',
        '<![CDATA[',
        ']]>',
        '<!--',
        '-->',
        'text',
        '<!DOCTYPE a [',
      ),
      {
        maxLength: 12,
      },
    )
    .map((parts) => Buffer.from(parts.join(''))),
  fc.dictionary(key, fc.string({ maxLength: 10 })).map((fields) => Buffer.from(new URLSearchParams(fields).toString())),
);
const header = fc.constantFrom(
  'authorization',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'x-hub-signature-256',
  'stripe-signature',
  'x-nextcloud-talk-random',
  'x-nextcloud-talk-signature',
  'idempotency-key',
  'cookie',
  '__proto__',
  'constructor',
  'x-event',
);
const request = fc.record({
  method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT', 'OPTIONS', ''),
  hook: fc.nat(9),
  tail: fc.constantFrom('', '', '', '', '/', 'x', '/../x', '%00'),
  query: fc.oneof(fc.constant(''), fc.string({ maxLength: 20 }), fc.constant('__proto__=1&constructor=2&a=%zz')),
  type,
  headers: fc.dictionary(header, fc.string({ maxLength: 40 }), { maxKeys: 4 }),
  body,
});

test('requests of any form are answered, and none with a 500', async () => {
  const secrets: Record<string, unknown>[] = [
    { kind: 'none' },
    { kind: 'standard-webhooks' },
    { kind: 'github' },
    { kind: 'stripe', secret: 'whsec_anything' },
    { kind: 'bearer' },
    { kind: 'basic', user: 'a', password: 'b' },
  ];
  const hooks = await Promise.all(secrets.map((verify) => bench.make({ verify, perMinute: 60_000 })));
  const statuses = new Map<number, number>();
  const left = fc.sample(request, 2_000);
  const worker = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
      const { hook, tail, method, query, headers } = next;
      // Most go to hooks where only the body decides.
      const path = (hooks[hook >= hooks.length ? 0 : hook] ?? open).path + tail;
      const answer = await bench.post({
        method,
        path,
        query,
        body: next.body,
        headers: { 'content-type': next.type, ...headers },
      });
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status >= 500)
        throw new Error(`${answer.status} for ${JSON.stringify(next)}: ${answer.text} ${errors.at(-1)}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  expect(errors).toEqual([]);
  // Each kind of answer was met, so the requests reached every part.
  for (const status of [202, 400, 401, 404, 405]) expect(statuses.get(status) ?? 0, String(status)).toBeGreaterThan(4);
});
