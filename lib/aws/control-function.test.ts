import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { handler } from '../../functions/control.ts';
import { startBackends } from '../../test/support/harness.ts';
import { hashOf } from '../api/keys/admin-key.ts';
import { keys } from '../store/items.ts';
import { Table } from '../store/table.ts';
import { logTo } from './log.ts';
import { useTable } from './services.ts';

const adminKey = 'tl_an-admin-key-of-a-test-and-of-nothing-else';

let backends: Awaited<ReturnType<typeof startBackends>>;
let table: Table;
const lines: string[] = [];

beforeAll(async () => {
  backends = await startBackends();
  for (const [name, value] of Object.entries(backends.env)) vi.stubEnv(name, value);
  const { client } = backends.database;
  table = new Table('trunkline', client);
  await table.put({ ...keys.adminKey(), hash: hashOf(adminKey) });
  useTable(client);
  logTo((line) => void lines.push(line()));
  const { put } = Table.prototype;
  vi.spyOn(Table.prototype, 'put').mockImplementation(async function (this: Table, item, ...more) {
    if (item.pk.startsWith('audit#')) throw new Error('No space is left.');
    return put.call(this, item, ...more);
  });
});
afterAll(async () => {
  vi.restoreAllMocks();
  useTable(undefined);
  vi.unstubAllEnvs();
  table.destroy();
  await backends.stop();
});

const call = async (method: string, rawPath: string, body: object, headers: Record<string, string> = {}) => {
  const event = {
    rawPath,
    rawQueryString: '',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', ...headers },
    requestContext: { requestId: 'r1', http: { method, path: rawPath, sourceIp: '192.0.2.1' } },
    body: JSON.stringify(body),
    isBase64Encoded: false,
  };
  const context = { awsRequestId: 'r1', getRemainingTimeInMillis: () => 25_000 };
  // What the handler reads of them.
  const given = [event as unknown as APIGatewayProxyEventV2, context as Context] as const;
  const answer = (await handler(...given, {
    signal: new AbortController().signal,
  })) as APIGatewayProxyStructuredResultV2;
  return { status: answer.statusCode, body: JSON.parse(answer.body ?? '{}') as Record<string, unknown> };
};

test('a key is returned although its audit entry could not be stored, and the log contains the entry', async () => {
  const made = await call('POST', '/v1/keys', { name: 'Zapier', scopes: ['proptt2/*/*'] });
  expect(made).toMatchObject({ status: 201, body: { name: 'Zapier', key: expect.stringMatching(/^tl_/) } });
  expect(await table.get(keys.apiKey(String(made.body.id)))).toMatchObject({ name: 'Zapier' });
  expect(lines.find((line) => line.includes('audit entry not stored'))).toContain('"operation":"createKey"');
  expect(lines.join('')).not.toContain(String(made.body.key));
});

test('a repeat with the same Idempotency-Key gets the same secret', async () => {
  const again = { 'idempotency-key': 'once' };
  const first = await call('POST', '/v1/keys', { name: 'Make', scopes: ['proptt2/*/*'] }, again);
  const second = await call('POST', '/v1/keys', { name: 'Make', scopes: ['proptt2/*/*'] }, again);
  expect(first.status).toBe(201);
  expect(second.body.key).toBe(first.body.key);
});
