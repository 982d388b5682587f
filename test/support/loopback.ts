import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type HttpClientOptions, HttpFailure, httpClient } from '../../lib/core/http/client.ts';

const pem = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

/** The certificate that the loopback TLS server shows; it is good for `vendor.test` alone. */
export const certificate = pem('vendor-cert');

/** An HTTP server on loopback that ends with the test; `sockets` are all connections ever made to it. */
export async function startServer(
  listener: RequestListener,
): Promise<{ url: string; server: Server; sockets: Socket[] }> {
  const server = createServer(listener);
  const { port, sockets } = await listen(server);
  return { url: `http://127.0.0.1:${port}`, server, sockets };
}

/** An HTTPS server on loopback with the certificate of `vendor.test`. */
export async function startSecureServer(listener: RequestListener): Promise<{ port: number; sockets: Socket[] }> {
  return listen(createSecureServer({ key: pem('vendor-key'), cert: certificate }, listener));
}

/** A bare TCP server on loopback, for answers that are not HTTP. */
export async function startTcp(accept: (socket: Socket) => void): Promise<{ port: number; url: string }> {
  const { port } = await listen(createTcpServer(accept));
  return { port, url: `http://127.0.0.1:${port}` };
}

/** A client that closes with the test. */
export function testClient(options?: HttpClientOptions) {
  const client = httpClient(options);
  onTestFinished(() => client.close());
  return client;
}

/** The failure of a request that must fail. */
export async function failureOf(sent: Promise<unknown>): Promise<HttpFailure> {
  const failure = await sent.then(
    () => new Error('it answered'),
    (error: unknown) => error,
  );
  if (failure instanceof HttpFailure) return failure;
  throw failure;
}

async function listen(server: NetServer): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}
