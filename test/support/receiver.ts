import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that a target got. */
export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  at: number;
  method: string;
  path: string;
}

export type Reply = (response: ServerResponse, request: Received, count: number) => void;

/** A target on loopback that keeps what it gets; `reply` may be changed at any time. */
export async function startReceiver(reply: Reply = (response) => response.writeHead(200).end()) {
  const received: Received[] = [];
  const receiver = { received, reply, url: '', close: async () => {} };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const entry = {
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        at: Date.now(),
        method: request.method ?? '',
        path: request.url ?? '',
      };
      received.push(entry);
      receiver.reply(response, entry, received.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  receiver.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return receiver;
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;
