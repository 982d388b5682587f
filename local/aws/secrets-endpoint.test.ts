import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetRandomPasswordCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSecretVault, type Secret } from './secret-vault.ts';
import { type SecretsEndpoint, startSecretsEndpoint } from './secrets-endpoint.ts';

const day = 24 * 60 * 60 * 1000;
let directory = '';
let endpoint: SecretsEndpoint;
let client: SecretsManagerClient;
let time = Date.parse('2026-11-01T12:00:00Z');

const clientOf = ({ endpoint: url, credentials }: Pick<SecretsEndpoint, 'endpoint' | 'credentials'>) =>
  new SecretsManagerClient({ endpoint: url, credentials, region: 'us-east-1', maxAttempts: 1 });

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-secrets-'));
  await restart();
});
afterEach(async () => {
  await endpoint.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function restart() {
  endpoint = await startSecretsEndpoint({ directory, now: () => time });
  client = clientOf(endpoint);
}

const create = (name: string, value = 'first') =>
  client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
const value = async (SecretId: string) => (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString;

describe('values', () => {
  test('a secret is read by its name', async () => {
    const { ARN } = await create('trunkline/proptt2/dispatch');
    expect(ARN).toMatch(/^arn:aws:secretsmanager:us-east-1:\d{12}:secret:trunkline\/proptt2\/dispatch-[A-Za-z0-9]{6}$/);
    expect(await client.send(new GetSecretValueCommand({ SecretId: 'trunkline/proptt2/dispatch' }))).toMatchObject({
      ARN,
      Name: 'trunkline/proptt2/dispatch',
      SecretString: 'first',
    });
  });

  test('a new value replaces the one before', async () => {
    await create('key', 'one');
    await client.send(new PutSecretValueCommand({ SecretId: 'key', SecretString: 'two' }));
    expect(await value('key')).toBe('two');
  });

  test('a secret that was stored in several versions has the current one', async () => {
    await endpoint.stop();
    const vault = openSecretVault(directory);
    const versions = [
      { stages: ['AWSPREVIOUS'], string: 'one' },
      { stages: ['AWSCURRENT'], string: 'two' },
    ];
    vault.set(Object.assign({ name: 'key', arn: 'arn:key' }, { versions }) as unknown as Secret);
    vault.close();
    await restart();
    expect(await value('key')).toBe('two');
  });
});

describe('refusals carry the class that the SDK throws', () => {
  test.each([
    ['reading what is not there', new GetSecretValueCommand({ SecretId: 'no' }), 'ResourceNotFoundException'],
    [
      'writing what is not there',
      new PutSecretValueCommand({ SecretId: 'no', SecretString: 'x' }),
      'ResourceNotFoundException',
    ],
    ['an existing name', new CreateSecretCommand({ Name: 'key', SecretString: 'x' }), 'ResourceExistsException'],
    ['a bad name', new CreateSecretCommand({ Name: 'a b', SecretString: 'x' }), 'InvalidParameterException'],
    ['no value', new PutSecretValueCommand({ SecretId: 'key' }), 'InvalidRequestException'],
    [
      '65,537 bytes',
      new PutSecretValueCommand({ SecretId: 'key', SecretString: 'x'.repeat(65_537) }),
      'InvalidParameterException',
    ],
    [
      'a short window',
      new DeleteSecretCommand({ SecretId: 'key', RecoveryWindowInDays: 6 }),
      'InvalidParameterException',
    ],
    ['an operation it lacks', new GetRandomPasswordCommand({}), 'UnknownOperationException'],
  ])('%s', async (_, command, name) => {
    await create('key');
    await expect(client.send(command as GetSecretValueCommand)).rejects.toMatchObject({ name });
  });

  test('a caller without the credentials is refused', async () => {
    await create('key');
    const stranger = clientOf({ ...endpoint, credentials: { accessKeyId: 'guess', secretAccessKey: 'guess' } });
    await expect(stranger.send(new GetSecretValueCommand({ SecretId: 'key' }))).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
    const page = await fetch(endpoint.endpoint, { method: 'POST', body: '{}' });
    expect(page.status).toBe(403);
  });

  test('a body that is not JSON, or too long, is refused, and the endpoint continues', async () => {
    await create('key');
    const send = (body: string) =>
      fetch(endpoint.endpoint, {
        method: 'POST',
        body,
        headers: {
          authorization: `AWS4-HMAC-SHA256 Credential=${endpoint.credentials.accessKeyId}/x`,
          'x-amz-target': 'secretsmanager.GetSecretValue',
        },
      });
    expect(await (await send('{')).json()).toMatchObject({ __type: 'SerializationException' });
    expect(await (await send('null')).json()).toMatchObject({ __type: 'SerializationException' });
    expect((await send('x'.repeat(1024 * 1024 + 1))).status).toBe(413);
    expect((await send('{"SecretId":"key"}')).status).toBe(200);
  });
});

describe('deletion', () => {
  test('a deleted secret cannot be used until it is restored', async () => {
    await create('key', 'one');
    const { DeletionDate } = await client.send(new DeleteSecretCommand({ SecretId: 'key' }));
    expect(DeletionDate).toEqual(new Date(time + 30 * day));
    await expect(value('key')).rejects.toMatchObject({ name: 'InvalidRequestException' });
    await expect(create('key')).rejects.toMatchObject({ name: 'InvalidRequestException' });
    await client.send(new RestoreSecretCommand({ SecretId: 'key' }));
    expect(await value('key')).toBe('one');
  });

  test('after the recovery window it is gone and its name is free', async () => {
    await create('key', 'one');
    await client.send(new DeleteSecretCommand({ SecretId: 'key', RecoveryWindowInDays: 7 }));
    time += 7 * day;
    await expect(client.send(new RestoreSecretCommand({ SecretId: 'key' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    await create('key', 'two');
    expect(await value('key')).toBe('two');
  });
});

describe('on disk', () => {
  test('stored data is encrypted, and only the owner can read the key', async () => {
    await create('trunkline/talk/team', 'app-password-1234567890');
    const read = (file: string) => readFileSync(join(directory, file), 'latin1');
    for (const file of readdirSync(directory)) {
      expect(read(file)).not.toContain('app-password');
      expect(read(file)).not.toContain(Buffer.from('app-password').toString('base64').slice(0, 12));
    }
    expect(statSync(join(directory, 'key')).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o077).toBe(0);
  });

  test('a second process is refused', async () => {
    await expect(startSecretsEndpoint({ directory })).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test('a lost or foreign key is reported, and not overwritten', async () => {
    await create('key');
    await endpoint.stop();
    const keyFile = join(directory, 'key');
    const key = readFileSync(keyFile);
    rmSync(keyFile);
    await expect(startSecretsEndpoint({ directory })).rejects.toThrow(`key file ${keyFile} is missing`);
    writeFileSync(keyFile, Buffer.alloc(32, 7));
    await expect(startSecretsEndpoint({ directory })).rejects.toThrow('is not the one');
    writeFileSync(keyFile, key);
    await restart();
    expect(await value('key')).toBe('first');
  });

  test('every write that was acknowledged is there after kill -9 in the middle of writing', async () => {
    await endpoint.stop();
    for (let round = 0; round < 3; round++) {
      const acknowledged = await writeUntilKilled(round);
      await restart();
      expect(acknowledged).toBeGreaterThan(5);
      for (let i = 0; i < acknowledged; i++) expect(await value(`round-${round}/${i}`)).toBe(`value ${i}`);
      await endpoint.stop();
    }
  });
});

/** Another process creates secrets one after the other until it is killed; answers how many it had acknowledged. */
async function writeUntilKilled(round: number): Promise<number> {
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { CreateSecretCommand, SecretsManagerClient } from ${JSON.stringify(import.meta.resolve('@aws-sdk/client-secrets-manager'))};
    import { startSecretsEndpoint } from ${here('./secrets-endpoint.ts')};
    const { endpoint, credentials } = await startSecretsEndpoint({ directory: ${JSON.stringify(directory)} });
    const client = new SecretsManagerClient({ endpoint, credentials, region: 'us-east-1' });
    for (let i = 0; ; i++) {
      await client.send(new CreateSecretCommand({ Name: 'round-${round}/' + i, SecretString: 'value ' + i }));
      process.stdout.write(i + '\\n');
    }`;
  const writer = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let acknowledged = 0;
  for await (const line of createInterface(writer.stdout)) {
    acknowledged = Number(line) + 1;
    if (acknowledged === 10 + round * 7) writer.kill('SIGKILL');
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, 'exit');
  return acknowledged;
}
