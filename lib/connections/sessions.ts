import { type Clock, isRecent, type Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { LruMap } from '../core/lru-map.ts';
import type { Connection, LoginCall, SessionPolicy, Vendor } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import { isFree, type Lease, releaseLease, takeLease } from '../store/lease.ts';
import type { Table } from '../store/table.ts';
import type { HeldSession, SessionItem, SessionStore } from './session-store.ts';

const leaseMs = 20_000;
/** How long a caller waits for another's login, in milliseconds. */
const leaseWaitMs = 8_000;
/** A keepalive that succeeded this recently shows that the session is live. */
const keepAliveTrustMs = 5_000;

export interface SessionServices {
  table: Table;
  store: SessionStore;
  clock: Clock;
  random: Random;
  /** Reports that a connection needs attention. Called once per lock. */
  needsAttention(connection: Connection, reason: string): Promise<void>;
}

/** A process's cached session, and until when it may be used. */
type Remembered = HeldSession & { version: number; until: number };

type AnyLoginCall = LoginCall<object, object> & { credentialsAfresh?: () => Promise<boolean> };

/**
 * Owns every session: one per connection, shared by all processes through the table, renewed by one of them at a time.
 * A write is repeated only after the vendor rejected the session.
 */
export class Sessions {
  readonly #services: SessionServices;
  readonly #held = new LruMap<string, Remembered>(20_000);
  /** The logins in progress, each with the signal of the caller that makes it. */
  readonly #pending = new Map<string, { held: Promise<HeldSession>; signal: AbortSignal }>();
  readonly #provenAt = new LruMap<string, number>(20_000);
  readonly #owner: string;

  constructor(services: SessionServices) {
    this.#services = services;
    this.#owner = services.random.bytes(9).toString('base64url');
  }

  /** Runs one vendor request with a live session; after a rejected session there is one login and one repeat. */
  async run<T>(vendor: Vendor, call: AnyLoginCall, attempt: (session: object) => Promise<T>): Promise<T> {
    const policy = policyOf(vendor);
    const held = await this.current(vendor, call);
    try {
      return await attempt(held.data);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.session === undefined) throw error;
      if (error.session === 'suspect' && (await this.#stillLives(policy, call, held))) throw error;
      const renewed = await this.#obtain(vendor, call, held.generation);
      try {
        return await attempt(renewed.data);
      } catch (again) {
        if (again instanceof GatewayError && again.session === 'refused') {
          throw new GatewayError(
            'connection_needs_attention',
            `${vendor.title} refused a session that it had given a moment before. Is another system using the same account or host id? Run the connection check.`,
            { vendor: vendor.name, cause: again },
          );
        }
        throw again;
      }
    }
  }

  /** The live session, from memory while it is safely alive. */
  async current(vendor: Vendor, call: AnyLoginCall): Promise<HeldSession> {
    const known = this.#held.get(idOf(call.connection));
    if (known && known.version === call.connection.version && known.until > this.#services.clock.now()) return known;
    return this.#obtain(vendor, call, undefined);
  }

  /** The live session as stored, bypassing this process's cache. */
  latest(vendor: Vendor, call: AnyLoginCall): Promise<HeldSession> {
    this.#held.delete(idOf(call.connection));
    return this.#obtain(vendor, call, undefined);
  }

  /** Creates a new session even if the old one is live. */
  async renew(vendor: Vendor, call: AnyLoginCall): Promise<HeldSession> {
    const item = await this.#services.store.read(vendor.name, call.connection.name);
    return this.#obtain(vendor, call, item?.generation ?? 0);
  }

  /** A session newer than the given generation: another's if there is one, else a new one. */
  after(vendor: Vendor, call: AnyLoginCall, generation: number | undefined): Promise<HeldSession> {
    return this.#obtain(vendor, call, generation);
  }

  /** Runs something that no login may interrupt, such as a request that resets the vendor's Rand. */
  async exclusively<T>(vendor: Vendor, call: AnyLoginCall, run: () => Promise<T>): Promise<T> {
    const { table, clock, random } = this.#services;
    const key = keys.session(vendor.name, call.connection.name);
    for (const deadline = clock.now() + leaseWaitMs; ; ) {
      const lease = await takeLease<SessionItem>(table, key, this.#owner, clock.now(), leaseMs);
      if (lease) {
        try {
          return await run();
        } finally {
          await releaseLease(table, key, lease);
        }
      }
      if (clock.now() > deadline) throw busy(vendor);
      await clock.sleep(150 + random.number() * 250, call.signal);
    }
  }

  /** One keepalive now, stored; renews the session if it is rejected. */
  async keepAlive(vendor: Vendor, call: AnyLoginCall): Promise<HeldSession> {
    const policy = policyOf(vendor);
    const { store, clock } = this.#services;
    const held = await this.current(vendor, call);
    if (!policy.keepAlive) return held;
    try {
      const kept = await policy.keepAlive(held.data, call);
      const item = await store.read(vendor.name, call.connection.name);
      if (item && item.generation === held.generation)
        await store.extend(item, kept, policy.keepAliveEveryMs ?? 120_000, clock.now());
      return this.#remember(policy, call, { ...held, expiresAt: kept.expiresAt });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.session !== 'refused') throw error;
      return this.#obtain(vendor, call, held.generation);
    }
  }

  /** Replaces the data of the live session without a login. */
  async replace(vendor: Vendor, call: AnyLoginCall, data: object): Promise<void> {
    const held = await this.current(vendor, call);
    const moved = this.#remember(policyOf(vendor), call, { ...held, data });
    await this.#services.store.replace(call.connection, moved, data);
  }

  /** Locks a connection whose vendor takes credentials with every request and has just rejected them. */
  async lock(vendor: Vendor, connection: Connection, reason: string): Promise<void> {
    this.forget(connection);
    const retryAt = this.#retryAt(policyOf(vendor));
    if (await this.#services.store.lock(connection, reason, { now: this.#services.clock.now(), retryAt }))
      await this.#services.needsAttention(connection, reason);
  }

  /** Lets the next call of a locked connection try once more; while that is refused, the connection stays locked. */
  async allowRetry(connection: Connection): Promise<void> {
    this.forget(connection);
    await this.#services.store.allowRetry(connection);
  }

  #retryAt({ retryLockedAfterMs }: SessionPolicy): number | undefined {
    return retryLockedAfterMs === undefined ? undefined : this.#services.clock.now() + retryLockedAfterMs;
  }

  /** Clears this process's cache after a change of the connection. */
  forget(connection: Connection): void {
    this.#held.delete(idOf(connection));
    this.#provenAt.delete(idOf(connection));
  }

  #remember(
    { recheckAfterMs = Number.POSITIVE_INFINITY }: SessionPolicy,
    { connection }: AnyLoginCall,
    held: HeldSession,
  ) {
    const until = Math.min(held.expiresAt, this.#services.clock.now() + recheckAfterMs);
    const remembered: Remembered = { ...held, version: connection.version, until };
    this.#held.set(idOf(connection), remembered);
    return remembered;
  }

  async #stillLives(policy: SessionPolicy, call: AnyLoginCall, held: HeldSession): Promise<boolean> {
    if (!policy.keepAlive) return true;
    const now = this.#services.clock.now();
    const name = idOf(call.connection);
    if (isRecent(this.#provenAt.get(name) ?? 0, keepAliveTrustMs, now)) return true;
    try {
      await policy.keepAlive(held.data, call);
      this.#provenAt.set(name, now);
      return true;
    } catch (error) {
      // Only a rejection proves that the session has ended. In all other cases the caller gets the first response.
      return !(error instanceof GatewayError && error.session === 'refused');
    }
  }

  /** The session after `stale`, made by whoever gets the lease first; callers of one process share one wait. */
  async #obtain(vendor: Vendor, call: AnyLoginCall, stale: number | undefined): Promise<HeldSession> {
    const id = idOf(call.connection);
    for (;;) {
      const known = this.#held.get(id);
      const fits = known && known.version === call.connection.version && known.generation !== stale;
      if (fits && known.until > this.#services.clock.now()) return known;
      const pending = this.#pending.get(id);
      if (!pending) break;
      const held = await untilAborted(pending.held, call.signal).catch((error: unknown) => {
        // If its caller has given up, the next one logs in.
        if (pending.signal.aborted && !call.signal.aborted) return undefined;
        throw error;
      });
      if (held && held.generation !== stale) return held;
    }
    const mine = { held: this.#seek(vendor, call, stale), signal: call.signal };
    this.#pending.set(id, mine);
    try {
      return this.#remember(policyOf(vendor), call, await mine.held);
    } finally {
      this.#pending.delete(id);
    }
  }

  async #seek(vendor: Vendor, call: AnyLoginCall, stale: number | undefined): Promise<HeldSession> {
    const { table, store, clock, random } = this.#services;
    const { connection } = call;
    for (const deadline = clock.now() + leaseWaitMs; ; ) {
      const item = await store.read(vendor.name, connection.name);
      if (isClosed(item, clock.now())) throw locked(vendor, item ?? {});
      const found = await store.held(item, clock.now());
      if (found && found.generation !== stale) return found;
      const free = isFree(item ?? {}, clock.now(), leaseMs);
      const lease = free
        ? await takeLease<SessionItem>(
            table,
            keys.session(vendor.name, connection.name),
            this.#owner,
            clock.now(),
            leaseMs,
          )
        : undefined;
      if (lease) {
        const held = await this.#login(vendor, call, lease, stale);
        if (held) return held;
      } else if (clock.now() > deadline) throw busy(vendor);
      else await clock.sleep(150 + random.number() * 250, call.signal);
    }
  }

  /** Logs in under the lease; undefined if another process took the lease meanwhile: then its session is used. */
  async #login(
    vendor: Vendor,
    call: AnyLoginCall,
    lease: Lease<SessionItem>,
    stale: number | undefined,
  ): Promise<HeldSession | undefined> {
    const { table, store, clock } = this.#services;
    const { connection } = call;
    const key = keys.session(vendor.name, connection.name);
    const { item } = lease;
    if (isClosed(item, clock.now())) {
      await releaseLease(table, key, lease);
      throw locked(vendor, item);
    }
    const newer = await store.held(lease.item, clock.now());
    if (newer && newer.generation !== stale) {
      await releaseLease(table, key, lease);
      return newer;
    }
    const policy = policyOf(vendor);
    for (let refusals = item.refusals ?? 0; ; ) {
      try {
        const live = await policy.login(call);
        const warm =
          policy.keepAlive && (policy.keepWarm?.(connection.settings) ?? true) ? policy.keepAliveEveryMs : undefined;
        return await store.store(connection, lease, live, warm, clock.now());
      } catch (error) {
        const refused = error instanceof GatewayError && error.session === 'refused';
        if (!refused) {
          await releaseLease(table, key, lease).catch(() => undefined);
          throw loginProblem(vendor, error);
        }
        const replaced = await call.credentialsAfresh?.().catch(async (stale: unknown) => {
          await releaseLease(table, key, lease).catch(() => undefined);
          throw stale;
        });
        if (replaced) continue;
        refusals++;
        if (!(await store.noteRefusals(connection, lease, refusals))) return undefined;
        if (refusals < policy.refusalsUntilLocked) continue;
        const reason = error.message;
        this.forget(connection);
        const retryAt = this.#retryAt(policy);
        if (item.state === 'locked') await store.keepLocked(connection, lease.fence, retryAt);
        else if (await store.lock(connection, reason, { now: clock.now(), fence: lease.fence, retryAt }))
          await this.#services.needsAttention(connection, reason);
        throw locked(vendor, { reason });
      }
    }
  }
}

/** The same promise, except that it rejects when the signal aborts first. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** True for a connection that is locked and may not be tried again yet. */
function isClosed(item: SessionItem | undefined, now: number): boolean {
  return item?.state === 'locked' && !(item.retryAt !== undefined && item.retryAt <= now);
}

function idOf(connection: Connection): string {
  return `${connection.vendor}/${connection.name}`;
}

function policyOf(vendor: Vendor): SessionPolicy {
  if (!vendor.session) throw new Error(`${vendor.name} declares no session`);
  return vendor.session;
}

function locked(vendor: Vendor, item: { reason?: string }): GatewayError {
  return new GatewayError(
    'connection_needs_attention',
    `${vendor.title} refused this connection's credentials: ${item.reason ?? 'no reason given'} Change the credentials, and calls continue.`,
    { vendor: vendor.name },
  );
}

function busy(vendor: Vendor): GatewayError {
  return new GatewayError(
    'unavailable',
    `Another process is logging in to ${vendor.title} and has not finished. Try again in a few seconds.`,
    {
      vendor: vendor.name,
      retryAfter: 5,
    },
  );
}

/** The login's statuses that would otherwise read as if the operation's own input were wrong. */
const statusesOfInput = new Set([400, 403, 404, 405, 406, 409, 410, 412, 413, 422]);

/** A 404 of the login says nothing about the channel or row that an operation names: the connection has to be corrected. */
function loginProblem(vendor: Vendor, error: unknown): unknown {
  if (!(error instanceof GatewayError) || !statusesOfInput.has(error.status)) return error;
  return new GatewayError('connection_needs_attention', `The login to ${vendor.title} failed: ${error.message}`, {
    vendor: vendor.name,
    ...(error.vendorCode !== undefined && { vendorCode: error.vendorCode }),
    cause: error,
  });
}
