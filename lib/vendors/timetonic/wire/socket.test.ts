import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../../../local/runtime/loopback-server.ts';
import type { TimetonicCall } from '../connection.ts';
import { openSocket } from './socket.ts';

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A text frame of WebSocket with up to 125 bytes. */
const frameOf = (text: string) => Buffer.concat([Buffer.from([0x81, Buffer.byteLength(text)]), Buffer.from(text)]);

test('a frame that comes with the answer that opens the socket is read', async () => {
  const server = createServer();
  server.on('upgrade', ({ headers }, socket) => {
    for (const over of ['error', 'end']) socket.on(over, () => socket.destroy());
    socket.resume();
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${magic}`).digest('base64');
    const answer = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`,
    ];
    socket.write(Buffer.concat([Buffer.from(`${answer.join('\r\n')}\r\n\r\n`), frameOf('{"type":5}')]));
  });
  const { url, close } = await listen(server);
  onTestFinished(() => close());
  const settings = { serverUrl: url, socketUrl: url.replace('http', 'ws'), allowHttp: true, allowPrivateNetwork: true };
  const { signal } = new AbortController();
  const call = { connection: { settings }, signal } as unknown as TimetonicCall;
  for (let round = 0; round < 20; round++) {
    const wire = await openSocket(call);
    onTestFinished(() => wire.close());
    expect(await wire.next(() => true, 5_000)).toEqual({ type: 5 });
  }
});
