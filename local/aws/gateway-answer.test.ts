import { describe, expect, test } from 'vitest';
import { useBridge } from '../../test/support/bridge-fixture.ts';

const used = useBridge();

const got = async (init?: RequestInit) => {
  const response = await used.call(init);
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
  used.answer = () => result;
  expect(await got()).toMatchObject({ status: 200, type, body });
});

test('keeps status, headers and cookies', async () => {
  used.answer = () => ({
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
  used.answer = () => ({
    statusCode: 200,
    isBase64Encoded: true,
    body: bytes.toString('base64'),
    headers: { 'content-type': 'image/png' },
  });
  expect(Buffer.from(await (await used.call()).arrayBuffer())).toEqual(bytes);
});

test('has no body for 204, 304 and HEAD', async () => {
  for (const status of [204, 304]) {
    used.answer = () => ({ statusCode: status });
    const { response, ...about } = await got();
    expect(about).toMatchObject({ status, body: '' });
    expect(response.headers.has('content-length')).toBe(false);
  }
  used.answer = () => ({ statusCode: 200, body: 'twelve chars' });
  const head = await got({ method: 'HEAD' });
  expect([head.body, head.response.headers.get('content-length')]).toEqual(['', '12']);
});

test.each([
  ['a crash', () => Promise.reject(new Error('secret detail'))],
  ['a body that is no string', () => ({ statusCode: 200, body: { a: 1 } })],
  ['an invalid status', () => ({ statusCode: 99 })],
  ['a header that would split the answer', () => ({ statusCode: 200, headers: { 'x-a': 'b\r\nc: d' } })],
  ['more than Lambda may answer', () => ({ statusCode: 200, body: 'x'.repeat(6 * 1024 * 1024 + 1) })],
])('%s is a plain 500, and the reason is reported', async (_, result) => {
  used.answer = result;
  expect(await got()).toMatchObject({
    status: 500,
    type: 'application/json',
    body: '{"message":"Internal Server Error"}',
  });
  expect(used.onCrash).toHaveBeenCalledWith(expect.any(Error), 'proptt2');
  used.answer = () => ({ statusCode: 200, body: 'still here' });
  expect((await got()).body).toBe('still here');
});

describe('the time for an answer', () => {
  const hasty = useBridge(300);

  test('a function that takes longer than API Gateway waits is 503, and its late answer is discarded', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    hasty.answer = () => promise;
    const response = await hasty.call();
    expect([response.status, await response.text()]).toEqual([503, '{"message":"Service Unavailable"}']);
    resolve({ statusCode: 200, body: 'late' });
    hasty.answer = () => ({ statusCode: 200, body: 'next' });
    expect(await (await hasty.call()).text()).toBe('next');
    expect(hasty.onCrash).not.toHaveBeenCalled();
  });
});
