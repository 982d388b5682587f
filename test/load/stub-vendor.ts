import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A ProPTT2 that accepts every request after `LATENCY` milliseconds. It runs in a separate process and prints its port. */
const latency = Number(process.env.LATENCY ?? 0);
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const { port } = server.address() as AddressInfo;
    const path = request.url ?? '';
    const body = path.endsWith('/server')
      ? `{"ServerURL":"http://127.0.0.1:${port}","Rand":"452673a34b"}`
      : path.endsWith('/auth')
        ? '{"sessionkey":"a34b56c21"}'
        : '{"code":"200"}';
    const answer = () =>
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) }).end(body);
    if (latency > 0) setTimeout(answer, latency);
    else answer();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`));
