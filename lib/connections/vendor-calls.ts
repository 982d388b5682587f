import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import type { HttpClient } from '../core/http/client.ts';
import { LruMap } from '../core/lru-map.ts';
import { credentialsSecret, type SecretStore } from '../core/secrets.ts';
import type { Connection, SessionState, Vendor, VendorCall } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { limitConcurrency } from './concurrency.ts';
import { notesOf } from './notes.ts';
import type { HeldSession } from './session-store.ts';
import type { Sessions } from './sessions.ts';

export interface CallServices {
  table: Table;
  secrets: SecretStore;
  http: HttpClient;
  files: FileStore;
  clock: Clock;
  random: Random;
  sessions: Sessions;
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

/** What one call has left and how it is named in logs. */
export interface CallScope {
  requestId: string;
  signal: AbortSignal;
  /** Told how far a long transfer has come. */
  progress?: (done: number, total: number) => Promise<void>;
}

/** Numbers are taken from the table in blocks of this many, so that a warm send needs no request for them. */
const countBlock = 1000;

const memories = new LruMap<string, Map<string, unknown>>(5_000);
const blocks = new WeakMap<Table, Map<string, { next: number; end: number }>>();

/** Puts together what one call of a vendor may use. */
export function vendorCall(
  services: CallServices,
  vendor: Vendor,
  connection: Connection,
  scope: CallScope,
): VendorCall {
  const { secrets, sessions } = services;
  const secretName = credentialsSecret(connection.vendor, connection.name);
  let credentials: { text: string; value: object } | undefined;
  let afresh = false;

  const readCredentials = async (fresh: boolean) => {
    const text = await secrets.read(secretName, fresh);
    if (text === undefined) {
      throw new GatewayError(
        'connection_needs_attention',
        `The credentials of ${connection.vendor} connection ${connection.name} are missing. Store them with PATCH /v1/connections/${connection.vendor}/${connection.name}.`,
        { vendor: connection.vendor },
      );
    }
    // Only our own writes reach this secret, each checked by the vendor's schema before it was stored.
    return { text, value: JSON.parse(text) as object };
  };

  const call: VendorCall = {
    connection,
    requestId: scope.requestId,
    http: limitConcurrency(services.http, connection, scope.signal),
    files: services.files,
    clock: services.clock,
    random: services.random,
    signal: scope.signal,
    ...(scope.progress && { progress: scope.progress }),
    memory: memoryOf(connection),
    credentials: async () => {
      credentials ??= await readCredentials(false);
      return credentials.value;
    },
    credentialsAfresh: async () => {
      if (afresh) return false;
      afresh = true;
      const before = credentials?.text;
      credentials = await readCredentials(true);
      return before !== undefined && credentials.text !== before;
    },
    saveCredentials: async (value) => {
      const text = JSON.stringify(value);
      await secrets.write(secretName, text);
      credentials = { text, value };
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
    notes: notesOf(services.table, services.clock, connection),
  };
  return call;
}

function stateOf(held: HeldSession): SessionState {
  return { generation: held.generation, expiresAt: new Date(held.expiresAt).toISOString() };
}

function memoryOf(connection: Connection): Map<string, unknown> {
  const id = `${connection.vendor}/${connection.name}/${connection.version}`;
  let memory = memories.get(id);
  if (!memory) {
    memory = new Map();
    memories.set(id, memory);
  }
  return memory;
}

async function nextNumber(table: Table, connection: Connection, name: string, most: number): Promise<number> {
  let known = blocks.get(table);
  if (!known) {
    known = new Map();
    blocks.set(table, known);
  }
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
