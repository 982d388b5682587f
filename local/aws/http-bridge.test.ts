import { get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { useBridge } from '../../test/support/bridge-fixture.ts';
import { startHttpBridge } from './http-bridge.ts';

const used = useBridge();

describe('limits', () => {
  const post = async (size: number, chunked = false) => {
    const bytes = Buffer.alloc(size, 'x');
    const response = await used.call({
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
    const socket = connect(used.bridge.port, '127.0.0.1');
    socket.write(`POST ${used.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc`);
    expect(await text(socket)).toMatch(
      /^HTTP\/1.1 408 [\s\S]*connection: close[\s\S]*\{"message":"Request Timeout"\}$/i,
    );
  });

  test('an upload may go on for longer than that, and be larger', async () => {
    const size = 12 * 1024 * 1024;
    const slow = (async function* () {
      yield Buffer.alloc(size);
      // A call whose body does not come has meanwhile been given up.
      const call = connect(used.bridge.port, '127.0.0.1');
      call.write(`POST ${used.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc`);
      expect(await text(call)).toMatch(/^HTTP\/1.1 408 /);
      yield Buffer.alloc(1);
    })();
    const response = await used.call(
      { method: 'PUT', body: ReadableStream.from(slow), duplex: 'half' } as RequestInit,
      '/uploads/t0ken',
    );
    expect(await response.text()).toBe('t0ken');
  });
});

describe('the name that a request is for', () => {
  const statusFor = async (host: string) => {
    const socket = connect(used.bridge.port, '127.0.0.1');
    socket.write(`GET ${used.path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return Number((await text(socket)).split(' ')[1]);
  };

  test.each(['localhost:8787', '127.0.0.1', '[::1]:80', '192.168.1.20', 'LOCALHOST'])('%s is ours', async (host) => {
    expect(await statusFor(host)).toBe(200);
  });

  test.each(['evil.example', 'localhost.evil.example', ''])('%j is another’s', async (host) => {
    expect(await statusFor(host)).toBe(421);
  });

  test('the public address is ours', async () => {
    const other = await startHttpBridge({ routes: [], publicUrl: 'https://alarms.example/' });
    const answer = await new Promise<number | undefined>((resolve, reject) =>
      get(other.url, { headers: { host: 'alarms.example' } }, (response) => resolve(response.resume().statusCode)).on(
        'error',
        reject,
      ),
    );
    expect(answer).toBe(404);
    await other.close();
  });
});

describe('what has no route', () => {
  test.each([
    ['GET', '/v1'],
    ['GET', '/uploads/t0ken'],
    ['POST', '/'],
    ['GET', '/__proto__'],
  ])('%s %s is API Gateway’s 404', async (method, target) => {
    const response = await used.call({ method }, target);
    expect([response.status, await response.text()]).toEqual([404, '{"message":"Not Found"}']);
  });

  test('a path that cannot be decoded is 400', async () => {
    expect((await used.call({}, '/v1/proptt2/%E0%A4%A')).status).toBe(400);
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
  used.answer = () => {
    arrived.resolve();
    return promise;
  };
  const running = used.call();
  await arrived.promise;
  const closing = used.bridge.close();
  await expect(fetch(`${used.bridge.url}${used.path}`)).rejects.toThrow();
  resolve({ statusCode: 200, body: 'finished' });
  expect(await (await running).text()).toBe('finished');
  await closing;
});
