import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateTableCommand,
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand,
  DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-dynamodb-streams';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { collectLog } from '../../test/support/collected-log.ts';
import { listeningPorts } from '../../test/support/listening-ports.ts';
import { databaseHelp, type EmbeddedDynamodb, findDynoxide, startEmbeddedDynamodb } from './embedded-dynamodb.ts';

let directory = '';
const running: EmbeddedDynamodb[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-database-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((database) => database.stop()));
  rmSync(directory, { recursive: true, force: true });
});

async function start(options: Parameters<typeof startEmbeddedDynamodb>[0] = { directory }) {
  const database = await startEmbeddedDynamodb({ credentials: access.credentials, ...options });
  running.push(database);
  return database;
}

const access = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
const clientOf = (endpoint: string) => new DynamoDBClient({ ...access, endpoint });

async function createTable(client: DynamoDBClient) {
  const { TableDescription } = await client.send(
    new CreateTableCommand({
      TableName: 'trunkline',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' },
    }),
  );
  return TableDescription?.LatestStreamArn ?? '';
}

const put = (client: DynamoDBClient, pk: string, value = '') =>
  client.send(new PutItemCommand({ TableName: 'trunkline', Item: { pk: { S: pk }, value: { S: value } } }));
const get = async (client: DynamoDBClient, pk: string) =>
  (await client.send(new GetItemCommand({ TableName: 'trunkline', Key: { pk: { S: pk } } }))).Item;

const alive = (pid: number) => existsSync(`/proc/${pid}/exe`) && !/^State:\s+Z/m.test(statusOf(pid));
const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8');
const untilDead = (pid: number) => vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 120_000 });

/** Another process that starts the database in the directory and reports the database's pid and endpoint, or the refusal. */
async function startElsewhere() {
  const script = `
    import { startEmbeddedDynamodb } from ${JSON.stringify(new URL('./embedded-dynamodb.ts', import.meta.url).href)};
    setInterval(() => {}, 1000);
    try {
      const database = await startEmbeddedDynamodb({ directory: ${JSON.stringify(directory)}, credentials: ${JSON.stringify(access.credentials)} });
      process.stdout.write(JSON.stringify({ pid: database.pid(), endpoint: database.endpoint }));
    } catch (error) { process.stdout.write(JSON.stringify({ refusal: error.message })); }`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(owner.stdout, 'data');
  return { owner, ...(JSON.parse(String(said)) as { pid: number; endpoint: string; refusal?: string }) };
}

test('what was written is there after a stop and a start', async () => {
  const first = await start();
  await createTable(clientOf(first.endpoint));
  await put(clientOf(first.endpoint), 'a', 'kept');
  await first.stop();
  expect(alive(first.pid())).toBe(false);
  const second = await start();
  expect((await get(clientOf(second.endpoint), 'a'))?.value).toEqual({ S: 'kept' });
});

test('without a directory the data is gone with the database, and several run side by side', async () => {
  const [one, two] = await Promise.all([start({}), start({})]);
  await createTable(clientOf(one.endpoint));
  await createTable(clientOf(two.endpoint));
  await put(clientOf(one.endpoint), 'only here');
  expect(await get(clientOf(two.endpoint), 'only here')).toBeUndefined();
  const dataFile =
    readFileSync(`/proc/${one.pid()}/cmdline`, 'utf8')
      .split('\0')
      .find((part) => part.endsWith('.db')) ?? '';
  expect(existsSync(dataFile)).toBe(true);
  await one.stop();
  expect(existsSync(dataFile)).toBe(false);
});

