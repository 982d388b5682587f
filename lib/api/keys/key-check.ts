import { type Clock, isRecent } from '../../core/clock.ts';
import { equalInConstantTime } from '../../core/constant-time.ts';
import { GatewayError } from '../../core/errors.ts';
import { LruMap } from '../../core/lru-map.ts';
import { Recent } from '../../core/recent.ts';
import { keys as itemKeys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import type { HttpRequest } from '../request.ts';
import { adminScope } from '../scopes.ts';
import {
  findSignIn,
  isLinkToken,
  requireCsrfToken,
  type SignInKey,
  type SignInToken,
  signInCookie,
  signInPath,
  useLink,
} from '../sign-ins/sign-ins.ts';
import { hashOf, readAdminKeyHash } from './admin-key.ts';

/** Who calls: the key behind the request. */
export interface Principal {
  keyId: string;
  name: string;
  scopes: readonly string[];
  /** Requests a minute that one process grants the key. */
  perMinute: number;
  /** The hash of the secret that the caller gave; absent if a cookie represents the key. */
  keyHash?: string;
}

/** A key as stored in the table, with its secret only as a hash. Times are ISO 8601. */
export interface KeyItem extends Key {
  id: string;
  name: string;
  scopes: string[];
  perMinute: number;
  /** The current secret, and the previous one during the overlap of a rotation. */
  hashes: { hash: string; until?: number }[];
  /** The id of the key that created it. Absent for keys that are older than this field. */
  createdBy?: string;
  createdAt: string;
  rotatedAt?: string;
}

const form = /^tl_([a-z0-9]{16})_([A-Za-z0-9_-]{43})$/;
/** The id of the admin key, which is a secret; functions compare keys with its hash in the table. */
export const adminKeyId = 'admin';
/** How long a process may use a key that it has checked, in milliseconds: a revoked key stops working everywhere within this time. */
const cacheMs = 10_000;
export const defaultPerMinute = 6_000;

/** Identifies the caller, from memory for ten seconds. */
export class KeyCheck {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #recent: Recent<Principal | undefined>;
  /** Unknown keys and how long that is cached. Kept separately, so that a flood of them does not evict the known keys. */
  readonly #unknown = new LruMap<string, number>(1_000);
  #adminHash: { value: string | undefined; readAt: number } | undefined;

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#recent = new Recent(clock, 10_000);
  }

  /** The caller behind the `Authorization` header, or where there is none behind the cookie of a sign-in; or `unauthorized`. */
  async check(request: Pick<HttpRequest, 'method' | 'path' | 'headers'>): Promise<Principal> {
    const { method, path, headers } = request;
    const cookie = headers.authorization === undefined ? signInCookie(headers.cookie) : undefined;
    if (cookie) {
      const principal = await this.#recent.get(`${cookie.id} ${cookie.secret}`, () =>
        this.#signedIn(cookie, this.#clock.now()),
      );
      if (!principal) throw new GatewayError('unauthorized', 'Your sign-in has ended. Sign in again with your key.');
      requireCsrfToken(cookie, method, headers['x-csrf-token']);
      return principal;
    }
    const given = headers.authorization?.match(/^Bearer +(tlo?_[A-Za-z0-9_-]{1,200})$/i)?.[1];
    if (given === undefined) {
      throw new GatewayError('unauthorized', 'Send your key as the header "Authorization: Bearer tl_…".');
    }
    if (isLinkToken(given)) return this.#linked(given, method === 'POST' && path === signInPath);
    const isUnknown = (this.#unknown.get(given) ?? 0) > this.#clock.now();
    const principal = isUnknown ? undefined : await this.#recent.get(given, () => this.#look(given, this.#clock.now()));
    if (principal) return principal;
    if (!isUnknown) this.#unknown.set(given, this.#clock.now() + cacheMs);
    throw new GatewayError('unauthorized', 'This key is not known or was revoked.');
  }

  /** Clears the cache after a key was changed. */
  forget(): void {
    this.#recent.clear();
    this.#unknown.clear();
    this.#adminHash = undefined;
  }

  async #look(given: string, now: number): Promise<{ value: Principal | undefined; until: number } | undefined> {
    const [, id, secret] = given.match(form) ?? [];
    const key =
      id !== undefined && secret !== undefined
        ? { keyId: id, keyHash: hashOf(secret) }
        : { keyId: adminKeyId, keyHash: hashOf(given) };
    const found = await this.#holder(key, now);
    return (
      found && {
        value: { ...found.principal, keyHash: key.keyHash },
        until: Math.min(now + cacheMs, found.until),
      }
    );
  }

  async #signedIn(token: SignInToken, now: number): Promise<{ value: Principal | undefined; until: number }> {
    const signIn = await findSignIn(this.#table, token, now);
    const found = signIn && (await this.#holder(signIn, now));
    const until = Math.min(found?.until ?? Number.POSITIVE_INFINITY, signIn?.until ?? Number.POSITIVE_INFINITY);
    return { value: found?.principal, until: Math.min(now + cacheMs, until) };
  }

  /** A link's token is used up by this, so it is accepted only by the call that it was made for. */
  async #linked(token: string, isExpected: boolean): Promise<Principal> {
    const now = this.#clock.now();
    const key = isExpected ? await useLink(this.#table, token, now) : undefined;
    const found = key && (await this.#holder(key, now));
    if (found) return { ...found.principal, keyHash: key.keyHash };
    throw new GatewayError(
      'unauthorized',
      'This link was used already or is older than an hour. Sign in with your key, or start Trunkline again for a new link.',
    );
  }

  /** The admin key's hash, read at most once every ten seconds. Every text that is not an API key is compared with it. */
  async #readAdminHash(now: number): Promise<string | undefined> {
    if (!this.#adminHash || !isRecent(this.#adminHash.readAt, cacheMs, now)) {
      this.#adminHash = { value: await readAdminKeyHash(this.#table), readAt: now };
    }
    return this.#adminHash.value;
  }

  /** The holder of a key, and until when (epoch milliseconds) its secret is valid. Undefined if it is not valid. */
  async #holder(
    { keyId, keyHash }: SignInKey,
    now: number,
  ): Promise<{ principal: Principal; until: number } | undefined> {
    if (keyId === adminKeyId) {
      const admin = await this.#readAdminHash(now);
      if (admin === undefined || !equalInConstantTime(admin, keyHash)) return undefined;
      const principal = {
        keyId: adminKeyId,
        name: 'Admin key',
        scopes: [adminScope],
        perMinute: defaultPerMinute * 10,
      };
      return { principal, until: Number.POSITIVE_INFINITY };
    }
    const item = await this.#table.get<KeyItem>(itemKeys.apiKey(keyId), true);
    const match = item?.hashes.find(
      ({ hash, until = Number.POSITIVE_INFINITY }) => equalInConstantTime(hash, keyHash) && until > now,
    );
    if (!item || !match) return undefined;
    const principal = { keyId: item.id, name: item.name, scopes: item.scopes, perMinute: item.perMinute };
    return { principal, until: match.until ?? Number.POSITIVE_INFINITY };
  }
}
