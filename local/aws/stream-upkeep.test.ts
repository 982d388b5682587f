import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-dynamodb-streams';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedDynamodb, startEmbeddedDynamodb } from './embedded-dynamodb.ts';
import { trimStream } from './stream-upkeep.ts';

const directory = mkdtempSync(join(tmpdir(), 'trunkline-stream-'));
const dataFile = join(directory, 'data.db');
const day = 24 * 60 * 60 * 1000;
let database: EmbeddedDynamodb;
let client: DynamoDBClient;
let streams: DynamoDBStreamsClient;
let streamArn = '';

beforeAll(async () => {
  database = await startEmbeddedDynamodb({ directory });
  const access = {
    endpoint: database.endpoint,
    region: 'us-east-1',
    credentials: database.credentials,
  };
  client = new DynamoDBClient(access);
  streams = new DynamoDBStreamsClient(access);
  const { TableDescription } = await client.send(
    new CreateTableCommand({
      TableName: 'trunkline',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
    }),
  );
  streamArn = TableDescription?.LatestStreamArn ?? '';
});
afterAll(async () => {
  await database.stop();
  rmSync(directory, { recursive: true, force: true });
});

const put = (pk: string) => client.send(new PutItemCommand({ TableName: 'trunkline', Item: { pk: { S: pk } } }));

async function read(after?: string) {
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn: streamArn }));
  const { ShardIterator } = await streams.send(
    new GetShardIteratorCommand({
      StreamArn: streamArn,
      ShardId: StreamDescription?.Shards?.[0]?.ShardId,
      ...(after === undefined
        ? { ShardIteratorType: 'TRIM_HORIZON' }
        : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: after }),
    }),
  );
  const { Records } = await streams.send(new GetRecordsCommand({ ShardIterator }));
  return (Records ?? []).map(({ dynamodb }) => ({ pk: dynamodb?.Keys?.pk?.S, at: dynamodb?.SequenceNumber ?? '' }));
}

test('the query at each write uses the index instead of reading every record', () => {
  const opened = new DatabaseSync(dataFile, { readOnly: true });
  const plan = (query: string) => JSON.stringify(opened.prepare(`EXPLAIN QUERY PLAN ${query}`).all());
  // As the database itself asks, once at each write and once at each read of the stream.
  const next =
    'SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1';
  const since = `SELECT event_name FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2
    AND CAST(sequence_number AS INTEGER) > ?3 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4`;
  expect(plan(next)).toContain('SEARCH _stream_records USING COVERING INDEX trunkline_stream_sequence');
  expect(plan(since)).toContain('SEARCH _stream_records USING INDEX trunkline_stream_sequence');
  expect(plan(since)).not.toContain('TEMP B-TREE');
  opened.close();
});

test('records are removed after a day, and a reader at the last one misses nothing', async () => {
  for (let i = 0; i < 12; i++) await put(`old ${i}`);
  const seen = await read();
  const last = seen.at(-1)?.at ?? '';
  expect(seen).toHaveLength(12);
  expect(await trimStream(dataFile, Date.now() + day - 60_000)).toBe(0);
  expect(await trimStream(dataFile, Date.now() + day + 60_000)).toBe(11);
  await put('new');
  expect(await read(last)).toEqual([{ pk: 'new', at: String(Number(last) + 1) }]);
});

test('a busy day is cut to the newest records', async () => {
  for (let i = 0; i < 30; i++) await put(`busy ${i}`);
  await trimStream(dataFile, Date.now(), 10);
  expect((await read()).map(({ pk }) => pk)).toEqual(Array.from({ length: 10 }, (_, i) => `busy ${20 + i}`));
});

test('trimming while the database writes disturbs neither', async () => {
  let trimming = true;
  const trimmer = (async () => {
    while (trimming) {
      await trimStream(dataFile, Date.now(), 20);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await Promise.all(Array.from({ length: 300 }, (_, i) => put(`together ${i}`)));
  trimming = false;
  await trimmer;
  expect((await read()).length).toBeGreaterThan(0);
});

test('trimming many records lets everything else take its turn, and ends when it is stopped', async () => {
  const opened = new DatabaseSync(dataFile);
  opened.exec(`INSERT INTO _stream_records (table_name, event_name, keys_json, sequence_number, shard_id, created_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
    SELECT 'busy', 'INSERT', '{}', n, 'shard', 0 FROM numbers`);
  opened.close();
  const stop = new AbortController();
  let turns = 0;
  const count = () => {
    if (++turns === 4) stop.abort();
    setImmediate(count).unref();
  };
  count();
  const removed = await trimStream(dataFile, Date.now(), 200_000, stop.signal);
  expect(removed).toBeGreaterThanOrEqual(200);
  expect(removed).toBeLessThan(1200);
  expect(removed + (await trimStream(dataFile, Date.now()))).toBeGreaterThanOrEqual(1999);
});