describe('processes', () => {
  test('a second start in the same directory is refused and names the process that has it', async () => {
    await start();
    await expect(startEmbeddedDynamodb({ directory })).rejects.toThrow(`in use by process ${process.pid}`);
    const { owner, refusal } = await startElsewhere();
    owner.kill('SIGKILL');
    expect(refusal).toContain(`in use by process ${process.pid}`);
  });

  test('a database whose parent was killed with kill -9 ends at once, and no acknowledged write is lost', async () => {
    const { owner, pid, endpoint } = await startElsewhere();
    const client = clientOf(endpoint);
    await createTable(client);
    await put(client, 'acknowledged', 'yes');
    owner.kill('SIGKILL');
    await untilDead(pid);
    const next = await start();
    expect((await get(clientOf(next.endpoint), 'acknowledged'))?.value).toEqual({ S: 'yes' });
  });

  test('a database that outlived its parent is ended at the next start', async () => {
    const dataFile = join(directory, 'data.db');
    const orphan = spawn(findDynoxide(), ['mcp', '--db-path', dataFile], { stdio: ['pipe', 'ignore', 'ignore'] });
    writeFileSync(join(directory, 'dynamodb.pid'), `${orphan.pid}\n`);
    await vi.waitFor(() => expect(statusOf(orphan.pid ?? 0)).toContain('dynoxide'), { timeout: 120_000 });
    await start();
    expect(alive(orphan.pid ?? 0)).toBe(false);
  });

  test('another process that got the old process id is not ended', async () => {
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    writeFileSync(join(directory, 'dynamodb.pid'), `${stranger.pid}\n`);
    await start();
    expect(alive(stranger.pid ?? 0)).toBe(true);
    stranger.kill('SIGKILL');
  });

  test('a database that crashes is started again at the same address with the same data', async () => {
    const database = await start();
    const client = clientOf(database.endpoint);
    await createTable(client);
    await put(client, 'a', 'kept');
    const before = database.pid();
    process.kill(before, 'SIGKILL');
    await vi.waitFor(() => expect(database.pid()).not.toBe(before), { timeout: 120_000 });
    expect((await get(client, 'a'))?.value).toEqual({ S: 'kept' });
  });

  test('a database that keeps crashing is started again after a pause', async () => {
    const down = Promise.withResolvers<Error>();
    const database = await start({ directory, onDown: down.resolve });
    await createTable(database.client);
    for (let crash = 1; crash <= 5; crash++) {
      const pid = database.pid();
      process.kill(pid, 'SIGKILL');
      await vi.waitFor(() => expect(database.pid()).not.toBe(pid), { timeout: 120_000 });
    }
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    process.kill(database.pid(), 'SIGKILL');
    expect((await down.promise).message).toMatch(/SIGKILL.*it crashed 6 times in a minute/);
    vi.advanceTimersByTime(5_000);
    expect((await database.client.send(new ListTablesCommand())).TableNames).toEqual(['trunkline']);
  });

  test('a stream that cannot be trimmed is logged and ends nothing', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const lines = collectLog();
    const { client } = await start();
    renameSync(join(directory, 'data.db'), join(directory, 'moved.db'));
    vi.advanceTimersByTime(60 * 60 * 1000);
    await vi.waitFor(() => expect(lines.join()).toContain('the stream of the database was not trimmed'));
    await createTable(client);
  });

  test('Ctrl-C at the terminal does not end it before `stop`', async () => {
    const database = await start();
    const group = (pid: number | string) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2];
    expect(group(database.pid())).not.toBe(group('self'));
  });

  test('stop leaves no process and no lock behind', async () => {
    const database = await start();
    const pid = database.pid();
    await database.stop();
    await database.stop();
    // One that is dead and not collected yet does not count.
    const left = () =>
      execFileSync('ps', ['-eo', 'pgid=,stat='])
        .toString()
        .match(new RegExp(`^ *${pid} [^Z]`, 'm'));
    await vi.waitFor(() => expect(left()).toBeNull(), { timeout: 120_000 });
    await start();
  });
});

describe('access', () => {
  const ask = (endpoint: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const signed = { 'x-amz-target': 'DynamoDB_20120810.ListTables', 'content-type': 'application/x-amz-json-1.0' };
      const asked = request(endpoint, { method: 'POST', headers: { ...signed, ...headers } });
      asked.on('response', (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject);
      asked.end('{}');
    });
  const signature = (id: string) =>
    `AWS4-HMAC-SHA256 Credential=${id}/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0`;

  test('its process listens on no port', async () => {
    const database = await start();
    expect(listeningPorts([database.pid()])).toEqual([]);
    expect(listeningPorts([process.pid])).toContain(Number(new URL(database.endpoint).port));
  });

  test('it requires the access key, and refuses web pages and foreign host names', async () => {
    const { endpoint } = await start({ directory });
    const authorization = signature(access.credentials.accessKeyId);
    expect(await ask(endpoint, { authorization })).toBe(200);
    expect(await ask(endpoint, {})).toBe(403);
    expect(await ask(endpoint, { authorization: signature('x') })).toBe(403);
    expect(await ask(endpoint, { authorization, origin: 'http://evil.example' })).toBe(403);
    expect(await ask(endpoint, { authorization, host: 'evil.example' })).toBe(403);
  });
});

