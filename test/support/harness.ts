import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { KeyCheck, type Principal } from '../../lib/api/keys/key-check.ts';
import { Pause } from '../../lib/api/pause/pause.ts';
import { type ConnectionItem, Connections, connectionOf } from '../../lib/connections/connections.ts';
import { storeCredentials } from '../../lib/connections/credentials.ts';
import { type InvokeAnswer, invoke, operationOf, perform } from '../../lib/connections/invoke.ts';
import { SessionStore } from '../../lib/connections/session-store.ts';
import { Sessions } from '../../lib/connections/sessions.ts';
import { UsageCounter } from '../../lib/connections/usage/usage.ts';
import type { Clock } from '../../lib/core/clock.ts';
import type { FileStore } from '../../lib/core/files.ts';
import { httpClient } from '../../lib/core/http/client.ts';
import { newId } from '../../lib/core/ids.ts';
import { parseInput, schemasOf } from '../../lib/core/operation.ts';
import { type SecretStore, sealingKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import type { Catalogue, Connection, VendorName } from '../../lib/core/vendor.ts';
import { keys } from '../../lib/store/items.ts';
import { Table } from '../../lib/store/table.ts';
import { vendorNames, vendors } from '../../lib/vendors/index.ts';
import { startEmbeddedDynamodb } from '../../local/aws/embedded-dynamodb.ts';
import { startSecretsEndpoint } from '../../local/aws/secrets-endpoint.ts';
import { clientOf, createTable, type LocalDatabase } from '../../local/aws/table.ts';

export const admin: Principal = { keyId: 'admin', name: 'Admin key', scopes: ['*/*/*'], perMinute: 1e9 };

/** A clock that moves only when a test advances it. Sleeping takes a moment of real time and does not move it. */
export class TestClock implements Clock {
  time: number;
  constructor(time = Date.parse('2026-01-05T02:11:09Z')) {
    this.time = time;
  }
  now = (): number => this.time;
  advance(ms: number): void {
    this.time += ms;
  }
  async sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What the database and the secrets of a test ask for. */
export const testCredentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/**
 * The database and the secrets of one test file, with the environment that functions in other processes need. The database's files
 * lie in a folder of their own, or in the one that is given.
 */
export async function startBackends(databaseDirectory?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-test-'));
  const credentials = testCredentials;
  const database = await startEmbeddedDynamodb({
    credentials,
    ...(databaseDirectory !== undefined && { directory: databaseDirectory }),
  });
  const secrets = await startSecretsEndpoint({ directory, credentials });
  await createTable(database, 'trunkline');
  const env = {
    TRUNKLINE_TABLE: 'trunkline',
    TRUNKLINE_VENDORS: vendorNames.join(','),
    TRUNKLINE_DYNAMODB_ENDPOINT: database.endpoint,
    TRUNKLINE_SECRETS_ENDPOINT: secrets.endpoint,
    TRUNKLINE_LOCAL_ACCESS_KEY_ID: credentials.accessKeyId,
    TRUNKLINE_LOCAL_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  return {
    env,
    /** The database: for clients of this process, and its endpoint for others. */
    database,
    stop: async () => {
      await secrets.stop();
      await database.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Secrets in memory, for tests within one process. */
export function memorySecrets(): SecretStore & { values: Map<string, string> } {
  const values = new Map<string, string>(
    [sealingKeySecret, ...vendorNames.map(sessionKeySecret)].map((name) => [name, randomBytes(32).toString('hex')]),
  );
  return {
    values,
    read: async (name) => values.get(name),
    write: async (name, value) => {
      values.set(name, value);
    },
    delete: async (name) => {
      values.delete(name);
    },
  };
}

/** The services of one imagined process over a shared table: what `lib/aws/services.ts` makes, with a clock of the test's own. */
export function processOf(
  database: LocalDatabase | Table,
  secrets: SecretStore,
  clock: Clock,
  catalogue: Catalogue = vendors,
) {
  const random = { number: Math.random, bytes: randomBytes };
  const table = database instanceof Table ? database : new Table('trunkline', clientOf(database));
  const store = new SessionStore(table, secrets);
  const attention: { connection: string; reason: string }[] = [];
  const sessions = new Sessions({
    table,
    store,
    clock,
    random,
    needsAttention: async (connection, reason) => {
      attention.push({ connection: connection.name, reason });
    },
  });
  const http = httpClient();
  const services = {
    table,
    catalogue,
    vendorNames: Object.keys(catalogue),
    store,
    sessions,
    secrets,
    clock,
    random,
    http,
    files: memoryFiles(),
    connections: new Connections(table, clock),
    usage: new UsageCounter(table, clock),
    keyCheck: new KeyCheck(table, clock),
    pause: new Pause(table, clock, false),
  };
  return {
    ...services,
    attention,
    /** Calls an operation as the admin key would. */
    call: async (
      vendor: VendorName,
      connection: string,
      operation: string,
      input: Record<string, unknown> = {},
      idempotencyKey?: string,
    ) => {
      const chosen = catalogue[vendor];
      if (!chosen) throw new Error(`${vendor} is not in the catalogue`);
      const scope = { requestId: randomBytes(6).toString('hex'), signal: new AbortController().signal };
      return bodyOf(
        await invoke(services, chosen, { principal: admin, connection, operation, input, idempotencyKey }, scope),
      );
    },
    /** Calls an operation past scopes and idempotency. */
    perform: async (vendor: VendorName, connection: string, name: string, input: Record<string, unknown>) => {
      const chosen = catalogue[vendor];
      if (!chosen) throw new Error(`${vendor} is not in the catalogue`);
      const operation = operationOf(chosen, name);
      const found = await services.connections.find(vendor, connection);
      const scope = { requestId: randomBytes(6).toString('hex'), signal: new AbortController().signal };
      return bodyOf(
        await perform(services, chosen, found, name, operation, parseInput(schemasOf(operation).input, input), scope),
      );
    },
    close: () => {
      http.close();
      table.destroy();
    },
  };
}

/** Stores a connection as the control call does, without its checks. */
export async function putConnection(
  process: ReturnType<typeof processOf>,
  vendor: VendorName,
  name: string,
  settings: Record<string, unknown>,
  credentials: Record<string, unknown>,
): Promise<Connection> {
  const connection: Connection = { vendor, name, version: 1, settings, credentialsId: newId(process.random) };
  const declared = process.catalogue[vendor];
  if (!declared) throw new Error(`${vendor} is not in the catalogue`);
  const at = new Date(process.clock.now()).toISOString();
  const item: ConnectionItem = {
    ...keys.connection(vendor, name),
    ...connection,
    credentials: Object.keys(credentials),
    createdAt: at,
    updatedAt: at,
  };
  // Without an address there is nothing to bind them to, and no call will be made.
  if (Object.keys(settings).some((each) => /url$/i.test(each)))
    await storeCredentials(process.secrets, declared, connection, credentials);
  await process.table.put<ConnectionItem>(item);
  await process.store.plan(connection, true, process.clock.now());
  return connection;
}

/** Replaces the credentials of a connection as another process would: this process is not notified. */
export async function changeCredentials(
  process: ReturnType<typeof processOf>,
  vendor: VendorName,
  name: string,
  credentials: Record<string, unknown>,
): Promise<void> {
  const declared = process.catalogue[vendor];
  const item = await process.table.get<ConnectionItem>(keys.connection(vendor, name), true);
  if (!declared || !item) throw new Error(`There is no ${vendor}/${name}`);
  const changed = { ...connectionOf(item), credentialsId: newId(process.random) };
  await storeCredentials(process.secrets, declared, changed, credentials);
  await process.table.update(keys.connection(vendor, name), 'SET #credentialsId = :id ADD #version :one', {
    id: changed.credentialsId,
    one: 1,
  });
}

/** The credentials that are stored in the secret of a connection, whichever set they belong to. */
export function storedCredentials(text: string | undefined): Record<string, string> {
  const sets = Object.values(JSON.parse(text ?? '{}') as Record<string, { credentials: Record<string, string> }>);
  return Object.assign({}, ...sets.map(({ credentials }) => credentials));
}

function bodyOf(answer: InvokeAnswer): unknown {
  if ('file' in answer) throw new Error('The answer is a file');
  return answer.body;
}

/** Files in memory. */
export function memoryFiles(): FileStore {
  const files = new Map<string, { bytes: Buffer; type: string }>();
  const missing = (): never => {
    throw new Error('not in this test');
  };
  return {
    createUpload: missing,
    link: async (key: string) => `memory:${key}`,
    openRead: missing,
    get: async (key: string) => {
      const file = files.get(key);
      if (!file) throw new Error(`There is no file ${key}`);
      return { stream: Readable.from([file.bytes]), size: file.bytes.length, type: file.type, name: key };
    },
    put: async (key: string, data: Uint8Array | Readable, type: string) => {
      const chunks: Buffer[] = [];
      if (data instanceof Uint8Array) chunks.push(Buffer.from(data));
      else for await (const chunk of data) chunks.push(Buffer.from(chunk as Uint8Array));
      files.set(key, { bytes: Buffer.concat(chunks), type });
    },
    remove: async (key: string) => {
      files.delete(key);
    },
  };
}
