import type { Clock, Random } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { keys as itemKeys } from '../../store/items.ts';
import type { Table } from '../../store/table.ts';
import { adminScope, type MustBeNamed, within } from '../scopes.ts';
import { hashOf } from './admin-key.ts';
import { adminKeyId, type KeyCheck, type KeyItem, type Principal } from './key-check.ts';

/** What a key may do now; undefined for one that was revoked. */
export async function scopesOfKey(table: Table, keyId: string): Promise<readonly string[] | undefined> {
  if (keyId === adminKeyId) return [adminScope];
  return (await table.get<KeyItem>(itemKeys.apiKey(keyId), true))?.scopes;
}

/** Creates, rotates and revokes Trunkline's API keys. */
export class ApiKeys {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #check: KeyCheck;
  readonly #mustBeNamed: MustBeNamed | undefined;

  /** `check` is this process's key check, which is notified of every change. */
  constructor(table: Table, clock: Clock, random: Random, check: KeyCheck, mustBeNamed?: MustBeNamed) {
    this.#mustBeNamed = mustBeNamed;
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
    this.#check = check;
  }

  /** A new key. Its text is shown once and stored hashed. The creator's scopes limit the new key's scopes. */
  async create(
    maker: Principal,
    name: string,
    scopes: string[],
    perMinute: number,
  ): Promise<{ item: KeyItem; key: string }> {
    if (perMinute > maker.perMinute && !maker.scopes.includes(adminScope)) {
      throw new GatewayError('forbidden', `Your own key has ${maker.perMinute} calls a minute and cannot grant more.`, {
        errors: [{ pointer: '/perMinute', message: 'is more than your own key has' }],
      });
    }
    for (const [at, scope] of scopes.entries()) {
      if (within(scope, maker.scopes, this.#mustBeNamed)) continue;
      throw new GatewayError(
        'forbidden',
        `Your own key does not cover the scope ${scope}, so it cannot give it to another key.`,
        {
          errors: [{ pointer: `/scopes/${at}`, message: 'is more than your own key has' }],
        },
      );
    }
    const id = newId(this.#random);
    const secret = this.#random.bytes(32).toString('base64url');
    const item: KeyItem = {
      ...itemKeys.apiKey(id),
      id,
      name,
      scopes,
      perMinute,
      hashes: [{ hash: hashOf(secret) }],
      createdBy: maker.keyId,
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

  /** A new secret for the same key; the old one keeps working for `overlap` seconds. */
  async rotate(maker: Principal, id: string, overlap: number): Promise<{ item: KeyItem; key: string }> {
    const item = await this.get(id);
    this.#requireWeaker(item, maker);
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
      throw new GatewayError('conflict', 'Another request changed the key at the same time. Read it and try again.');
    this.#check.forget();
    return { item: rotated.item, key: `tl_${id}_${secret}` };
  }

  /** The keys that a key has created, directly or indirectly. */
  async madeBy(id: string): Promise<KeyItem[]> {
    const all = await this.list();
    const makers = [id];
    for (const maker of makers) {
      for (const { id: made, createdBy } of all) if (createdBy === maker && !makers.includes(made)) makers.push(made);
    }
    return all.filter((item) => item.id !== id && makers.includes(item.id));
  }

  /** Revokes a key: at once in this process, everywhere within ten seconds. */
  async revoke(maker: Principal, id: string): Promise<void> {
    // A key may always revoke itself.
    if (id !== maker.keyId) this.#requireWeaker(await this.get(id), maker);
    const gone = await this.#table.delete(itemKeys.apiKey(id), 'attribute_exists(#pk)');
    this.#check.forget();
    if (!gone.done) throw new GatewayError('not_found', `There is no key with the id ${JSON.stringify(id)}.`);
  }

  /** A caller cannot rotate or revoke a key that can do more than its own. */
  #requireWeaker(item: KeyItem, { scopes }: Principal): void {
    if (item.scopes.every((scope) => within(scope, scopes, this.#mustBeNamed))) return;
    throw new GatewayError(
      'forbidden',
      'This key has more scopes than your own, so your key can neither rotate nor revoke it.',
    );
  }

  #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
