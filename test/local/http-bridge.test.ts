import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type HttpBridge, startHttpBridge } from '../../local/http-bridge.ts';

let bridge: HttpBridge;
let event: APIGatewayProxyEventV2;
let context: Context;
let answer: (event: APIGatewayProxyEventV2) => unknown;
const onCrash = vi.fn();

beforeEach(async () => {
  answer = () => ({ statusCode: 200, body: 'ok' });
  onCrash.mockReset();
  bridge = await startHttpBridge({
    limit: 300,
    onCrash,
    routes: [
      {
        method: 'ANY',
        path: '/v1/proptt2/{proxy+}',
        functionName: 'proptt2',
        handler: async (given, its) => {
          event = given;
          context = its;
          return answer(given);
        },
      },
      {
        method: 'PUT',
        path: '/uploads/{token}',
        stream: (request, response, parameters) => {
          request.resume().on('end', () => response.end(parameters.token));
        },
      },
    ],
  });
});
afterEach(() => bridge.close());

const path = '/v1/proptt2/dispatch/sendSosToChannel';
const call = (init: RequestInit = {}, target = path) => fetch(`${bridge.url}${target}`, init);

/** Sends headers as they are, repeated ones included. */
async function raw(
  lines: string[],
  body = '',
): Promise<{ status: number; headers: IncomingMessage['headers']; text: string }> {
  const sent = httpRequest(`${bridge.url}${path}?a=1&a=2`, { method: 'POST', headers: lines as never, setHost: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, text: await text(response) };
}

describe('the event', () => {
  test('is payload 2.0', async () => {
    await call({
      method: 'POST',
      body: '{"channelId":7}',
      headers: { 'content-type': 'application/json', 'user-agent': 'curl/8', authorization: 'Bearer tl_x' },
    });
    expect(event).toEqual({
      version: '2.0',
      routeKey: 'ANY /v1/proptt2/{proxy+}',
      rawPath: path,
      rawQueryString: '',
      headers: expect.objectContaining({
        host: `127.0.0.1:${bridge.port}`,
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
        http: { method: 'POST', path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'curl/8' },
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
        timeEpoch: expect.any(Number),
      }),
      body: '{"channelId":7}',
      isBase64Encoded: false,
    });
    const { timeEpoch, time } = event.requestContext;
    expect(Math.abs(Date.now() - timeEpoch)).toBeLessThan(5000);
    expect(new Date(timeEpoch).toUTCString()).toContain(time.slice(12, 20));
  });

  test('has the path decoded and the query as it came', async () => {
    await call({}, '/v1/proptt2/caf%C3%A9%20x/a%2Fb?name=J%C3%BCrgen%20M&since=2&since=3&flag&plus=a+b&__proto__=x');
    expect(event.rawPath).toBe('/v1/proptt2/café x/a/b');
    expect(event.requestContext.http.path).toBe(event.rawPath);
    expect(event.pathParameters).toEqual({ proxy: 'café x/a/b' });
    expect(event.rawQueryString).toBe('name=J%C3%BCrgen%20M&since=2&since=3&flag&plus=a+b&__proto__=x');
    expect(Object.entries(event.queryStringParameters ?? {})).toEqual([
      ['name', 'Jürgen M'],
      ['since', '2,3'],
      ['flag', ''],
      ['plus', 'a b'],
      ['__proto__', 'x'],
    ]);
  });

  test('joins repeated headers with a comma, takes cookies out, leaves hop-by-hop headers behind', async () => {
    await raw(
      [
        ...[
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
        ],
        ...[
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
        ],
        ...['Connection', 'close', 'Transfer-Encoding', 'chunked'],
      ],
      'x',
    );
    expect(Object.fromEntries(Object.entries(event.headers))).toEqual({
      host: 'gateway.example',
      'x-tag': 'one,two',
      authorization: 'Bearer a,Bearer b',
      constructor: 'mine',
      ['__proto__']: 'p',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'http',
    });
    expect(event.cookies).toEqual(['a=1', 'b=2', 'c=3']);
    expect(event.queryStringParameters).toEqual({ a: '1,2' });
    expect(Object.hasOwn(event.headers, 'cookie')).toBe(false);
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
    await raw(['Host', 'x', ...(type === undefined ? [] : ['Content-Type', type]), 'Content-Length', '5'], 'grü!');
    expect(event.isBase64Encoded).toBe(base64);
    expect(event.body).toBe(base64 ? Buffer.from('grü!').toString('base64') : 'grü!');
  });

  test('has no body and no query where there are none', async () => {
    await call();
    expect(event).not.toHaveProperty('body');
    expect(event).not.toHaveProperty('queryStringParameters');
    expect(event).not.toHaveProperty('cookies');
    expect(event.isBase64Encoded).toBe(false);
    await call({ method: 'POST', headers: { 'content-type': 'application/json' } });
    expect(event).not.toHaveProperty('body');
  });

  test('has another request id each time, and so has the context', async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 5; i++) {
      await call();
      ids.add(event.requestContext.requestId).add(context.awsRequestId);
    }
    expect(ids.size).toBe(10);
    expect(context).toMatchObject({ functionName: 'proptt2', awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(context.getRemainingTimeInMillis()).toBeGreaterThan(28_000);
  });

  test('survives a body in many pieces with a character cut in two', async () => {
    const bytes = Buffer.from(JSON.stringify({ message: '🚒'.repeat(1000) }));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
    await call({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: ReadableStream.from(pieces) as never,
      duplex: 'half',
    } as RequestInit);
    expect(event.body).toBe(bytes.toString());
  });
});

describe('the answer', () => {
  const got = async (init?: RequestInit) => {
    const response = await call(init);
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      body: await response.text(),
      response,
    };
  };

  test.each([
    ['a string', 'hello', 'application/json', 'hello'],
    ['an object', { code: '200' }, 'application/json', '{"code":"200"}'],
    ['nothing', undefined, 'application/json', 'null'],
    ['a structured one without a type', { statusCode: 200, body: 'plain' }, 'text/plain;charset=UTF-8', 'plain'],
    ['a structured one with a type', { statusCode: 200, headers: { 'Content-Type': 'a/b' }, body: 'x' }, 'a/b', 'x'],
    ['a status as text', { statusCode: '200', body: 'x' }, 'text/plain;charset=UTF-8', 'x'],
  ])('%s', async (_, result, type, body) => {
    answer = () => result;
    expect(await got()).toMatchObject({ status: 200, type, body });
  });

  test('keeps status, headers and cookies', async () => {
    answer = () => ({
      statusCode: 429,
      headers: {
        'retry-after': 7,
        'x-flag': true,
        'x-none': undefined,
        'content-length': '999',
        connection: 'upgrade',
      },
      cookies: ['a=1; Path=/', 'b=2'],
      body: 'grüße',
    });
    const { response, body } = await got();
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'retry-after': '7',
      'x-flag': 'true',
      'content-length': '7',
    });
    expect(response.headers.has('x-none')).toBe(false);
    expect(response.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
    expect(body).toBe('grüße');
  });

  test('decodes Base64 to the bytes', async () => {
    const bytes = Buffer.from([0, 255, 128, 10, 13]);
    answer = () => ({
      statusCode: 200,
      isBase64Encoded: true,
      body: bytes.toString('base64'),
      headers: { 'content-type': 'image/png' },
    });
    expect(Buffer.from(await (await call()).arrayBuffer())).toEqual(bytes);
  });

  test('has no body for 204, 304 and HEAD', async () => {
    for (const status of [204, 304]) {
      answer = () => ({ statusCode: status });
      expect(await got()).toMatchObject({ status, body: '' });
    }
    answer = () => ({ statusCode: 200, body: 'twelve chars' });
    const head = await got({ method: 'HEAD' });
    expect([head.body, head.response.headers.get('content-length')]).toEqual(['', '12']);
  });

  test.each([
    ['a crash', () => Promise.reject(new Error('secret detail'))],
    ['a body that is no string', () => ({ statusCode: 200, body: { a: 1 } })],
    ['a status that is none', () => ({ statusCode: 99 })],
    ['a header that would split the answer', () => ({ statusCode: 200, headers: { 'x-a': 'b\r\nc: d' } })],
    ['more than Lambda may answer', () => ({ statusCode: 200, body: 'x'.repeat(6 * 1024 * 1024 + 1) })],
  ])('%s is a bare 500, and we hear why', async (_, result) => {
    answer = result;
    expect(await got()).toMatchObject({
      status: 500,
      type: 'application/json',
      body: '{"message":"Internal Server Error"}',
    });
    expect(onCrash).toHaveBeenCalledWith(expect.any(Error), 'proptt2');
    answer = () => ({ statusCode: 200, body: 'still here' });
    expect((await got()).body).toBe('still here');
  });

  test('a function that takes longer than API Gateway waits is 503, and its late answer goes nowhere', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    answer = () => promise;
    expect(await got()).toMatchObject({ status: 503, body: '{"message":"Service Unavailable"}' });
    resolve({ statusCode: 200, body: 'late' });
    answer = () => ({ statusCode: 200, body: 'next' });
    expect((await got()).body).toBe('next');
    expect(onCrash).not.toHaveBeenCalled();
  });
});

