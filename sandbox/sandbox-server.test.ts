import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startSandbox } from './sandbox-server.ts';

test('a request for another protocol is answered like any other', async () => {
  const sandbox = await startSandbox(
    {},
    () => ({}),
    () => ({ status: 418 }),
  );
  onTestFinished(() => sandbox.close());
  const client = connect(sandbox.port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: nowhere\r\n\r\n');
  const [first] = await once(client, 'data');
  expect(String(first)).toMatch(/^HTTP\/1\.1 418 /);
  client.resetAndDestroy();
});
