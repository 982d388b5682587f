import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HttpClient, httpClient } from '../../lib/core/http/client.ts';
import { undiciClient } from './undici-client.ts';

const open = { allowHttp: true, allowPrivateNetwork: true };
let server: Server;
let url: string;
let answer: Parameters<typeof createServer>[1];
let base: ReturnType<typeof httpClient>;
let client: HttpClient & { close(): Promise<void> };

beforeEach(async () => {
  server = createServer((request, response) => (answer as (...given: unknown[]) => void)(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  base = httpClient();
  client = undiciClient(base);
});
afterEach(async () => {
  await client.close();
  base.close();
  server.closeAllConnections();
  server.close();
});

const ask = (more: object = {}) =>
  client.request({ method: 'POST', url: `${url}/path?q=1`, body: 'hello', timeoutMs: 2_000, address: open, ...more });

describe('requests on one machine fail in the same words as on AWS', () => {
  test('an answer is whole, whatever its status', async () => {
    answer = (request, response) => {
      request.resume();
      request.on('end', () =>
        response
          .writeHead(404, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
          .end(`${request.method} ${request.url}`),
      );
    };
    const got = await ask();
    expect([got.status, got.text(), got.headers['set-cookie']]).toEqual([404, 'POST /path?q=1', ['a=1', 'b=2']]);
  });

  test('nobody listens: not sent', async () => {
    await expect(ask({ url: 'http://127.0.0.1:9/' })).rejects.toMatchObject({ kind: 'not-connected', sent: false });
  });

  test('an address that is not allowed: not sent', async () => {
    await expect(ask({ address: {} })).rejects.toMatchObject({ kind: 'refused-address', sent: false });
    await expect(ask({ url: 'http://169.254.169.254/latest', address: open })).rejects.toMatchObject({
      kind: 'refused-address',
      sent: false,
    });
  });

  test('no answer in time, a reset, a body that is cut, one that is too long: sent', async () => {
    answer = () => undefined;
    await expect(ask({ timeoutMs: 50 })).rejects.toMatchObject({ kind: 'timeout', sent: true });
    answer = (request) => request.socket.destroy();
    await expect(ask()).rejects.toMatchObject({ kind: 'reset', sent: true });
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setTimeout(() => response.destroy(), 10);
    };
    await expect(ask()).rejects.toMatchObject({ kind: 'cut-body', sent: true });
    answer = (_request, response) => response.end('x'.repeat(100));
    await expect(ask({ maxBytes: 10 })).rejects.toMatchObject({ kind: 'too-large', sent: true });
  });

  test('a call that is given up is aborted', async () => {
    answer = () => undefined;
    await expect(ask({ signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ kind: 'aborted', sent: true });
    await expect(ask({ signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: 'aborted', sent: false });
  });
});
