import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { memoryFiles, TestClock } from '../../test/support/harness.ts';
import { filesOnUse } from './files.ts';
import { secretsManager } from './secrets.ts';
import { settingsFrom } from './settings.ts';
import { lambdaStarter } from './starter.ts';

/** Settings for a server that accepts everything. Reading them fails once, as where a module cannot be read for a moment. */
async function settingsThatFailOnce() {
  const server = createServer((_, response) => response.writeHead(202).end('{"SecretString":"kept"}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const local = {
    lambda: url,
    secrets: url,
    accessKeyId: 'local',
    secretAccessKey: 'local',
    allowPrivateTargets: false,
  };
  let failures = 0;
  return {
    ...settingsFrom({}),
    get local() {
      if (failures++ === 0) throw new Error('too many open files');
      return local;
    },
  };
}

test('what could not be loaded for a moment is loaded at the next call', async () => {
  const starter = lambdaStarter(await settingsThatFailOnce());
  await expect(starter.startWorker('poll-events', {})).rejects.toThrow('too many open files');
  await starter.startWorker('poll-events', {});

  const secrets = secretsManager(await settingsThatFailOnce(), new TestClock(), () => undefined);
  await expect(secrets.read('name')).rejects.toThrow('too many open files');
  expect(await secrets.read('name')).toBe('kept');

  let loads = 0;
  const files = filesOnUse(async () => {
    if (loads++ === 0) throw new Error('too many open files');
    return memoryFiles();
  });
  await expect(files.remove('key')).rejects.toThrow('too many open files');
  await files.remove('key');
});
