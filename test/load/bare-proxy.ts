import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

/** A minimal proxy: `node:http` in front and an undici pool behind it. Prints its port. */
const pool = new Pool(process.env.VENDOR ?? '', { connections: 128 });
const path = '/openapi/1/channels/1/sendMessage?id=owner%40company.com&hid=1&skey=a34b56c21';
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', async () => {
    const answer = await pool.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: Buffer.concat(chunks),
    });
    const body = await answer.body.text();
    response
      .writeHead(answer.statusCode, {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      })
      .end(body);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`));
