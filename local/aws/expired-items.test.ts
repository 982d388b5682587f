import { DynamoDBClient, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedDynamodb, startEmbeddedDynamodb } from './embedded-dynamodb.ts';
import { startExpirySweep } from './expired-items.ts';
import { createTable } from './table.ts';

let database: EmbeddedDynamodb;
let client: DynamoDBClient;
const time = Date.parse('2026-11-01T12:00:00Z');
const seconds = time / 1000;

beforeAll(async () => {
  database = await startEmbeddedDynamodb();
  client = new DynamoDBClient({
    endpoint: database.endpoint,
    region: 'local',
    credentials: database.credentials,
  });
  await createTable(database, 'trunkline');
});
afterAll(() => database.stop());

const put = (pk: string, expiresAt?: number) =>
  client.send(
    new PutItemCommand({
      TableName: 'trunkline',
      Item: { pk: { S: pk }, sk: { S: pk }, ...(expiresAt !== undefined && { expiresAt: { N: String(expiresAt) } }) },
    }),
  );
const keys = async () =>
  ((await client.send(new ScanCommand({ TableName: 'trunkline' }))).Items ?? []).map(({ pk }) => pk?.S).sort();

test('expired items are removed, across pages; others stay', async () => {
  for (let i = 0; i < 450; i += 50)
    await Promise.all(Array.from({ length: 50 }, (_, at) => put(`old ${i + at}`, seconds - 1)));
  await put('now', seconds);
  await put('later', seconds + 60);
  await put('for ever');
  const { sweep, stop } = startExpirySweep({ ...database, tableName: 'trunkline', now: () => time });
  expect(await sweep()).toBe(450);
  expect(await keys()).toEqual(['for ever', 'later', 'now']);
  expect(await sweep()).toBe(0);
  await stop();
});
