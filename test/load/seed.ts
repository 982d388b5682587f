import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { marshall } from '@aws-sdk/util-dynamodb';
import { updatedItem } from '../../lib/store/item-expressions.ts';
import type { Item, Key, Values, Write, Written } from '../../lib/store/table.ts';
import { Table } from '../../lib/store/table.ts';

/**
 * A table that keeps in memory what the product's own functions write, for millions of items in minutes: `flush` puts them
 * straight into the file of the embedded database, as it stores them itself, and then starts over. They do not appear in a stream.
 * Conditions are not checked, since nothing is there yet.
 */
export class SeedTable extends Table {
  readonly #items = new Map<string, Item>();
  readonly #file: string;

  constructor(databaseDirectory: string) {
    super('trunkline');
    this.#file = join(databaseDirectory, 'data.db');
  }

  override async get<T extends object = Item>(key: Key): Promise<T | undefined> {
    return this.#items.get(placeOf(key)) as T | undefined;
  }

  /** Nothing is there before. */
  override async query<T extends object = Item>(): Promise<{ items: T[] }> {
    return { items: [] };
  }

  override async put<T extends object = Item>(item: Key & T): Promise<Written<T>> {
    this.#items.set(placeOf(item), { ...item } as Item);
    return { done: true, item };
  }

  override async update<T extends object = Item>(
    key: Key,
    expression: string,
    values: Values = {},
  ): Promise<Written<T>> {
    const item = updatedItem(expression, this.#items.get(placeOf(key)) ?? { ...key }, values);
    this.#items.set(placeOf(key), item);
    return { done: true, item: item as T };
  }

  override async transact(writes: Write[]): Promise<{ done: boolean; refused: number[] }> {
    for (const { put, update, values } of writes) {
      if (put) await this.put(put);
      if (update) await this.update(update.key, update.expression, values);
    }
    return { done: true, refused: [] };
  }

  /** Writes everything into the database's file. */
  flush(): void {
    const database = new DatabaseSync(this.#file, { timeout: 60_000 });
    try {
      database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN');
      const insert = database.prepare(
        'INSERT OR REPLACE INTO trunkline (pk, sk, item_json, item_size) VALUES (?, ?, ?, ?)',
      );
      const remove = database.prepare('DELETE FROM "trunkline::gsi::due" WHERE table_pk = ? AND table_sk = ?');
      const list = database.prepare(
        'INSERT OR REPLACE INTO "trunkline::gsi::due" (gsi_pk, gsi_sk, table_pk, table_sk, item_json) VALUES (?, ?, ?, ?, ?)',
      );
      for (const item of this.#items.values()) {
        const [pk, sk] = [`S:${item.pk}`, `S:${item.sk}`];
        const text = JSON.stringify(marshall(item, { removeUndefinedValues: true }), base64);
        // The size of the text is an upper bound of DynamoDB's own, so that pages end a little early.
        insert.run(pk, sk, text, text.length);
        remove.run(pk, sk);
        if (typeof item.duePk === 'string') list.run(`S:${item.duePk}`, sortable(Number(item.dueAt)), pk, sk, text);
      }
      database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
    this.#items.clear();
  }
}

const placeOf = ({ pk, sk }: Key) => `${pk} ${sk}`;

/** Bytes as the database's JSON has them. `value` is what `toJSON` of a buffer made of them. */
function base64(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const given = this[name];
  return given instanceof Uint8Array ? Buffer.from(given).toString('base64') : value;
}

/** A positive whole number as a sort key of the database: its sign, its exponent and forty digits. */
function sortable(value: number): string {
  const digits = String(value);
  return `N:2${5000 + digits.length}${digits.padEnd(40, '0')}`;
}
