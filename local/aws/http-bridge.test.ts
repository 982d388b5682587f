import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../lib/core/errors.ts';
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
});

describe('the time for a body', () => {
  const hasty = useBridge(300);

  test('a body that never comes is 408', async () => {
    const socket = connect(hasty.bridge.port, '127.0.0.1');
    socket.write(`POST ${hasty.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc`);
    expect(await text(socket)).toMatch(
      /^HTTP\/1.1 408 [\s\S]*connection: close[\s\S]*\{"message":"Request Timeout"\}$/i,
    );
  });

  test('an upload may go on for longer than that, and be larger', async () => {
    const size = 12 * 1024 * 1024;
    const slow = (async function* () {
      yield Buffer.alloc(size);
      // A call whose body does not come has meanwhile been given up.
      const call = connect(hasty.bridge.port, '127.0.0.1');
      call.write(`POST ${hasty.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc`);
      expect(await text(call)).toMatch(/^HTTP\/1.1 408 /);
      yield Buffer.alloc(1);
    })();
    const response = await hasty.call(
      { method: 'PUT', body: ReadableStream.from(slow), duplex: 'half' } as RequestInit,
      '/uploads/t0ken',
    );
    expect(await response.text()).toBe('t0ken');
  });
});

describe('the memory for bodies', () => {
  // What is refused is read no longer than this.
  const hasty = useBridge(300);
  const unknown = new GatewayError('unauthorized', 'This key is not known.');
  /** Sends what it is given and nothing more; the body may be incomplete. */
  const begin = (lines: string, body: string | Buffer = '') => {
    const socket = connect(hasty.bridge.port, '127.0.0.1');
    socket.write(`POST ${hasty.path} HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n\r\n`);
    socket.write(body);
    return socket;
  };
  const refusal = /^HTTP\/1.1 401 [\s\S]*"code":"unauthorized"/;

  test('a long body from an unknown sender is refused before it is read', async () => {
    hasty.admit.mockRejectedValue(unknown);
    expect(await text(begin('Authorization: Bearer tl_x\r\nContent-Length: 10000000', 'the first bytes'))).toMatch(
      refusal,
    );
    expect(hasty.admit.mock.calls[0]?.[0]).toMatchObject({
      rawPath: hasty.path,
      headers: { authorization: 'Bearer tl_x' },
    });
    expect(hasty.event).toBeUndefined();
  });

  test('so is one whose length is not stated, once it is long', async () => {
    hasty.admit.mockRejectedValue(unknown);
    const chunk = `${(20_000).toString(16)}\r\n${'x'.repeat(20_000)}\r\n`;
    expect(await text(begin('Transfer-Encoding: chunked', chunk))).toMatch(refusal);
    expect(hasty.event).toBeUndefined();
  });

  test('a short body is read without a check of the sender', async () => {
    hasty.admit.mockRejectedValue(unknown);
    expect((await hasty.call({ method: 'POST', body: 'x'.repeat(16_384) })).status).toBe(200);
    expect(hasty.admit).not.toHaveBeenCalled();
  });

  test('is limited for all requests: those without room wait', async () => {
    const started: (() => void)[] = [];
    const route = {
      method: 'ANY',
      path: '/v1/proptt2/{proxy+}',
      functionName: 'proptt2',
      handler: () => new Promise((resolve) => started.push(() => resolve({ statusCode: 200 }))),
    };
    const small = await startHttpBridge({ routes: [route], maxBodyBytes: 250_000 });
    const post = () => fetch(`${small.url}${hasty.path}`, { method: 'POST', body: Buffer.alloc(100_000) });
    // A request that is given up releases its memory.
    const lost = connect(small.port, '127.0.0.1');
    lost.write(`POST ${hasty.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n`);
    lost.write('x'.repeat(50_000));
    const answers = [post(), post(), post()];
    lost.destroy();
    await expect.poll(() => started.length).toBe(2);
    const short = fetch(`${small.url}${hasty.path}`, { method: 'POST', body: 'alarm' });
    await expect.poll(() => started.length).toBe(3);
    started[0]?.();
    await expect.poll(() => started.length).toBe(4);
    for (const end of started) end();
    const statuses = (await Promise.all([...answers, short])).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 200]);
    await small.close();
  });

  test('connections beyond the limit are refused, and idle ones are closed first', async () => {
    const small = await startHttpBridge({ routes: [], maxConnections: 3 });
    const ask = () => {
      const socket = connect(small.port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
      return socket;
    };
    const idle = [ask(), ask(), ask()];
    await Promise.all(idle.map((socket) => once(socket, 'data')));
    await Promise.all([...idle, ask()].map((socket) => once(socket, 'close')));
    const [answer] = (await once(ask(), 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 404/);
    await small.close();
  });
});

describe('the host name of a request', () => {
  const statusFor = async (host: string) => {
    const socket = connect(used.bridge.port, '127.0.0.1');
    socket.write(`GET ${used.path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return Number((await text(socket)).split(' ')[1]);
  };

  test.each(['localhost:8787', '127.0.0.1', '[::1]:80', '192.168.1.20', 'LOCALHOST'])(
    '%s is accepted',
    async (host) => {
      expect(await statusFor(host)).toBe(200);
    },
  );

  test.each(['evil.example', 'localhost.evil.example', ''])('%j is refused', async (host) => {
    expect(await statusFor(host)).toBe(421);
  });

  test('the public address is accepted', async () => {
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

describe('a request without a route', () => {
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

test('the file store receives the address', async () => {
  const attach = vi.fn();
  const other = await startHttpBridge({ routes: [], files: { routes: [], attach } });
  expect(attach).toHaveBeenCalledWith(other.url);
  await other.close();
});

test('closing lets running requests end and refuses new ones', async () => {
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
