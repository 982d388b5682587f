import { registerSecrets } from '../core/redaction/redact.ts';
import { seal, unseal } from '../core/seal.ts';
import type { SecretStore } from '../core/secrets.ts';
import type { Connection, LiveSession, VendorName } from '../core/vendor.ts';
import { due } from '../store/due.ts';
import { keys } from '../store/items.ts';
import type { Lease, Leased } from '../store/lease.ts';
import type { Key, Table } from '../store/table.ts';
import { cipherKey } from './cipher-key.ts';
import { noteChange } from './session-changes.ts';

/** One connection's session as stored in the table. Times are epoch milliseconds. */
export interface SessionItem extends Key, Leased {
  vendor: VendorName;
  connection: string;
  /** A copy, so that a keepalive needs no second read. */
  settings: Connection['settings'];
  credentialsId?: string;
  state?: 'none' | 'live' | 'locked';
  /** Counts the sessions of this connection; every new one is one higher. */
  generation?: number;
  /** Encrypted session data. */
  data?: Uint8Array;
  expiresAt?: number;
  liveSince?: number;
  keptAliveAt?: number;
  lazy?: boolean;
  serverVersion?: string;
  /** Whose session it is, where the vendor names accounts. */
  account?: string;
  refusals?: number;
  /** When a locked connection may be tried once more. */
  retryAt?: number;
  /** Why it is locked, or the error of the last keepalive. */
  reason?: string;
  /** Times of early deaths, newest last: what a second user of the same hid looks like. */
  earlyDeaths?: number[];
  duePk?: string;
  dueAt?: number;
}

/** A decrypted session with its generation. */
export interface HeldSession {
  generation: number;
  data: object;
  expiresAt: number;
  liveSince: number;
}

/** A death this soon after a good keepalive is early. */
const earlyDeathMs = 5 * 60_000;

/** Reads and writes session items. Every write that ends a lease is fenced. */
export class SessionStore {
  readonly #table: Table;
  readonly #secrets: SecretStore;
  readonly #cipherKeys = new Map<string, Promise<Buffer>>();

  constructor(table: Table, secrets: SecretStore) {
    this.#table = table;
    this.#secrets = secrets;
  }

  read(vendor: string, connection: string): Promise<SessionItem | undefined> {
    return this.#table.get<SessionItem>(keys.session(vendor, connection), true);
  }

  /** The sessions of many connections, in their order. */
  readMany(connections: readonly { vendor: string; name: string }[]): Promise<(SessionItem | undefined)[]> {
    return this.#table.getMany<SessionItem>(connections.map(({ vendor, name }) => keys.session(vendor, name)));
  }

  /** The live session of an item, or undefined if there is none or it has ended. */
  async held(item: SessionItem | undefined, now: number): Promise<HeldSession | undefined> {
    if (item?.state !== 'live' || !item.data || (item.expiresAt ?? 0) <= now) return undefined;
    const data = await this.#decrypt(item);
    if (!data) return undefined;
    return { generation: item.generation ?? 0, data, expiresAt: item.expiresAt ?? 0, liveSince: item.liveSince ?? now };
  }