describe('limits', () => {
  const post = async (size: number, chunked = false) => {
    const bytes = Buffer.alloc(size, 'x');
    const response = await call({
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      ...(chunked
        ? { body: ReadableStream.from([bytes.subarray(0, size / 2), bytes.subarray(size / 2)]), duplex: 'half' }
        : { body: bytes }),
    } as RequestInit);
    return [response.status, await response.text()];
  };

  test('a body beyond 10 MB is 413, with and without a stated length', async () => {
    const refused = [413, '{"message":"Request Entity Too Large"}'];
    expect(await post(10 * 1024 * 1024 + 1)).toEqual(refused);
    expect(await post(10 * 1024 * 1024 + 2, true)).toEqual(refused);
    expect(await post(1000)).toEqual([200, 'ok']);
  });

  test('so is one that a Lambda would not take', async () => {
    expect((await post(6 * 1024 * 1024 + 1))[0]).toBe(413);
    expect((await post(5 * 1024 * 1024))[0]).toBe(200);
  });

  test('a body that never comes is 408', async () => {
    const socket = connect(bridge.port, '127.0.0.1');
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc`);
    expect(await text(socket)).toMatch(
      /^HTTP\/1.1 408 [\s\S]*connection: close[\s\S]*\{"message":"Request Timeout"\}$/i,
    );
  });

  test('an upload may go on for longer than that, and be larger', async () => {
    const size = 12 * 1024 * 1024;
    const slow = (async function* () {
      yield Buffer.alloc(size);
      await new Promise((resolve) => setTimeout(resolve, 500));
      yield Buffer.alloc(1);
    })();
    const response = await call(
      { method: 'PUT', body: ReadableStream.from(slow), duplex: 'half' } as RequestInit,
      '/uploads/t0ken',
    );
    expect(await response.text()).toBe('t0ken');
  });
});

describe('what has no route', () => {
  test.each([
    ['GET', '/v1'],
    ['GET', '/uploads/t0ken'],
    ['POST', '/'],
    ['GET', '/__proto__'],
  ])('%s %s is API Gateway’s 404', async (method, target) => {
    const response = await call({ method }, target);
    expect([response.status, await response.text()]).toEqual([404, '{"message":"Not Found"}']);
  });

  test('a path that cannot be decoded is 400', async () => {
    expect((await call({}, '/v1/proptt2/%E0%A4%A')).status).toBe(400);
  });
});

test('the address is told to the files that are served here', async () => {
  const attach = vi.fn();
  const other = await startHttpBridge({ routes: [], files: { routes: [], attach } });
  expect(attach).toHaveBeenCalledWith(other.url);
  await other.close();
});

test('closing lets a running request end and refuses new ones', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const arrived = Promise.withResolvers<void>();
  answer = () => {
    arrived.resolve();
    return promise;
  };
  const running = call();
  await arrived.promise;
  const closing = bridge.close();
  await expect(fetch(`${bridge.url}${path}`)).rejects.toThrow();
  resolve({ statusCode: 200, body: 'finished' });
  expect(await (await running).text()).toBe('finished');
  await closing;
});
