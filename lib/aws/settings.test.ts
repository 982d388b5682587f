import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, test } from 'vitest';
import { Table } from '../store/table.ts';
import { clientConfig, settingsFrom } from './settings.ts';

test('a request to AWS over a connection that has gone dead is sent again within seconds', async () => {
  const seen = new Set<string>();
  const server = createServer((request, response) => {
    const target = String(request.headers['x-amz-target'] ?? request.url);
    // The first request is never answered.
    if (seen.has(target)) response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end('{}');
    seen.add(target);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const given = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  };
  const settings = settingsFrom({});
  const table = new Table('t', { ...clientConfig(settings, 'dynamodb'), ...given });
  const secrets = new SecretsManagerClient({ ...clientConfig(settings, 'secrets'), ...given });
  const lambda = new LambdaClient({ ...clientConfig(settings, 'lambda'), ...given });
  const invoke = new InvokeCommand({ FunctionName: 'f', InvocationType: 'Event' });
  await Promise.all([
    table.get({ pk: 'a', sk: 'b' }),
    secrets.send(new GetSecretValueCommand({ SecretId: 's' })),
    lambda.send(invoke),
  ]);
  expect(seen.size).toBe(3);
  for (const client of [table, secrets, lambda]) client.destroy();
  server.closeAllConnections();
  server.close();
}, 60_000);
