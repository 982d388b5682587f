import { afterEach, expect, test, vi } from 'vitest';
import { useBridge } from '../../test/support/bridge-fixture.ts';

const used = useBridge();
afterEach(() => vi.unstubAllEnvs());

test('is payload 2.0', async () => {
  const before = Date.now();
  await used.call({
    method: 'POST',
    body: '{"channelId":7}',
    headers: { 'content-type': 'application/json', 'user-agent': 'curl/8', authorization: 'Bearer tl_x' },
  });
  expect(used.event).toEqual({
    version: '2.0',
    routeKey: 'ANY /v1/proptt2/{proxy+}',
    rawPath: used.path,
    rawQueryString: '',
    headers: expect.objectContaining({
      host: `127.0.0.1:${used.bridge.port}`,
      authorization: 'Bearer tl_x',
      'content-type': 'application/json',
      'content-length': '15',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    }),
    pathParameters: { proxy: 'dispatch/sendSosToChannel' },
    requestContext: expect.objectContaining({
      stage: '$default',
      routeKey: 'ANY /v1/proptt2/{proxy+}',
      http: { method: 'POST', path: used.path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'curl/8' },
      time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      timeEpoch: expect.any(Number),
    }),
    body: '{"channelId":7}',
    isBase64Encoded: false,
  });
  const { timeEpoch, time } = used.event.requestContext;
  expect(timeEpoch).toBeGreaterThanOrEqual(before);
  expect(timeEpoch).toBeLessThanOrEqual(Date.now());
  expect(new Date(timeEpoch).toUTCString()).toContain(time.slice(12, 20));
});

test.each([
  ['no proxy is trusted', '', '203.0.113.9', ['http', '127.0.0.1']],
  ['another one is trusted', '192.0.2.0/24', '203.0.113.9', ['http', '127.0.0.1']],
  ['the sender is trusted', '127.0.0.1', '198.51.100.1, 203.0.113.9', ['https', '203.0.113.9']],
  ['two in a row are trusted', '127.0.0.1, 192.0.2.0/24', '203.0.113.9, 192.0.2.7', ['https', '203.0.113.9']],
  ['a trusted one names no address', '127.0.0.1', 'unknown', ['https', '127.0.0.1']],
])('trusts the forwarded headers if %s', async (_, trusted, forwarded, expected) => {
  vi.stubEnv('TRUNKLINE_TRUSTED_PROXIES', trusted);
  await used.call({ headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': forwarded } });
  const { headers, requestContext } = used.event;
  expect([headers['x-forwarded-proto'], requestContext.http.sourceIp]).toEqual(expected);
  expect(headers['x-forwarded-for']).toBe(`${forwarded}, 127.0.0.1`);
});

test('has the path decoded and the query unchanged', async () => {
  await used.call({}, '/v1/proptt2/caf%C3%A9%20x/a%2Fb?name=J%C3%BCrgen%20M&since=2&since=3&flag&plus=a+b&__proto__=x');
  expect(used.event.rawPath).toBe('/v1/proptt2/café x/a/b');
  expect(used.event.requestContext.http.path).toBe(used.event.rawPath);
  expect(used.event.pathParameters).toEqual({ proxy: 'café x/a/b' });
  expect(used.event.rawQueryString).toBe('name=J%C3%BCrgen%20M&since=2&since=3&flag&plus=a+b&__proto__=x');
  expect(Object.entries(used.event.queryStringParameters ?? {})).toEqual([
    ['name', 'Jürgen M'],
    ['since', '2,3'],
    ['flag', ''],
    ['plus', 'a b'],
    ['__proto__', 'x'],
  ]);
});

test('joins repeated headers with a comma, takes cookies out, leaves hop-by-hop headers behind', async () => {
  await used.raw(
    [
      'Host',
      'gateway.example',
      'X-Tag',
      'one',
      'x-tag',
      'two',
      'Authorization',
      'Bearer a',
      'Authorization',
      'Bearer b',
      'Cookie',
      'a=1; b=2',
      'cookie',
      'c=3',
      'Constructor',
      'mine',
      '__proto__',
      'p',
      'X-Forwarded-For',
      '203.0.113.9',
      'Connection',
      'close',
      'Transfer-Encoding',
      'chunked',
    ],
    'x',
  );
  expect(Object.fromEntries(Object.entries(used.event.headers))).toEqual({
    host: 'gateway.example',
    'x-tag': 'one,two',
    authorization: 'Bearer a,Bearer b',
    constructor: 'mine',
    ['__proto__']: 'p',
    'x-forwarded-for': '203.0.113.9, 127.0.0.1',
    'x-forwarded-proto': 'http',
  });
  expect(used.event.cookies).toEqual(['a=1', 'b=2', 'c=3']);
  expect(used.event.queryStringParameters).toEqual({ a: '1,2' });
  expect(Object.hasOwn(used.event.headers, 'cookie')).toBe(false);
});

test.each([
  ['application/json', false],
  ['application/json; charset=utf-8', false],
  ['Application/JSON', false],
  ['text/plain', false],
  ['text/csv;header=present', false],
  ['application/xml', false],
  ['application/javascript', false],
  ['application/x-www-form-urlencoded', true],
  ['application/problem+json', true],
  ['application/jsonp', true],
  ['image/png', true],
  ['multipart/form-data; boundary=x', true],
  [undefined, true],
])('has a body of type %s as Base64: %s', async (type, base64) => {
  await used.raw(
    ['Host', 'gateway.example', ...(type === undefined ? [] : ['Content-Type', type]), 'Content-Length', '5'],
    'grü!',
  );
  expect(used.event.isBase64Encoded).toBe(base64);
  expect(used.event.body).toBe(base64 ? Buffer.from('grü!').toString('base64') : 'grü!');
});

test('has no body and no query where there are none', async () => {
  await used.call();
  expect(used.event).not.toHaveProperty('body');
  expect(used.event).not.toHaveProperty('queryStringParameters');
  expect(used.event).not.toHaveProperty('cookies');
  expect(used.event.isBase64Encoded).toBe(false);
  await used.call({ method: 'POST', headers: { 'content-type': 'application/json' } });
  expect(used.event).not.toHaveProperty('body');
});

test('has another request id each time, and so has the context', async () => {
  const ids = new Set<string>();
  const before = Date.now();
  for (let i = 0; i < 5; i++) {
    await used.call();
    ids.add(used.event.requestContext.requestId).add(used.context.awsRequestId);
  }
  expect(ids.size).toBe(10);
  expect(used.context).toMatchObject({
    functionName: 'proptt2',
    awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  const deadline = Date.now() + used.context.getRemainingTimeInMillis();
  expect(deadline).toBeGreaterThanOrEqual(before + 29_000);
});

test('survives a body in many pieces with a character cut in two', async () => {
  const bytes = Buffer.from(JSON.stringify({ message: '🚒'.repeat(1000) }));
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
  await used.call({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: ReadableStream.from(pieces) as never,
    duplex: 'half',
  } as RequestInit);
  expect(used.event.body).toBe(bytes.toString());
});
