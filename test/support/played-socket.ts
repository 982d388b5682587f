import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { WebSocketServer } from 'ws';

/** One frame at a vendor's socket: what it gets, or what it sends. */
export type PlayedFrame = { get: Record<string, unknown> } | { send: Record<string, unknown> };

/** A socket on this machine that plays a list of frames; closing answers what was not played, or got in another form. */
export async function playSocket(frames: readonly PlayedFrame[]) {
  const left = [...frames];
  const strange: unknown[] = [];
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const got = JSON.parse(String(data)) as Record<string, unknown>;
      const next = left.shift();
      if (!next || !('get' in next) || !isDeepStrictEqual(next.get, got)) strange.push(got);
      for (let answer = left[0]; answer && 'send' in answer; answer = left[0]) {
        socket.send(JSON.stringify(answer.send));
        left.shift();
      }
    });
  });
  await once(server, 'listening');
  return {
    settings: {
      socketUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
      allowHttp: true,
      allowPrivateNetwork: true,
    },
    close: async () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
      return [...strange, ...left];
    },
  };
}
