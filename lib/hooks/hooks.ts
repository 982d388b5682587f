import { hashOf } from '../api/keys/admin-key.ts';
import { type Clock, isRecent, type Random } from '../core/clock.ts';
import { equalInConstantTime } from '../core/constant-time.ts';
import { GatewayError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { LruMap } from '../core/lru-map.ts';
import type { VendorName } from '../core/vendor.ts';
import { hookPrefix } from '../events/own-event-types.ts';
import { keys } from '../store/items.ts';
import type { Key, Table, Write } from '../store/table.ts';
import type { Challenge, ChallengePreset } from './challenge.ts';
import type { HmacScheme } from './verify/hmac.ts';

/** Methods that may deliver a message. */
export const hookMethods = ['POST', 'PUT', 'GET'] as const;
export type HookMethod = (typeof hookMethods)[number];
/** What a sender may be answered when its message is stored. */
export const hookAnswers = [200, 201, 202, 204] as const;
export type HookAnswer = (typeof hookAnswers)[number];

/** How a hook verifies its sender; the kinds of a vendor name one of its connections. */
export type HookVerify = {
  kind: string;
  /** How a sender of the kind `hmac` signs. */
  hmac?: HmacScheme;
  /** The header with the token of the kind `header`. */
  header?: string;
  /** The topic of the kind `sns`. */
  topicArn?: string;
} & ({ vendor?: undefined } | { vendor: VendorName; connection: string });

/** What distinguishes a repeated message from a new one. Without it, the sender's message id does. */
export interface HookDedupe {
  header?: string | undefined;
  /** `{% … %}` over `event`. */
  key?: string | undefined;
  body?: true | undefined;
  seconds?: number | undefined;
}

/** The settings of a hook. */
export interface HookSettings {
  name: string;
  verify: HookVerify;
  dedupe?: HookDedupe;
  /** Addresses and networks that may post; absent for all. */
  allowFrom?: string[];
  /** Requests a minute that one process takes. */
  perMinute: number;
  /** The methods that deliver a message. Only POST if absent. */
  methods?: HookMethod[];
  /** How a handshake of the sender is answered. */
  challenge?: ChallengePreset | Challenge;
  /** The response status for a stored message. 202 if absent. */
  answer?: HookAnswer;
  /** Paths below the event's data whose values are not stored. */
  redact?: string[];
  /** Paths below the event's data whose values are stored encrypted. */
  seal?: string[];
  /** After so long without a message `trunkline.hook.silent` is raised; absent for hooks that may be quiet. */
  silentAfterSeconds?: number;
}

/** A hook as stored in the table. Times are ISO 8601. */
export interface HookItem extends Key, HookSettings {
  id: string;
  /** Increased by every change. */
  version: number;
  /** The secret parts of its address: the current one, and while a rotation overlaps the one before (epoch milliseconds). */
  tokens: { hash: string; until?: number }[];
  /** Counts the secrets, and never backwards: a cached one with another number is read again. */
  secretVersion: number;
  keyId: string;
  createdAt: string;
  updatedAt: string;
  rotatedAt?: string;
}

/** What of a hook may be changed; null removes. */
export interface HookChange {
  name?: string | undefined;
  verify?: HookVerify;
  dedupe?: HookDedupe | null | undefined;
  allowFrom?: string[] | null | undefined;
  perMinute?: number | undefined;
  silentAfterSeconds?: number | null | undefined;
  methods?: HookMethod[] | null | undefined;
  challenge?: ChallengePreset | Challenge | null | undefined;
  answer?: HookAnswer | null | undefined;
  redact?: string[] | null | undefined;
  seal?: string[] | null | undefined;
  secretVersion?: number;
}

const tokenForm = /^([a-z2-7]{16})_([A-Za-z0-9_-]{43})$/;
/** How long a process caches a hook, and how soon it reads the hook again after a token that does not match, in milliseconds. */
const cacheMs = 10_000;
const rereadAfterMs = 1_000;

/** Keeps the hooks, and finds the one that an address means. */
export class Hooks {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cache = new LruMap<string, { item: HookItem | undefined; readAt: number }>(10_000);

  constructor(table: Table, clock: Clock, random: Random) {
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
  }

  newId(): string {
    return hookPrefix + newId(this.#random);
  }

  /** Stores a new hook; its token is shown this once. */
  async create(id: string, keyId: string, settings: HookSettings): Promise<{ item: HookItem; token: string }> {
    const secret = this.#secret();
    const at = this.#at();
    const item: HookItem = {
      ...keys.hook(id),
      id,
      ...settings,
      version: 1,
      tokens: [{ hash: hashOf(secret) }],
      secretVersion: 1,
      keyId,
      createdAt: at,
      updatedAt: at,
    };
    const written = await this.#table.transact([
      { put: { ...item }, condition: 'attribute_not_exists(#pk)' },
      nameClaim(item),
    ]);
    if (!written.done) throw nameTaken(item.name);
    return { item, token: tokenOf(id, secret) };
  }

  list(): Promise<HookItem[]> {
    return this.#table.queryAll<HookItem>({ pk: keys.hooks(), consistent: true });
  }

  /** The hook, or `not_found`. */
  async get(id: string): Promise<HookItem> {
    const item = await this.#table.get<HookItem>(keys.hook(id), true);
    if (item) return item;
    throw new GatewayError('not_found', `There is no hook with the id ${JSON.stringify(id.slice(0, 80))}.`);
  }

  /** Changes a hook if it has not changed since it was read. Otherwise throws `conflict`. */
  async change(item: HookItem, change: HookChange): Promise<HookItem> {
    const set: Record<string, unknown> = { updatedAt: this.#at() };
    const remove: string[] = [];
    for (const [name, value] of Object.entries(change)) {
      if (value === null) remove.push(name);
      else if (value !== undefined) set[name] = value;
    }
    return this.#update(item, set, remove);
  }

  /** Gives a hook a new address; the old one works on for `overlap` seconds. Answers the new token. */
  async rotateToken(item: HookItem, overlap: number): Promise<{ item: HookItem; token: string }> {
    const now = this.#clock.now();
    const secret = this.#secret();
    const [current, ...older] = item.tokens;
    const kept = [
      ...(current && overlap > 0 ? [{ hash: current.hash, until: now + overlap * 1000 }] : []),
      ...older.filter(({ until = 0 }) => until > now).slice(0, 3),
    ];
    const at = this.#at();
    const tokens = [{ hash: hashOf(secret) }, ...(overlap > 0 ? kept : [])];
    const changed = await this.#update(item, { tokens, updatedAt: at, rotatedAt: at }, []);
    return { item: changed, token: tokenOf(item.id, secret) };
  }

  async remove(id: string): Promise<void> {
    const { name, version } = await this.get(id);
    const removed = await this.#table.transact([
      { delete: keys.hook(id), condition: '#version = :version', values: { version } },
      { delete: keys.hookName(name) },
    ]);
    this.#cache.delete(id);
    if (!removed.done) throw changedMeanwhile();
    await this.#table.delete(keys.hookStatus(id));
  }

  /** The hook that a token opens, from a cache of ten seconds; undefined for every other text. */
  async byToken(token: string): Promise<HookItem | undefined> {
    const [, name, secret] = tokenForm.exec(token) ?? [];
    if (name === undefined || secret === undefined) return undefined;
    const id = hookPrefix + name;
    const now = this.#clock.now();
    const hash = hashOf(secret);
    const known = this.#cache.get(id);
    const opened = known && isRecent(known.readAt, cacheMs, now) ? known.item : undefined;
    if (opened && opens(opened, hash, now)) return opened;
    // The address may be new. Not every guessed address may cause a read, though.
    if (known && isRecent(known.readAt, rereadAfterMs, now)) return undefined;
    const item = await this.#table.get<HookItem>(keys.hook(id), true);
    this.#cache.set(id, { item, readAt: now });
    return item && opens(item, hash, now) ? item : undefined;
  }

  /** Whether another process has changed a hook since it was read here; the changed one is used then. Not asked again within a second. */
  async hasChanged({ id, version }: HookItem): Promise<boolean> {
    const now = this.#clock.now();
    const known = this.#cache.get(id);
    if (known && isRecent(known.readAt, rereadAfterMs, now)) return false;
    const item = await this.#table.get<HookItem>(keys.hook(id), true);
    this.#cache.set(id, { item, readAt: now });
    return item?.version !== version;
  }

  async #update(item: HookItem, set: Record<string, unknown>, remove: string[]): Promise<HookItem> {
    const values = { ...set, version: item.version + 1 };
    const { name } = set;
    if (typeof name === 'string' && name !== item.name) {
      const claimed = await this.#table.transact([nameClaim({ ...item, name })]);
      if (!claimed.done) throw nameTaken(name);
      await this.#table.delete(keys.hookName(item.name), '#id = :id', { id: item.id });
    }
    const assignments = Object.keys(values).map((name) => `#${name} = :${name}`);
    const changed = await this.#table.update<HookItem>(
      keys.hook(item.id),
      `SET ${assignments.join(', ')}${remove.length > 0 ? ` REMOVE ${remove.map((name) => `#${name}`).join(', ')}` : ''}`,
      { ...values, known: item.version },
      '#version = :known',
    );
    this.#cache.delete(item.id);
    if (changed.done) return changed.item;
    throw changedMeanwhile();
  }

  #secret(): string {
    return Buffer.from(this.#random.bytes(32)).toString('base64url');
  }

  #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** A separate item keeps a name unique. The hook that owns it may claim it again. */
function nameClaim({ id, name }: Pick<HookItem, 'id' | 'name'>): Write {
  return { put: { ...keys.hookName(name), id }, condition: 'attribute_not_exists(#pk) OR #id = :id', values: { id } };
}

function changedMeanwhile(): GatewayError {
  return new GatewayError('conflict', 'Another request changed the hook at the same time. Read it and try again.');
}

function nameTaken(name: string): GatewayError {
  return new GatewayError(
    'conflict',
    `There is a hook named ${JSON.stringify(name)} already. Change it with PUT /v1/hooks/{name}.`,
  );
}

function tokenOf(id: string, secret: string): string {
  return `${id.slice(hookPrefix.length)}_${secret}`;
}

function opens({ tokens }: HookItem, hash: string, now: number): boolean {
  return tokens.some((each) => (each.until ?? Number.POSITIVE_INFINITY) > now && equalInConstantTime(each.hash, hash));
}
