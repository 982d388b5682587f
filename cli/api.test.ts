import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Api, apiOf } from './api.ts';
import { doctor } from './commands/doctor.ts';
import { exitCodeOf, exitCodes } from './failures.ts';
import type { Output } from './output.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Something at an address that answers each request with a text and then ends the connection. */
async function answering(text: string): Promise<Api> {
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(text)).on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return apiOf({ url: `http://127.0.0.1:${port}`, key: 'tl_test' });
}

const codeOf = (answer: Promise<unknown>): Promise<number> =>
  answer.then(
    () => exitCodes.done,
    (error: unknown) => exitCodeOf(error),
  );
const replay = (api: Api, headers = {}) => codeOf(api.send('POST', '/v1/runs/run_x/replay', { body: {}, headers }));

const half = 'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id":"run';
const page = (status: string) =>
  `HTTP/1.1 ${status}\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>`;

test('a write whose response was lost is not said to be safe to repeat', async () => {
  for (const lost of ['', half, page('502 Bad Gateway'), page('504 Gateway Timeout'), page('503 Unavailable')]) {
    const api = await answering(lost);
    expect([lost, await replay(api)]).toEqual([lost, exitCodes.outcomeUnknown]);
    // With a key of its own, and for a read, a repetition does no harm.
    expect([lost, await replay(api, { 'idempotency-key': 'k' })]).toEqual([lost, exitCodes.retryable]);
    expect([lost, await codeOf(api.get('/v1/runs'))]).toEqual([lost, exitCodes.retryable]);
  }
});

test('a write that was not sent may be repeated', async () => {
  const api = await answering('');
  servers.splice(0)[0]?.close();
  expect(await replay(api)).toBe(exitCodes.retryable);
  expect(await replay(await answering(page('429 Too Many Requests')))).toBe(exitCodes.retryable);
  expect(await replay(await answering(page('404 Not Found')))).toBe(exitCodes.failed);
});

test('doctor says that something else answers at the address', async () => {
  const told: unknown[] = [];
  const output: Output = {
    json: true,
    result: (value) => told.push(value),
    note: () => undefined,
    failure: () => undefined,
  };
  expect(await doctor(await answering(page('502 Bad Gateway')), output, {})).toBe(false);
  expect(told).toEqual([
    expect.arrayContaining([expect.objectContaining({ subject: 'reach', message: expect.stringContaining('502') })]),
  ]);
});
