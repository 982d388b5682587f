import type { Clock, Random } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { keys as itemKeys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { hashOf, type KeyCheck, type KeyItem, type Principal } from './key-check.ts';
import { within } from './scopes.ts';

/** Makes, rotates and revokes the keys of our own API. */
export class ApiKeys {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #check: KeyCheck;

  /** `check` is the one of this process, which is told of every change. */
  constructor(table: Table, clock: Clock, random: Random, check: KeyCheck) {
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
    this.#check = check;
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
    const id = newId(this.#random);
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
    this.#check.forget();
    return { item: rotated.item, key: `tl_${id}_${secret}` };
  }

  /** Revokes a key: at once in this process, everywhere within ten seconds. */
  async revoke(id: string): Promise<void> {
    const gone = await this.#table.delete(itemKeys.apiKey(id), 'attribute_exists(#pk)');
    this.#check.forget();
    if (!gone.done) throw new GatewayError('not_found', `There is no key with the id ${JSON.stringify(id)}.`);
  }

  #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}