describe.each([
  ['its endpoint', ({ endpoint }: EmbeddedDynamodb) => clientOf(endpoint)],
  ['a client in its own process', ({ client }: EmbeddedDynamodb) => client],
])('the response of the database to %s', (_, clientTo) => {
  test('the stored item when a write is refused', async () => {
    const client = clientTo(await start());
    await createTable(client);
    await put(client, 'a', 'first');
    const refused = {
      TableName: 'trunkline',
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    } as const;
    const item = { pk: { S: 'a' }, value: { S: 'first' } };
    await expect(
      client.send(new PutItemCommand({ ...refused, Item: { pk: { S: 'a' }, value: { S: 'second' } } })),
    ).rejects.toMatchObject({ name: 'ConditionalCheckFailedException', Item: item });
    await expect(client.send(new DeleteItemCommand({ ...refused, Key: { pk: { S: 'a' } } }))).rejects.toMatchObject({
      name: 'ConditionalCheckFailedException',
      Item: item,
    });
  });

  test('that text is no Unicode, and what follows', async () => {
    const client = clientTo(await start());
    await createTable(client);
    await expect(put(client, 'a', 'half \ud800')).rejects.toMatchObject({ name: 'SerializationException' });
    await put(client, 'a', 'an emoji \ud83d\ude00 and a written \\ud800');
    expect((await get(client, 'a'))?.value).toEqual({ S: 'an emoji \ud83d\ude00 and a written \\ud800' });
  });

  test('the bytes that were put', async () => {
    const client = clientTo(await start());
    await createTable(client);
    const bytes = new Uint8Array([0, 127, 128, 255]);
    const Item = { pk: { S: 'a' }, value: { M: { B: { B: bytes }, list: { L: [{ B: bytes }] } } } };
    await client.send(new PutItemCommand({ TableName: 'trunkline', Item }));
    const read = (await get(client, 'a'))?.value?.M;
    expect(Buffer.from(read?.B?.B ?? [])).toEqual(Buffer.from(bytes));
    expect(Buffer.from(read?.list?.L?.[0]?.B ?? [])).toEqual(Buffer.from(bytes));
  });

  test('an answer from the process that follows one that crashed in the middle', async () => {
    const database = await start();
    const client = clientTo(database);
    await createTable(client);
    await put(client, 'a', 'kept');
    const asked = get(client, 'a');
    process.kill(database.pid(), 'SIGKILL');
    expect((await asked)?.value).toEqual({ S: 'kept' });
  });

  test('that a request is too large', async () => {
    const client = clientTo(await start());
    await createTable(client);
    await expect(put(client, 'a', 'x'.repeat(17 * 1024 * 1024))).rejects.toMatchObject({
      name: 'ValidationException',
      message: 'The request is larger than 16 MB.',
    });
  });
});

test('on a system without it the error is one sentence that names the way out', () => {
  const missing = () => {
    throw new Error('Cannot find module');
  };
  expect(() => findDynoxide(missing)).toThrow(databaseHelp(process.platform, process.arch));
});

test.each([
  ['darwin', 'arm64', 'export TRUNKLINE_DYNAMODB_ENDPOINT=http://127.0.0.1:8000'],
  ['win32', 'x64', "$env:TRUNKLINE_DYNAMODB_ENDPOINT = 'http://127.0.0.1:8000'"],
  ['linux', 'arm64', 'export TRUNKLINE_DYNAMODB_ENDPOINT=http://127.0.0.1:8000'],
] as const)('on %s %s the database, its keys and the setting are named', (platform, arch, setting) => {
  const help = databaseHelp(platform, arch);
  for (const part of [`this is ${platform} ${arch}`, 'DynamoDBLocal.jar -sharedDb', 'no keys', setting])
    expect(help).toContain(part);
  expect(databaseHelp('linux', 'x64')).toContain('npm ci without --omit=optional');
});

test('transactions hold together and reach the stream in order', async () => {
  const { endpoint } = await start();
  const client = clientOf(endpoint);
  const streamArn = await createTable(client);
  const row = (pk: string) => ({ TableName: 'trunkline', Item: { pk: { S: pk } } });
  await client.send(new TransactWriteItemsCommand({ TransactItems: [{ Put: row('event') }, { Put: row('cursor') }] }));
  await expect(
    client.send(
      new TransactWriteItemsCommand({
        TransactItems: [
          { Put: row('never') },
          { Put: { ...row('cursor'), ConditionExpression: 'attribute_not_exists(pk)' } },
        ],
      }),
    ),
  ).rejects.toMatchObject({ name: 'TransactionCanceledException' });
  expect(await get(client, 'never')).toBeUndefined();
  expect(await keysInStream(endpoint, streamArn)).toEqual(['event', 'cursor']);
});

async function keysInStream(endpoint: string, arn: string) {
  const streams = new DynamoDBStreamsClient({ ...access, endpoint });
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn: arn }));
  const { ShardIterator } = await streams.send(
    new GetShardIteratorCommand({
      StreamArn: arn,
      ShardId: StreamDescription?.Shards?.[0]?.ShardId,
      ShardIteratorType: 'TRIM_HORIZON',
    }),
  );
  const { Records } = await streams.send(new GetRecordsCommand({ ShardIterator }));
  return (Records ?? []).map(({ dynamodb }) => dynamodb?.Keys?.pk?.S);
}
