import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { listen } from './loopback-server.ts';

test('it listens on loopback only, on its own port', async () => {
  const server = createServer((_, response) => response.end('here'));
  const { url, port, close } = await listen(server);
  expect(url).toBe(`http://127.0.0.1:${port}`);
  expect(await (await fetch(url)).text()).toBe('here');
  await close();
  await close();
  await expect(fetch(url)).rejects.toThrow();
});

test('a taken port is an error, not a hang', async () => {
  const { port, close } = await listen(createServer());
  await expect(listen(createServer(), { port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await close();
});

test('closing waits for a running response, then ends its idle connection at once', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = createServer({ keepAliveTimeout: 60_000 }, async (_, response) => {
    await promise;
    response.end('done');
  });
  const { url, close } = await listen(server);
  const agent = new Agent({ keepAlive: true });
  const request = get(url, { agent });
  await once(server, 'request');
  // Had it to wait for the idle connection, the test would run out of time.
  const closing = close(3_600_000);
  resolve();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(Buffer.concat(await response.toArray()).toString()).toBe('done');
  await closing;
  agent.destroy();
});

test('a silent connection is closed after the grace period', async () => {
  const { port, close } = await listen(createServer());
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  await close(50);
  await once(socket.resume(), 'close');
});
