import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { Recent } from '../core/recent.ts';
import { adminKeySecret, type SecretStore } from '../core/secrets.ts';
import { keys as itemKeys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';
import { adminScope, within } from './scopes.ts';

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

/** Makes, checks, rotates and revokes the keys of our own API. */
export class ApiKeys {
  readonly #table: Table;
  readonly #secrets: SecretStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #recent: Recent<Principal | undefined>;

  constructor(table: Table, secrets: SecretStore, clock: Clock, random: Random) {
    this.#table = table;
    this.#secrets = secrets;
    this.#clock = clock;
    this.#random = random;
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

  /** A new key; the text is shown this once and stored hashed. The maker's scopes bound the new key's. */
  async create(
    maker: Principal,
    name: string,
    scopes: string[],
    perMinute: number,
  ): Promise<{ item: KeyItem; key: string }> {
    for (const [at, scope] of scopes.entries()) {
      if (within(scope, maker.scopes)) continue;
      throw new GatewayError(
        'forbidden',
        `Your own key does not cover the scope ${scope}, so it cannot give it to another key.`,
        {
          errors: [{ pointer: `/scopes/${at}`, message: 'is more than your own key has' }],
        },
      );
    }
    const id = this.#id();
    const secret = this.#random.bytes(32).toString('base64url');
    const item: KeyItem = {
      ...itemKeys.apiKey(id),
      id,
      name,
      scopes,
      perMinute,
      hashes: [{ hash: hashOf(secret) }],
      createdAt: this.#at(),
    };
    await this.#table.put<KeyItem>(item, 'attribute_not_exists(#pk)');
    return { item, key: `tl_${id}_${secret}` };
  }

  async list(): Promise<KeyItem[]> {
    return this.#table.queryAll<KeyItem>({ pk: itemKeys.apiKeys() });
  }

  async get(id: string): Promise<KeyItem> {
    const item = await this.#table.get<KeyItem>(itemKeys.apiKey(id), true);
    if (!item) throw new GatewayError('not_found', `There is no key with the id ${JSON.stringify(id)}.`);
    return item;
  }

  /** A new secret for the same key; the old one works on for `overlap` seconds. */
  async rotate(maker: Principal, id: string, overlap: number): Promise<{ item: KeyItem; key: string }> {
    const item = await this.get(id);
    if (!item.scopes.every((scope) => within(scope, maker.scopes))) {
      throw new GatewayError(
        'forbidden',
        'This key has more scopes than your own, so its new secret cannot be shown to you.',
      );
    }
    const secret = this.#random.bytes(32).toString('base64url');
    const current = item.hashes[0];
    const hashes = [
      { hash: hashOf(secret) },
      ...(current && overlap > 0 ? [{ hash: current.hash, until: this.#clock.now() + overlap * 1000 }] : []),
    ];
    const rotated = await this.#table.update<KeyItem>(
      itemKeys.apiKey(id),
      'SET #hashes = :hashes, #rotatedAt = :at',
      { hashes, at: this.#at(), before: item.hashes },
      '#hashes = :before',
    );
    if (!rotated.done)
      throw new GatewayError('conflict', 'The key was changed at the same moment. Look at it and try again.');
    this.#recent.clear();
    return { item: rotated.item, key: `tl_${id}_${secret}` };
  }

  /** Revokes a key: at once in this process, everywhere within ten seconds. */
  async revoke(id: string): Promise<void> {
    const gone = await this.#table.delete(itemKeys.apiKey(id), 'attribute_exists(#pk)');
    this.#recent.clear();
    if (!gone.done) throw new GatewayError('not_found', `There is no key with the id ${JSON.stringify(id)}.`);
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

  #id(): string {
    const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
    return [...this.#random.bytes(16)].map((byte) => alphabet[byte % 32]).join('');
  }

  #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

function equal(one: string, other: string): boolean {
  const a = Buffer.from(one);
  const b = Buffer.from(other);
  return a.length === b.length && timingSafeEqual(a, b);
}
