import { getEventListeners, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  certificate,
  failureOf,
  startSecureServer,
  startServer,
  startTcp,
  testClient,
} from '../../../test/support/loopback.ts';

const chunked =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhalf \r\n8\r\nand half\r\n0\r\nX-Sum: 1\r\n\r\n';
const any = { timeoutMs: 120_000, address: 'any' } as const;

/** A server that answers with what it was asked. */
async function startEcho() {
  return startServer(async (request, response) => {
    const body = await buffer(request);
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(JSON.stringify({ ...seen(request), body: body.toString() }));
  });
}

function seen(request: IncomingMessage) {
  const { method, url, headers, rawHeaders } = request;
  return { method, url, headers, rawHeaders };
}

describe('a request', () => {
  test('carries method, path, query, headers and body, and no header that was not asked for', async () => {
    const { url } = await startEcho();
    const answer = await testClient().request({
      ...any,
      method: 'PUT',
      url: `${url}/a%20b/ü?x=1&y=%2F`,
      headers: {
        'X-One': 'one',
        'x-many': ['1', '2'],
        Host: 'elsewhere',
        Connection: 'close',
        'content-length': '1',
      },
      body: '{"name":"Évacuation"}',
    });
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    const echo = JSON.parse(answer.text());
    expect(echo).toMatchObject({ method: 'PUT', url: '/a%20b/%C3%BC?x=1&y=%2F', body: '{"name":"Évacuation"}' });
    expect(echo.rawHeaders).toEqual([
      'Host',
      new URL(url).host,
      'Connection',
      'keep-alive',
      'X-One',
      'one',
      'x-many',
      '1',
      'x-many',
      '2',
      'Content-Length',
      '22',
    ]);
  });

  test('without a body says so when its method could have one', async () => {
    const { url } = await startEcho();
    const client = testClient();
    const lengths: unknown[] = [];
    for (const method of ['POST', 'PUT', 'PATCH', 'GET', 'DELETE']) {
      const { headers } = JSON.parse((await client.request({ ...any, method, url })).text());
      lengths.push([method, headers['content-length'], headers['transfer-encoding']]);
    }
    expect(lengths).toEqual([
      ['POST', '0', undefined],
      ['PUT', '0', undefined],
      ['PATCH', '0', undefined],
      ['GET', undefined, undefined],
      ['DELETE', undefined, undefined],
    ]);
  });

  test('sends a stream in chunks, or with the length that the caller knows', async () => {
    const { url } = await startEcho();
    const client = testClient();
    const chunked = await client.request({ ...any, method: 'DELETE', url, body: Readable.from(['one ', 'two']) });
    expect(JSON.parse(chunked.text())).toMatchObject({ body: 'one two', headers: { 'transfer-encoding': 'chunked' } });
    const headers = { 'content-length': '7' };
    const known = await client.request({ ...any, method: 'POST', url, headers, body: Readable.from(['one ', 'two']) });
    expect(JSON.parse(known.text())).toMatchObject({ body: 'one two', headers: { 'content-length': '7' } });
  });

  test('hands a redirect on instead of following it', async () => {
    let requests = 0;
    const { url } = await startServer((_, response) => {
      requests++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    const answer = await testClient().request({ ...any, method: 'GET', url });
    expect([answer.status, answer.headers.location, requests]).toEqual([302, '/elsewhere', 1]);
  });

  test('brings any body back whole, however it was cut and framed', async () => {
    let next: { body: Buffer; cuts: number[]; framing: string } = { body: Buffer.alloc(0), cuts: [], framing: '' };
    const { url } = await startServer(async (_, response) => {
      const { body, cuts, framing } = next;
      if (framing === 'length') response.setHeader('content-length', body.length);
      if (framing === 'close') response.useChunkedEncodingByDefault = false;
      let at = 0;
      for (const cut of [...cuts.map((part) => part % (body.length + 1)).sort((a, b) => a - b), body.length]) {
        response.write(body.subarray(at, cut));
        at = cut;
        await turn();
      }
      response.end();
    });
    const client = testClient();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000, size: 'max' }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.constantFrom('length', 'chunked', 'close'),
        async (body, cuts, framing) => {
          next = { body: Buffer.from(body), cuts, framing };
          const answer = await client.request({ ...any, method: 'GET', url });
          expect(answer.bytes.equals(next.body)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  test.each([
    [
      'an early hint before it',
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      200,
      'ok',
    ],
    ['nothing to come', 'HTTP/1.1 204 No Content\r\n\r\n', 204, ''],
    ['nothing new', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n', 304, ''],
    ['HTTP/1.0 and the end of the connection as its end', 'HTTP/1.0 200 OK\r\n\r\nold', 200, 'old'],
    ['chunks with extensions and trailers', chunked, 200, 'half and half'],
    ['no reason phrase', 'HTTP/1.1 500 \r\nContent-Length: 2\r\n\r\nno', 500, 'no'],
  ])('is answered with %s', async (_, bytes, status, text) => {
    const { url } = await startTcp((socket) => {
      socket.once('data', () => socket.end(bytes));
    });
    const answer = await testClient().request({ ...any, method: 'GET', url });
    expect([answer.status, answer.text()]).toEqual([status, text]);
  });

  test('for the head alone has no body, however long that would be', async () => {
    const { url, sockets } = await startServer((_, response) => {
      response.writeHead(200, { 'content-length': 1_000_000_000 }).end();
    });
    const client = testClient();
    for (let round = 0; round < 2; round++) {
      const answer = await client.request({ ...any, method: 'HEAD', url, maxBytes: 10 });
      expect([answer.status, answer.bytes.length]).toEqual([200, 0]);
    }
    expect(sockets).toHaveLength(1);
  });

  test('undoes compression, and refuses what would grow beyond the limit', async () => {
    const plain = 'x'.repeat(50_000);
    const { url } = await startServer((request, response) => {
      const coding = request.headers['accept-encoding'] ?? '';
      response.setHeader('content-encoding', coding);
      if (coding === 'broken') response.setHeader('content-encoding', 'gzip');
      response.end(coding === 'br' ? brotliCompressSync(plain) : coding === 'broken' ? 'gunk' : gzipSync(plain));
    });
    const client = testClient();
    const get = (coding: string, maxBytes = 50_000) =>
      client.request({ ...any, method: 'GET', url, headers: { 'accept-encoding': coding }, maxBytes });
    expect((await get('gzip')).text()).toBe(plain);
    expect((await get('br')).text()).toBe(plain);
    expect(await failureOf(get('gzip', 49_999))).toMatchObject({ kind: 'too-large', sent: true });
    expect(await failureOf(get('broken'))).toMatchObject({ kind: 'cut-body', sent: true });
  });

  test('refuses JSON that is short enough and has too many values, compressed or not', async () => {
    const many = `[${'{},'.repeat(700_000)}{}]`;
    const { url } = await startServer((request, response) => {
      const isPlain = request.headers['accept-encoding'] === 'identity';
      if (!isPlain) response.setHeader('content-encoding', 'gzip');
      response.end(isPlain ? many : gzipSync(many));
    });
    const get = (coding: string) =>
      testClient().request({ ...any, method: 'GET', url, headers: { 'accept-encoding': coding } });
    for (const coding of ['identity', 'gzip']) {
      const failure = await failureOf(get(coding));
      expect(failure).toMatchObject({ kind: 'too-large', sent: true });
      expect(failure.message).toContain('more than 1000000 values');
    }
  });

  test('drops a byte order mark from text and keeps it in bytes', async () => {
    const { url } = await startServer((_, response) => response.end('\ufeff{"a":1}'));
    const answer = await testClient().request({ ...any, method: 'GET', url });
    expect(JSON.parse(answer.text())).toEqual({ a: 1 });
    expect(answer.bytes.length).toBe(10);
  });
});

test('a request that is over leaves neither a timer nor a listener behind', async () => {
  const { url } = await startEcho();
  const client = testClient();
  const { signal } = new AbortController();
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const before = timers();
  for (let round = 0; round < 10; round++)
    await client.request({ ...any, method: 'GET', url, signal, timeoutMs: 60_000 });
  for (let round = 0; round < 10; round++) {
    const { body } = await client.stream({ ...any, method: 'GET', url, signal, timeoutMs: 60_000 });
    await buffer(body);
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(timers()).toBeLessThan(before + 10);
});

describe('a streamed answer', () => {
  test('comes through whole, piece by piece', async () => {
    const piece = Buffer.alloc(100_000, 'p');
    const { url } = await startServer((_, response) => {
      Readable.from(Array.from({ length: 50 }, () => piece)).pipe(response);
    });
    const answer = await testClient().stream({ ...any, method: 'GET', url });
    expect(answer.status).toBe(200);
    expect((await buffer(answer.body)).length).toBe(5_000_000);
  });

  test('fails with its reason when it is cut, too long or too late', async () => {
    const { url } = await startServer((request, response) => {
      if (request.url === '/cut') response.writeHead(200, { 'content-length': 100 });
      response.write('some bytes');
      if (request.url !== '/late')
        setImmediate(() => (request.url === '/cut' ? response.destroy() : response.end('more')));
    });
    const client = testClient();
    const read = async (path: string, options: { maxBytes?: number }) => {
      const { body } = await client.stream({ ...any, ...options, method: 'GET', url: url + path });
      return failureOf(buffer(body));
    };
    expect(await read('/cut', {})).toMatchObject({ kind: 'cut-body', sent: true });
    expect(await read('/long', { maxBytes: 12 })).toMatchObject({ kind: 'too-large', sent: true });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { body } = await client.stream({ ...any, timeoutMs: 500, method: 'GET', url: `${url}/late` });
    const late = failureOf(buffer(body));
    vi.advanceTimersByTime(500);
    expect(await late).toMatchObject({ kind: 'timeout', sent: true });
  });

  test('that nobody wants any more ends its connection', async () => {
    const { url, sockets } = await startServer((_, response) => response.write('endless'));
    const { body } = await testClient().stream({ ...any, method: 'GET', url });
    const closed = once(sockets[0] ?? ({} as never), 'close');
    body.destroy();
    await closed;
  });
});

describe('over TLS', () => {
  test('the error for plain HTTP to a port that drops it suggests https', async () => {
    const { port } = await startTcp((socket) => socket.once('data', () => socket.destroy()));
    const failure = await failureOf(testClient().request({ ...any, method: 'GET', url: `http://127.0.0.1:${port}/` }));
    expect(failure).toMatchObject({ kind: 'reset', sent: true });
    expect(failure.message).toMatch(/; if the server speaks TLS at this port, the address begins with https$/);
  });

  test('the name is verified and kept while the address is the one that was resolved', async () => {
    const names: unknown[] = [];
    const { port } = await startSecureServer((request, response) => {
      names.push(request.headers.host, 'servername' in request.socket && request.socket.servername);
      response.end('safe');
    });
    const client = testClient({ ca: certificate, resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
    const url = `https://vendor.test:${port}/`;
    const address = { allowPrivateNetwork: true };
    expect((await client.request({ method: 'GET', url, address, timeoutMs: 5000 })).text()).toBe('safe');
    expect(names).toEqual([`vendor.test:${port}`, 'vendor.test']);
  });

  test('an unknown certificate, another name and a server without TLS are refused before anything is sent', async () => {
    let requests = 0;
    const { port } = await startSecureServer((_, response) => {
      requests++;
      response.end();
    });
    const plain = await startTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    const trusting = testClient({ ca: certificate, resolve });
    const post = { ...any, method: 'POST', body: 'secret' };
    const failures = [
      await failureOf(testClient({ resolve }).request({ ...post, url: `https://vendor.test:${port}/` })),
      await failureOf(trusting.request({ ...post, url: `https://other.test:${port}/` })),
      await failureOf(trusting.request({ ...post, url: `https://127.0.0.1:${port}/` })),
      await failureOf(trusting.request({ ...post, url: `https://vendor.test:${plain.port}/` })),
    ];
    for (const failure of failures) expect(failure).toMatchObject({ kind: 'tls', sent: false });
    expect(failures[0]?.message).toMatch(/; add the authority that signed its certificate with NODE_EXTRA_CA_CERTS$/);
    expect(failures[3]?.message).toMatch(/; the server may not speak TLS at this port$/);
    expect(requests).toBe(0);
  });
});