  /** Puts a connection's (re)made session item under the clock: the next tick logs in when it is kept warm. */
  async plan(connection: Connection, warm: boolean, now: number): Promise<void> {
    const when = warm ? due('keepalive', connection.name, now) : undefined;
    await this.#table.update(
      keys.session(connection.vendor, connection.name),
      `SET #vendor = :vendor, #connection = :connection, #settings = :settings, #credentialsId = :credentialsId, #state = :none, #refusals = :zero${
        when ? ', #duePk = :duePk, #dueAt = :dueAt' : ''
      } REMOVE #data, #expiresAt, #liveSince, #keptAliveAt, #reason, #retryAt, #leaseOwner, #leaseUntil, #earlyDeaths${when ? '' : ', #duePk, #dueAt'} ADD #generation :one, #leaseFence :one`,
      {
        vendor: connection.vendor,
        connection: connection.name,
        settings: connection.settings,
        credentialsId: connection.credentialsId ?? '',
        none: 'none',
        zero: 0,
        one: 1,
        ...when,
      },
    );
  }

  /** Stores a new session under the lease; undefined when the lease was lost meanwhile, and with it the right to write. */
  async store(
    connection: Connection,
    lease: Lease<SessionItem>,
    live: LiveSession<object>,
    beat: number | undefined,
    now: number,
  ): Promise<HeldSession | undefined> {
    await this.#noteAccount(connection, lease.item.account, live.account);
    registerSecrets(live.data);
    const generation = (lease.item.generation ?? 0) + 1;
    const key = keys.session(connection.vendor, connection.name);
    const data = await this.#encrypt(connection.vendor, connection.name, generation, live.data);
    const warm = beat !== undefined && !live.lazy ? due('keepalive', connection.name, now + beat) : undefined;
    const stored = await this.#table.update(
      key,
      `SET #vendor = :vendor, #connection = :connection, #settings = :settings, #credentialsId = :credentialsId, #state = :live, #generation = :generation, #data = :data,
       #expiresAt = :expiresAt, #liveSince = :now, #keptAliveAt = :now, #refusals = :zero, #lazy = :lazy, #earlyDeaths = :deaths${
         live.serverVersion === undefined ? '' : ', #serverVersion = :serverVersion'
       }${live.account === undefined ? '' : ', #account = :account'}${warm ? ', #duePk = :duePk, #dueAt = :dueAt' : ''}
       REMOVE #leaseOwner, #leaseUntil, #reason, #retryAt${warm ? '' : ', #duePk, #dueAt'}`,
      {
        vendor: connection.vendor,
        connection: connection.name,
        settings: connection.settings,
        credentialsId: connection.credentialsId ?? '',
        live: 'live',
        generation,
        data,
        expiresAt: live.expiresAt,
        now,
        zero: 0,
        lazy: live.lazy ?? false,
        deaths: deathsAfter(lease.item, now),
        serverVersion: live.serverVersion,
        account: live.account,
        fence: lease.fence,
        ...warm,
      },
      '#leaseFence = :fence',
    );
    if (!stored.done) return undefined;
    await noteChange(this.#table, connection, now, { kind: 'live', generation });
    return { generation, data: live.data, expiresAt: live.expiresAt, liveSince: now };
  }

  /** Stores how many logins in a row were refused; false if the lease was lost. */
  async noteRefusals(connection: Connection, lease: Lease<SessionItem>, refusals: number): Promise<boolean> {
    // No `ADD`: the SDK repeats a request whose answer was lost.
    const noted = await this.#table.update(
      keys.session(connection.vendor, connection.name),
      'SET #refusals = :refusals',
      { refusals, fence: lease.fence },
      '#leaseFence = :fence',
    );
    return noted.done;
  }

  /**
   * Locks a connection: no login is tried until its credentials change, or until `retryAt`. Answers false when it was locked already
   * or the lease is lost.
   */
  async lock(
    connection: Connection,
    reason: string,
    { now, fence, retryAt }: { now: number; fence?: number | undefined; retryAt?: number | undefined },
  ): Promise<boolean> {
    const locked = await this.#table.update<SessionItem>(
      keys.session(connection.vendor, connection.name),
      `SET #vendor = :vendor, #connection = :connection, #settings = :settings, #credentialsId = :credentialsId, #state = :locked, #reason = :reason${
        retryAt === undefined ? '' : ', #retryAt = :retryAt'
      } REMOVE #data, #expiresAt, #duePk, #dueAt, #leaseOwner, #leaseUntil`,
      {
        vendor: connection.vendor,
        connection: connection.name,
        settings: connection.settings,
        credentialsId: connection.credentialsId ?? '',
        locked: 'locked',
        reason,
        fence,
        retryAt,
      },
      `(attribute_not_exists(#state) OR #state <> :locked)${fence === undefined ? '' : ' AND #leaseFence = :fence'}`,
    );
    if (locked.done) await noteChange(this.#table, connection, now, { kind: 'locked', reason });
    return locked.done;
  }

  /** Keeps a connection locked after another failed attempt, and ends the lease. */
  async keepLocked(connection: Connection, fence: number, retryAt: number | undefined): Promise<void> {
    await this.#table.update(
      keys.session(connection.vendor, connection.name),
      `${retryAt === undefined ? '' : 'SET #retryAt = :retryAt '}REMOVE #leaseOwner, #leaseUntil${retryAt === undefined ? ', #retryAt' : ''}`,
      { retryAt, fence },
      '#leaseFence = :fence',
    );
  }

  /** Allows one more attempt for a locked connection, on request. */
  async allowRetry(connection: Connection): Promise<void> {
    await this.#table.update(
      keys.session(connection.vendor, connection.name),
      'SET #retryAt = :zero',
      { zero: 0, locked: 'locked' },
      '#state = :locked',
    );
  }

  /** Moves the end of a session after a good keepalive; nothing happens when a newer one has taken its place. */
  async extend(
    item: SessionItem,
    kept: { expiresAt: number; lazy?: boolean },
    beat: number,
    now: number,
  ): Promise<boolean> {
    const key = { pk: item.pk, sk: item.sk };
    const values = { expiresAt: kept.expiresAt, now, generation: item.generation, live: 'live' };
    const condition = '#generation = :generation AND #state = :live';
    if (kept.lazy) {
      const lazy = await this.#table.update(
        key,
        'SET #expiresAt = :expiresAt, #lazy = :lazy REMOVE #duePk, #dueAt, #reason',
        { ...values, lazy: true },
        condition,
      );
      return lazy.done;
    }
    const extended = await this.#table.update(
      key,
      'SET #expiresAt = :expiresAt, #keptAliveAt = :now, #duePk = :duePk, #dueAt = :dueAt REMOVE #reason',
      { ...values, ...due('keepalive', item.connection, now + beat) },
      condition,
    );
    return extended.done;
  }

  /** Tries a keepalive again later and remembers why the last one did not succeed. */
  async postpone(item: SessionItem, reason: string, now: number, retryInMs: number): Promise<void> {
    const until = now + retryInMs;
    const postponed = await this.#table.update(
      { pk: item.pk, sk: item.sk },
      'SET #duePk = :duePk, #dueAt = :dueAt, #reason = :reason',
      { ...due('keepalive', item.connection, until), reason, generation: item.generation ?? 0, locked: 'locked' },
      '#state <> :locked AND #generation = :generation',
    );
    // While the reason stays the same, it is one failure.
    if (!postponed.done || item.reason === reason) return;
    const { vendor, connection: name } = item;
    await noteChange(this.#table, { vendor, name }, now, { kind: 'failed', reason });
  }

  /** Replaces the data of a live session in place, same generation. */
  async replace(connection: Connection, held: HeldSession, data: object): Promise<void> {
    registerSecrets(data);
    await this.#table.update(
      keys.session(connection.vendor, connection.name),
      'SET #data = :data',
      {
        data: await this.#encrypt(connection.vendor, connection.name, held.generation, data),
        generation: held.generation,
      },
      '#generation = :generation',
    );
  }

  async remove(vendor: string, connection: string): Promise<void> {
    const { item } = await this.#table.delete<SessionItem>(keys.session(vendor, connection));
    if (item?.account !== undefined) await this.#table.delete(keys.account(vendor, item.account, connection));
  }

  /** Lets events tell what this installation did itself; before the session can be used, so that nothing it does is missed. */
  async #noteAccount({ vendor, name }: Connection, before: string | undefined, now: string | undefined): Promise<void> {
    if (before !== undefined && before !== now) await this.#table.delete(keys.account(vendor, before, name));
    if (now !== undefined) await this.#table.put({ ...keys.account(vendor, now, name) });
  }

  async #encrypt(vendor: VendorName, connection: string, generation: number, data: object): Promise<Buffer> {
    return seal(await this.#cipherKey(vendor), `${vendor}/${connection}/${generation}`, JSON.stringify(data));
  }

  async #decrypt({ vendor, connection, generation, data }: SessionItem): Promise<object | undefined> {
    const key = await this.#cipherKey(vendor);
    try {
      const session = JSON.parse(
        unseal(key, `${vendor}/${connection}/${generation}`, data ?? Buffer.alloc(0)),
      ) as object;
      registerSecrets(session);
      return session;
    } catch {
      // Encrypted under another key: treated as no session.
      return undefined;
    }
  }

  #cipherKey(vendor: VendorName): Promise<Buffer> {
    let key = this.#cipherKeys.get(vendor);
    if (!key) {
      key = cipherKey(this.#secrets, vendor, 'sessions');
      key.catch(() => this.#cipherKeys.delete(vendor));
      this.#cipherKeys.set(vendor, key);
    }
    return key;
  }
}

function deathsAfter(item: SessionItem, now: number): number[] {
  const recent = (item.earlyDeaths ?? []).filter((at) => now - at < 60 * 60_000);
  const early = item.state === 'live' && item.keptAliveAt !== undefined && now - item.keptAliveAt < earlyDeathMs;
  return early ? [...recent, now].slice(-10) : recent;
}
