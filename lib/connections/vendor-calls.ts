import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import type { HttpClient } from '../core/http/client.ts';
import { LruMap } from '../core/lru-map.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { Connection, SessionState, Vendor, VendorCall } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { limitConcurrency } from './concurrency.ts';
import type { ConnectionItem, Connections } from './connections.ts';
import { notesOf, sharedNotesOf } from './notes.ts';
import type { HeldSession } from './session-store.ts';
import type { Sessions } from './sessions.ts';
import type { UsageCounter } from './usage/usage.ts';

export interface CallServices {
  table: Table;
  secrets: SecretStore;
  http: HttpClient;
  files: FileStore;
  clock: Clock;
  random: Random;
  sessions: Sessions;
  usage: UsageCounter;
  /** Called once for an answer that has another form than its operation describes. */
  vendorShape?(found: VendorShape): void;
}

/** Where a vendor's answer has another form than its operation describes, as JSON pointers. */
export interface VendorShape {
  vendor: string;
  connection: string;
  operation: string;
  /** The first of `paths`. */
  path: string;
  paths: string[];
  requestId: string;
}

/** The remaining time of one call and its name in logs. */
export interface CallScope {
  requestId: string;
  signal: AbortSignal;
  /** Called before each HTTP request is sent: from then on the vendor may have carried it out. */
  onRequest?: () => void;
  /** A call that repeats all day, such as a keepalive: its first count in a process waits for more. */
  isRoutine?: true;
  /** Receives the progress of a long transfer. */
  progress?: (done: number, total: number) => Promise<void>;
}

/** A warm call with a session needs no credentials, so that a cold start does without their module. */
const stored = () => import('./credentials.ts');

/** Numbers are taken from the table in blocks of this many, so that a warm send needs no request for them. */
const countBlock = 1000;

/** What a process remembers between calls. By table, so that two products in one process, as in tests, share nothing. */
interface ProcessMemory {
  /** By connection and version. */
  connections: LruMap<string, Map<string, unknown>>;
  /** The numbers that were taken and not used yet, by counter. */
  blocks: Map<string, { next: number; end: number }>;
}
const processMemories = new WeakMap<Table, ProcessMemory>();
const maxConnections = 5_000;

/** Builds the context of one vendor call. */
export function vendorCall(
  services: CallServices,
  vendor: Vendor,
  connection: Connection,
  scope: CallScope,
): VendorCall {
  const { secrets, sessions } = services;
  let credentials: object | undefined;
  let afresh = false;

  const call: VendorCall = {
    connection,
    requestId: scope.requestId,
    http: observed(
      services.usage.counting(
        limitConcurrency(services.http, connection, scope.signal),
        connection,
        scope.isRoutine === true,
      ),
      scope.onRequest,
    ),
    files: services.files,
    clock: services.clock,
    random: services.random,
    signal: scope.signal,
    ...(scope.progress && { progress: scope.progress }),
    memory: memoryOf(services.table, connection),
    credentials: async () => {
      const { readCredentials } = await stored();
      credentials ??= await readCredentials(secrets, vendor, connection).catch(async (error: unknown) => {
        await requireCurrent(services.table, connection);
        throw error;
      });
      return credentials;
    },
    credentialsAfresh: async () => {
      if (afresh) return false;
      afresh = true;
      await requireCurrent(services.table, connection);
      const { readCredentials } = await stored();
      const before = JSON.stringify(credentials);
      credentials = await readCredentials(secrets, vendor, connection, true);
      return before !== undefined && JSON.stringify(credentials) !== before;
    },
    saveCredentials: async (value) => {
      const { readSets, storeCredentials } = await stored();
      const others = await readSets(secrets, connection);
      await storeCredentials(secrets, vendor, connection, value, others);
      credentials = value;
    },
    withSession: (attempt) => sessions.run(vendor, call, attempt),
    session: {
      renew: async () => stateOf(await sessions.renew(vendor, call)),
      keepAlive: async () => stateOf(await sessions.keepAlive(vendor, call)),
      exclusively: (run) => sessions.exclusively(vendor, call, run),
      latest: async () => (await sessions.latest(vendor, call)).data,
      replace: (session) => sessions.replace(vendor, call, session),
      lock: (reason) => sessions.lock(vendor, connection, reason),
    },
    count: (name, most) => nextNumber(services.table, connection, name, most),
    quota: () => services.usage.quota(connection),
    notes: notesOf(services.table, services.clock, connection),
    sharedNotes: sharedNotesOf(services.table, services.clock, connection.vendor),
  };
  return call;
}

function observed(http: HttpClient, onRequest: (() => void) | undefined): HttpClient {
  if (!onRequest) return http;
  return {
    request: (options) => {
      onRequest();
      return http.request(options);
    },
    stream: (options) => {
      onRequest();
      return http.stream(options);
    },
  };
}

/** The credentials of a connection were replaced after this call had read its settings. */
class StaleConnection extends GatewayError {
  constructor({ vendor, name }: Connection) {
    super('unavailable', `The ${vendor} connection ${name} was changed a moment ago. Try again.`, { retryAfter: 1 });
  }
}

/** New credentials may belong to another account, so settings that were read before must not be used with them. */
async function requireCurrent(table: Table, connection: Connection): Promise<void> {
  const item = await table.get<ConnectionItem>(keys.connection(connection.vendor, connection.name), true);
  if (item && item.credentialsId !== connection.credentialsId) throw new StaleConnection(connection);
}

/** Runs a vendor call. If the credentials were replaced meanwhile, runs it again with the current connection. */
export async function withVendorCall<T>(
  services: CallServices & { connections: Connections },
  vendor: Vendor,
  connection: Connection,
  scope: CallScope,
  run: (call: VendorCall) => Promise<T>,
): Promise<T> {
  try {
    return await run(vendorCall(services, vendor, connection, scope));
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    services.connections.forget(vendor.name, connection.name);
    const current = await services.connections.find(vendor.name, connection.name);
    return run(vendorCall(services, vendor, current, scope));
  }
}

function stateOf(held: HeldSession): SessionState {
  return { generation: held.generation, expiresAt: new Date(held.expiresAt).toISOString() };
}

function processMemoryOf(table: Table): ProcessMemory {
  let memory = processMemories.get(table);
  if (!memory) {
    memory = { connections: new LruMap(maxConnections), blocks: new Map() };
    processMemories.set(table, memory);
  }
  return memory;
}

function memoryOf(table: Table, connection: Connection): Map<string, unknown> {
  const { connections } = processMemoryOf(table);
  const id = `${connection.vendor}/${connection.name}/${connection.version}`;
  let memory = connections.get(id);
  if (!memory) {
    memory = new Map();
    connections.set(id, memory);
  }
  return memory;
}

async function nextNumber(table: Table, connection: Connection, name: string, most: number): Promise<number> {
  const known = processMemoryOf(table).blocks;
  const key = keys.counter(connection.vendor, connection.name, name);
  const id = `${key.pk}/${key.sk}`;
  let block = known.get(id);
  if (!block || block.next >= block.end) {
    const taken = await table.update<{ taken: number }>(key, 'ADD #taken :block', { block: countBlock });
    const end = taken.done ? taken.item.taken : countBlock;
    const current = known.get(id);
    // Another caller of this process may have fetched a block meanwhile; both blocks are ours, the newer one serves.
    if (!current || current.end < end) known.set(id, { next: end - countBlock, end });
    block = known.get(id) ?? { next: end - countBlock, end };
  }
  const number = block.next++;
  return (number % most) + 1;
}
