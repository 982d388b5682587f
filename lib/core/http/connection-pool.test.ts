import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { failureOf, startServer, startTcp, testClient } from '../../../test/support/loopback.ts';
import { until } from '../../../test/support/until.ts';

const any = { timeoutMs: 5000, address: 'any', method: 'POST', body: 'x' } as const;

/** Stops this process with its timers and its event loop, as Lambda does between two calls. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('one connection carries requests one after another, and as many as run together', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  const client = testClient();
  for (let round = 0; round < 5; round++) await client.request({ ...any, url });
  expect(sockets).toHaveLength(1);
  await Promise.all(Array.from({ length: 8 }, () => client.request({ ...any, url })));
  expect(sockets.length).toBeLessThanOrEqual(8);
});

test('no more connections than allowed are made, and every waiting request is served', async () => {
  let running = 0;
  let most = 0;
  const full = Promise.withResolvers<void>();
  const { url, sockets } = await startServer(async (_, response) => {
    most = Math.max(most, ++running);
    // Nobody is served before all connections that are allowed carry a request.
    if (most === 3) full.resolve();
    await full.promise;
    running--;
    response.end('ok');
  });
  const client = testClient({ maxSockets: 3 });
  const answers = await Promise.all(Array.from({ length: 40 }, () => client.request({ ...any, url })));
  expect(answers.every((answer) => answer.text() === 'ok')).toBe(true);
  expect([most, sockets.length]).toEqual([3, 3]);
});

test('waiting requests get another connection when one breaks', async () => {
  let requests = 0;
  const { url } = await startServer((request, response) => {
    if (++requests % 2 === 1) request.socket.destroy();
    else response.end('ok');
  });
  const client = testClient({ maxSockets: 2 });
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => client.request({ ...any, url })));
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(10);
  expect(requests).toBe(20);
});

test('a connection that the server closed while it was idle is not used again', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  const client = testClient();
  await client.request({ ...any, url });
  sockets[0]?.end();
  // The client answers the end with its own.
  await until(() => sockets[0]?.closed);
  expect((await client.request({ ...any, url })).text()).toBe('ok');
  expect(sockets).toHaveLength(2);
});

test("a connection is given up before the server's announced time ends it", async () => {
  const { url, sockets } = await startServer((_, response) => {
    response.setHeader('Keep-Alive', 'timeout=1');
    response.end('ok');
  });
  const client = testClient();
  await client.request({ ...any, url });
  await client.request({ ...any, url });
  expect(sockets).toHaveLength(2);
});

test('a connection that has been idle too long is not used, even if no timer ran meanwhile', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  const client = testClient({ idleMs: 40 });
  await client.request({ ...any, url });
  freeze(60);
  await client.request({ ...any, url });
  expect(sockets).toHaveLength(2);
});

test('a connection that ended while the process was frozen is seen to have ended before it is used', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  const client = testClient();
  await client.request({ ...any, url });
  sockets[0]?.destroy();
  freeze(1100);
  expect((await client.request({ ...any, url })).text()).toBe('ok');
  expect(sockets).toHaveLength(2);
});

test('idle connections are closed when their time is up', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  await testClient({ idleMs: 30 }).request({ ...any, url });
  if (sockets[0] && !sockets[0].closed) await once(sockets[0], 'close');
});

test('bytes that nobody asked for are never taken for an answer', async () => {
  const sockets: Socket[] = [];
  const { url } = await startTcp((socket) => {
    const number = sockets.push(socket);
    socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${number}`));
  });
  const client = testClient();
  expect((await client.request({ ...any, url })).text()).toBe('1');
  sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
  await until(() => sockets[0]?.closed);
  expect((await client.request({ ...any, url })).text()).toBe('2');
});

test('a reset on a reused connection counts as sent', async () => {
  let requests = 0;
  const { url, sockets } = await startServer((request, response) => {
    if (++requests === 1) response.end('ok');
    else request.socket.resetAndDestroy();
  });
  const client = testClient();
  await client.request({ ...any, url });
  expect(await failureOf(client.request({ ...any, url }))).toMatchObject({ kind: 'reset', sent: true });
  expect(sockets).toHaveLength(1);
});

test('an attempt to connect that hangs does not hold up the next request', async () => {
  const { url } = await startServer((_, response) => response.end('ok'));
  const { port } = new URL(url);
  let lookups = 0;
  const resolve = () =>
    ++lookups === 1 ? new Promise<never>(() => undefined) : Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
  const client = testClient({ resolve, maxSockets: 1 });
  const target = { ...any, url: `http://vendor.test:${port}/` };
  expect(await failureOf(client.request({ ...target, timeoutMs: 20 }))).toMatchObject({ kind: 'timeout', sent: false });
  expect((await client.request(target)).text()).toBe('ok');
});

test('each connection is made to the addresses of one look-up', async () => {
  const { url, sockets } = await startServer((_, response) => response.end('ok'));
  const { port } = new URL(url);
  let lookups = 0;
  const resolve = async () => {
    lookups++;
    return [{ address: '127.0.0.1', family: 4 }];
  };
  const client = testClient({ resolve });
  for (let round = 0; round < 3; round++) await client.request({ ...any, url: `http://vendor.test:${port}/` });
  expect([lookups, sockets.length]).toEqual([1, 1]);
});

test('closing the client ends what is in flight and every connection', async () => {
  const { url, server, sockets } = await startServer(() => undefined);
  const client = testClient();
  const failing = failureOf(client.request({ ...any, url }));
  await once(server, 'request');
  client.close();
  expect(await failing).toMatchObject({ kind: 'reset', sent: true });
  if (sockets[0] && !sockets[0].closed) await once(sockets[0], 'close');
});
