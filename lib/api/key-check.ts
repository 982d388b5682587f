import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { Recent } from '../core/recent.ts';
import { adminKeySecret, type SecretStore } from '../core/secrets.ts';
import { keys as itemKeys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { adminScope } from './scopes.ts';

/** Who calls: the key behind the request. */
export interface Principal {
  keyId: string;
  name: string;
  scopes: readonly string[];
  /** Requests a minute that one process grants the key. */
  perMinute: number;
}

/** A key as it lies in the table: its secret only as a hash. Times are ISO 8601. */
export interface KeyItem extends Key {
  id: string;
  name: string;
  scopes: string[];
  perMinute: number;
  /** The current secret, and while a rotation overlaps the one before. */
  hashes: { hash: string; until?: number }[];
  createdAt: string;
  rotatedAt?: string;
}

const form = /^tl_([a-z0-9]{16})_([A-Za-z0-9_-]{43})$/;
/** How long a process may use a key that it has checked, in milliseconds: a revoked key dies everywhere within this. */
const cacheTime = 10_000;
export const defaultPerMinute = 6_000;

/** Tells who calls, for ten seconds from memory. */
export class KeyCheck {
  readonly #table: Table;
  readonly #secrets: SecretStore;
  readonly #clock: Clock;
  readonly #recent: Recent<Principal | undefined>;

  constructor(table: Table, secrets: SecretStore, clock: Clock) {
    this.#table = table;
    this.#secrets = secrets;
    this.#clock = clock;
    this.#recent = new Recent(clock, 10_000);
  }

  /** The caller behind an `Authorization` header, or `unauthorized`. */
  async check(authorization: string | undefined): Promise<Principal> {
    const given = authorization?.match(/^Bearer +(tl_[A-Za-z0-9_-]{1,200})$/i)?.[1];
    if (given === undefined) {
      throw new GatewayError('unauthorized', 'Send your key as the header "Authorization: Bearer tl_…".');
    }
    const principal = await this.#recent.get(given, () => this.#look(given, this.#clock.now()));
    if (!principal) throw new GatewayError('unauthorized', 'This key is not known or was revoked.');
    return principal;
  }

  /** Forgets what it remembers: a key was changed. */
  forget(): void {
    this.#recent.clear();
  }

  async #look(given: string, now: number): Promise<{ value: Principal | undefined; until: number }> {
    const [, id, secret] = given.match(form) ?? [];
    const found =
      id !== undefined && secret !== undefined ? await this.#stored(id, secret, now) : await this.#admin(given);
    return {
      value: found?.principal,
      until: Math.min(now + cacheTime, found?.until ?? Number.POSITIVE_INFINITY),
    };
  }

  async #stored(
    id: string,
    secret: string,
    now: number,
  ): Promise<{ principal: Principal; until?: number } | undefined> {
    const item = await this.#table.get<KeyItem>(itemKeys.apiKey(id), true);
    const hash = hashOf(secret);
    const match = item?.hashes.find((each) => equal(each.hash, hash) && (each.until ?? Number.POSITIVE_INFINITY) > now);
    if (!item || !match) return undefined;
    const principal = { keyId: item.id, name: item.name, scopes: item.scopes, perMinute: item.perMinute };
    return { principal, ...(match.until !== undefined && { until: match.until }) };
  }

  async #admin(given: string): Promise<{ principal: Principal; until?: number } | undefined> {
    const value = await this.#secrets.read(adminKeySecret, true);
    if (value === undefined || !equal(hashOf(`tl_${value}`), hashOf(given))) return undefined;
    return { principal: { keyId: 'admin', name: 'Admin key', scopes: [adminScope], perMinute: defaultPerMinute * 10 } };
  }
}

/** What is stored of a key's secret. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

function equal(one: string, other: string): boolean {
  const a = Buffer.from(one);
  const b = Buffer.from(other);
  return a.length === b.length && timingSafeEqual(a, b);
}
