import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { failureOf, startServer, startTcp, testClient } from '../../../test/support/loopback.ts';
import type { HttpRequestOptions } from './client.ts';

const any = { timeoutMs: 120_000, address: 'any' } as const;
/** Calls back once a client of this process has read the head of a response; what the server has written so far has then arrived. */
function onceAnswered(then: () => void): void {
  const channel = 'http.client.response.finish';
  const tell = () => {
    unsubscribe(channel, tell);
    then();
  };
  subscribe(channel, tell);
}
const post = { ...any, method: 'POST', body: '{"sos":true}' };

describe('a request that never left says so', () => {
  test('when nothing listens', async () => {
    const { url, server } = await startServer((_, response) => response.end());
    await new Promise((resolve) => server.close(resolve));
    const failure = await failureOf(testClient().request({ ...post, url: `${url}/?skey=hidden` }));
    expect(failure).toMatchObject({ kind: 'not-connected', sent: false });
    expect(failure.message).toBe(`POST ${url} could not connect (ECONNREFUSED)`);
  });

  test('when the name is unknown', async () => {
    const resolve = async () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    const failure = await failureOf(testClient({ resolve }).request({ ...post, url: 'https://vendor.test/' }));
    expect(failure).toMatchObject({ kind: 'not-connected', sent: false });
    expect(failure.message).toContain('ENOTFOUND');
  });

  test('when the name service is silent until the time is up', async () => {
    const resolve = () => new Promise<never>(() => undefined);
    const options = { ...post, url: 'https://vendor.test/', timeoutMs: 30 };
    expect(await failureOf(testClient({ resolve }).request(options))).toMatchObject({ kind: 'timeout', sent: false });
  });

  test('when the TLS handshake hangs', async () => {
    const { port } = await startTcp(() => undefined);
    const options = { ...post, url: `https://127.0.0.1:${port}/`, timeoutMs: 50 };
    expect(await failureOf(testClient().request(options))).toMatchObject({ kind: 'timeout', sent: false });
  });

  test('when its body failed before the first byte', async () => {
    let requests = 0;
    const { url } = await startServer((_, response) => {
      requests++;
      response.end();
    });
    const client = testClient();
    const body = () =>
      new Readable({
        read() {
          setImmediate(() => this.destroy(new Error('disk gone')));
        },
      });
    expect(await failureOf(client.request({ ...post, url, body: body() }))).toMatchObject({
      kind: 'aborted',
      sent: false,
    });
    await client.request({ ...post, url });
    expect(await failureOf(client.request({ ...post, url, body: body() }))).toMatchObject({
      kind: 'aborted',
      sent: false,
    });
    expect(requests).toBe(1);
  });

  test('when it was stopped before or while it waited for a connection', async () => {
    let requests = 0;
    const { url } = await startServer(() => {
      requests++;
    });
    const client = testClient({ maxSockets: 1 });
    const stopBusy = new AbortController();
    const busy = failureOf(client.request({ ...post, url, signal: stopBusy.signal }));
    await vi.waitFor(() => expect(requests).toBe(1));
    const stop = new AbortController();
    const waiting = failureOf(client.request({ ...post, url, signal: stop.signal }));
    // The only connection is taken, so that it waits however long this takes.
    const late = failureOf(client.request({ ...post, url, timeoutMs: 20 }));
    expect(await late).toMatchObject({ kind: 'timeout', sent: false });
    stop.abort();
    expect(await waiting).toMatchObject({ kind: 'aborted', sent: false });
    expect(await failureOf(client.request({ ...post, url, signal: stop.signal }))).toMatchObject({
      kind: 'aborted',
      sent: false,
    });
    stopBusy.abort();
    expect(await busy).toMatchObject({ kind: 'aborted', sent: true });
    expect(requests).toBe(1);
  });

  test('when its address is not allowed, even where a laxer rule has a connection open', async () => {
    const { url } = await startServer((_, response) => response.end());
    const client = testClient();
    const lax = { allowHttp: true, allowPrivateNetwork: true };
    await client.request({ ...post, url, address: lax });
    for (const address of [{ allowHttp: true }, { allowPrivateNetwork: true }, {}]) {
      expect(await failureOf(client.request({ ...post, url, address }))).toMatchObject({
        kind: 'refused-address',
        sent: false,
      });
    }
    const { address: _, ...silent } = post;
    for (const target of [url, 'not a url', 'ftp://example.com/', url.replace('//', '//user:pass@')]) {
      expect(await failureOf(client.request({ ...silent, url: target }))).toMatchObject({
        kind: 'refused-address',
        sent: false,
      });
    }
    expect(await failureOf(client.request({ ...post, url: 'file:///etc/passwd' }))).toMatchObject({
      kind: 'refused-address',
    });
  });

  test('when its name resolves to a refused address', async () => {
    const { url } = await startServer((_, response) => response.end());
    const { port } = new URL(url);
    const resolve = async () => [
      { address: '93.184.216.34', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const options = { ...post, url: `http://vendor.test:${port}/`, address: { allowHttp: true } };
    const failure = await failureOf(testClient({ resolve }).request(options));
    expect(failure).toMatchObject({ kind: 'refused-address', sent: false });
    expect(failure.message).toContain('vendor.test (127.0.0.1) is a private or loopback address');
  });
});

describe('a request whose answer was lost says that it may have been carried out', () => {
  const cases: [string, string, Partial<HttpRequestOptions>, (text: string) => string | undefined][] = [
    ['closed without an answer', 'reset', {}, () => 'CLOSE'],
    ['reset without an answer', 'reset', {}, () => 'RESET'],
    ['closed inside the headers', 'reset', {}, () => 'HTTP/1.1 200 OK\r\nContent-CLOSE'],
    ['shorter than announced', 'cut-body', {}, () => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalfCLOSE'],
    [
      'chunked without an end',
      'cut-body',
      {},
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nCLOSE',
    ],
    ['reset inside the body', 'cut-body', {}, () => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalfRESET'],
    ['not HTTP', 'cut-body', {}, () => 'SSH-2.0-OpenSSH_9.9\r\nCLOSE'],
    [
      'longer than allowed by its header',
      'too-large',
      { maxBytes: 8 },
      () => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
    ],
    ['longer than allowed', 'too-large', { maxBytes: 8 }, () => 'HTTP/1.1 200 OK\r\n\r\n123456789'],
    ['endless headers', 'too-large', {}, () => `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n`],
    ['switched protocols unasked', 'reset', {}, () => 'HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ];

  test.each(cases)('%s', async (_name, kind, options, answerTo) => {
    const { url } = await startTcp((socket) => {
      socket.once('data', (bytes) => {
        const script = answerTo(String(bytes)) ?? '';
        const [text = '', action] = script.split(/(CLOSE|RESET)$/);
        // A reset discards what the other side has not read yet.
        if (action === 'RESET' && text !== '') onceAnswered(() => socket.resetAndDestroy());
        socket.write(text);
        if (action === 'CLOSE') socket.end();
        if (action === 'RESET' && text === '') socket.resetAndDestroy();
      });
    });
    expect(await failureOf(testClient().request({ ...post, url, ...options }))).toMatchObject({ kind, sent: true });
  });

  test.each([
    ['no answer in time', ''],
    ['headers in time, body not', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'],
  ])('%s', async (_name, text) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const arrived = Promise.withResolvers<void>();
    const { url } = await startTcp((socket) => {
      socket.once('data', () => {
        if (text === '') arrived.resolve();
        else onceAnswered(arrived.resolve);
        socket.write(text);
      });
    });
    const failing = failureOf(testClient().request({ ...post, url, timeoutMs: 500 }));
    await arrived.promise;
    vi.advanceTimersByTime(500);
    expect(await failing).toMatchObject({ kind: 'timeout', sent: true });
  });

  test('stopped by its caller', async () => {
    const { url, server } = await startServer(() => undefined);
    const stop = new AbortController();
    const failing = failureOf(testClient().request({ ...post, url, signal: stop.signal }));
    await once(server, 'request');
    stop.abort(new Error('time is up'));
    expect(await failing).toMatchObject({ kind: 'aborted', sent: true, cause: { message: 'time is up' } });
  });

  test('a body that breaks off ends the request', async () => {
    const received = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<boolean>();
    const { url } = await startServer((request) => {
      request.on('error', () => undefined).on('close', () => ended.resolve(request.complete));
      request.once('data', () => received.resolve());
    });
    const body = Readable.from(
      (async function* () {
        yield 'a first piece';
        await received.promise;
        throw new Error('disk gone');
      })(),
    );
    const failure = await failureOf(testClient().request({ ...post, url, body }));
    expect(failure).toMatchObject({ kind: 'aborted', sent: true, cause: { message: 'disk gone' } });
    expect(await ended.promise).toBe(false);
  });
});
