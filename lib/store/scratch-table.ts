import { meetsCondition, updatedItem } from './item-expressions.ts';
import { type Item, type Key, type Query, Table, type Values, type Write, type Written } from './table.ts';

interface Own {
  key: Key;
  item: Item | undefined;
}

/**
 * A table over another one that keeps every write to itself: what is written here is read here, everything else is read from the
 * table below, and nothing ever reaches it. Partitions that are `hidden` look empty until something is written to them.
 */
export class ScratchTable extends Table {
  readonly #below: Table;
  readonly #isHidden: (pk: string) => boolean;
  /** What was written here, by partition and sort key; undefined where it was deleted. */
  readonly #own = new Map<string, Map<string, Own>>();
  /** The last write: the next one starts when it is over, so that no two read the same state. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(below: Table, hidden: (pk: string) => boolean = () => false) {
    super('scratch');
    this.#below = below;
    this.#isHidden = hidden;
  }

  override async get<T extends object = Item>(key: Key, consistent = false): Promise<T | undefined> {
    const own = this.#own.get(key.pk)?.get(key.sk);
    if (own) return copy(own.item) as T | undefined;
    return this.#isHidden(key.pk) ? undefined : this.#below.get<T>(key, consistent);
  }

  override async getMany<T extends object = Item>(wanted: readonly Key[]): Promise<(T | undefined)[]> {
    return Promise.all(wanted.map(({ pk, sk }) => this.get<T>({ pk, sk }, true)));
  }

  override put<T extends object = Item>(item: Key & T, condition?: string, values: Values = {}): Promise<Written<T>> {
    return this.#inTurn(async () => {
      const refused = await this.#refusal<T>(item, condition, values);
      if (refused) return refused;
      this.#write(item, item as Key as Item);
      return { done: true, item };
    });
  }

  override update<T extends object = Item>(
    key: Key,
    expression: string,
    values: Values = {},
    condition?: string,
  ): Promise<Written<T>> {
    return this.#inTurn(async () => {
      const refused = await this.#refusal<T>(key, condition, values);
      if (refused) return refused;
      const item = await this.#update(key, expression, values);
      return { done: true, item: copy(item) as object as T };
    });
  }

  override delete<T extends object = Item>(
    key: Key,
    condition?: string,
    values: Values = {},
  ): Promise<Written<T | undefined>> {
    return this.#inTurn(async () => {
      const refused = await this.#refusal<T | undefined>(key, condition, values);
      if (refused) return refused;
      const item = await this.get<T>(key);
      this.#write(key, undefined);
      return { done: true, item };
    });
  }

  override async query<T extends object = Item>(query: Query): Promise<{ items: T[]; next?: Record<string, unknown> }> {
    const [partition, sort] = query.index === 'due' ? (['duePk', 'dueAt'] as const) : (['pk', 'sk'] as const);
    const isIndex = query.index !== undefined;
    // An item of an index may have moved away from it by a write here.
    const partitions = isIndex ? [...this.#own.values()] : [this.#own.get(query.pk) ?? new Map<string, Own>()];
    const own = partitions.flatMap((items) => [...items.values()]);
    const isHidden = !isIndex && this.#isHidden(query.pk);
    if (own.length === 0 && !isHidden) return this.#below.query<T>(query);
    const { limit, after, ...everything } = query;
    const items = new Map<string, Item>();
    if (!isHidden) for (const item of await this.#below.queryAll<Item>(everything)) items.set(nameOf(item), item);
    for (const { key, item } of own) {
      items.delete(nameOf(key));
      if (item?.[partition] === query.pk && isWithin(item[sort], query)) items.set(nameOf(key), item);
    }
    const direction = query.forward === false ? -1 : 1;
    const order = (one: Record<string, unknown>, other: Record<string, unknown>) =>
      direction * (compare(one[sort], other[sort]) || compare(nameOf(one), nameOf(other)));
    const sorted = [...items.values()].sort(order).filter((item) => !after || order(item, after) > 0);
    const page = sorted.slice(0, limit);
    const last = page.at(-1);
    return {
      items: page.map((item) => copy(item) as object as T),
      ...(last && page.length < sorted.length && { next: { ...last } }),
    };
  }

  override transact(writes: Write[]): Promise<{ done: boolean; refused: number[] }> {
    return this.#inTurn(async () => {
      const refused: number[] = [];
      for (const [at, write] of writes.entries()) {
        const key = write.put ?? write.update?.key ?? write.delete ?? write.check;
        if (key && (await this.#refusal(key, write.condition, write.values))) refused.push(at);
      }
      if (refused.length > 0) return { done: false, refused };
      for (const { put, update, delete: removed, values } of writes) {
        if (put) this.#write(put, put);
        else if (update) await this.#update(update.key, update.expression, values);
        else if (removed) this.#write(removed, undefined);
      }
      return { done: true, refused };
    });
  }

  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(write, write);
    this.#last = turn;
    return turn;
  }

  async #update({ pk, sk }: Key, expression: string, values: Values = {}): Promise<Item> {
    const item = updatedItem(expression, (await this.get({ pk, sk })) ?? { pk, sk }, values);
    this.#write({ pk, sk }, item);
    return item;
  }

  async #refusal<T>({ pk, sk }: Key, condition: string | undefined, values: Values = {}) {
    if (condition === undefined) return undefined;
    const item = await this.get({ pk, sk }, true);
    if (meetsCondition(condition, item, values)) return undefined;
    return { done: false as const, item: item as object | undefined as T | undefined };
  }

  #write({ pk, sk }: Key, item: Item | undefined): void {
    const partition = this.#own.get(pk) ?? new Map<string, Own>();
    this.#own.set(pk, partition.set(sk, { key: { pk, sk }, item: copy(item) }));
  }
}

function nameOf({ pk, sk }: { pk?: unknown; sk?: unknown }): string {
  return `${String(pk)} ${String(sk)}`;
}

/** A deep copy without undefined members, as DynamoDB would store it. */
export function copy<T>(item: T): T {
  return item === undefined ? item : JSON.parse(JSON.stringify(item));
}

function isWithin(value: unknown, { prefix, from, to }: Query): boolean {
  if (prefix !== undefined) return String(value).startsWith(prefix);
  // With both bounds DynamoDB includes both; `from` alone excludes it.
  if (from !== undefined && compare(value, from) < (to === undefined ? 1 : 0)) return false;
  return to === undefined || compare(value, to) <= 0;
}

function compare(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [left, right] = [String(one), String(other)];
  return left < right ? -1 : left > right ? 1 : 0;
}
