import { isDeepStrictEqual } from 'node:util';
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { GatewayError } from '../core/errors.ts';
import { wellFormed } from '../core/well-formed.ts';

export interface Key {
  pk: string;
  sk: string;
}

export type Item = Key & Record<string, unknown>;

/** Values for the `:names` of an expression. `#names` need no declaration: `#state` is the attribute `state`. */
export type Values = Record<string, unknown>;

/** A conditional write that may be refused; `item` is then the stored item. */
export type Written<T> = { done: true; item: T } | { done: false; item: T | undefined };

export interface Write {
  put?: Item;
  update?: { key: Key; expression: string };
  delete?: Key;
  check?: Key;
  condition?: string;
  values?: Values;
}

export interface Query {
  /** Partition key, or the index's. */
  pk: string;
  index?: 'due';
  /** Sort key conditions: one of these. `to` is inclusive. */
  prefix?: string;
  from?: string | number;
  to?: string | number;
  forward?: boolean;
  limit?: number;
  /** Where the last page ended. */
  after?: Record<string, unknown>;
  consistent?: boolean;
}

/** Why a transaction was cancelled that may succeed in a moment. */
const passing: ReadonlySet<string> = new Set([
  'TransactionConflict',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
]);
const maxTransactRepeats = 7;

/** Where a table is, and how its requests get there. */
export type TableClient = DynamoDBClient | DynamoDBClientConfig;

/** The one table, with marshalling, `#name` and `:value` placeholders, and refusals as values instead of exceptions. */
export class Table {
  readonly #given: TableClient;
  readonly #name: string;
  #made: DynamoDBClient | undefined;
  /** Requests made since the start, for benchmarks and for the test that a warm call makes none. */
  requests = 0;
  /** Receives every item that this process has written, or only its key if it was deleted or written in a transaction. */
  onWrite: ((key: Key, item?: Item) => void) | undefined;

  constructor(name: string, client: TableClient = {}) {
    this.#name = name;
    this.#given = client;
  }

  get #client(): DynamoDBClient {
    this.#made ??= this.#given instanceof DynamoDBClient ? this.#given : new DynamoDBClient(this.#given);
    return this.#made;
  }

  async get<T extends object = Item>(key: Key, consistent = false): Promise<T | undefined> {
    if (!isKey(key)) return undefined;
    this.requests++;
    const { Item: item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#name, Key: marshalled(key), ConsistentRead: consistent }),
    );
    return item ? (unmarshall(item) as T) : undefined;
  }

  /** The items of any number of keys, in the keys' order; undefined where there is none. */
  async getMany<T extends object = Item>(wanted: readonly Key[]): Promise<(T | undefined)[]> {
    const found = new Map<string, T>();
    const unique = [...new Map(wanted.filter(isKey).map((key) => [`${key.pk} ${key.sk}`, key])).values()];
    for (let at = 0; at < unique.length; at += 100) {
      let left: ReturnType<typeof marshalled>[] = unique
        .slice(at, at + 100)
        .map(({ pk, sk }) => marshalled({ pk, sk }));
      for (let attempt = 0; left.length > 0; attempt++) {
        // DynamoDB leaves out what it has no capacity for just now.
        if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 20 * 2 ** attempt)));
        this.requests++;
        const { Responses, UnprocessedKeys } = await this.#client.send(
          new BatchGetItemCommand({ RequestItems: { [this.#name]: { Keys: left, ConsistentRead: true } } }),
        );
        for (const item of Responses?.[this.#name] ?? []) {
          const plain = unmarshall(item) as Key & T;
          found.set(`${plain.pk} ${plain.sk}`, plain);
        }
        left = UnprocessedKeys?.[this.#name]?.Keys ?? [];
      }
    }
    return wanted.map(({ pk, sk }) => found.get(`${pk} ${sk}`));
  }

  /** Writes a whole item. If its condition fails, returns the stored item. */
  async put<T extends object = Item>(item: Key & T, condition?: string, values: Values = {}): Promise<Written<T>> {
    const write = async () => {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#name,
          Item: marshalled(item),
          ...placeholders(condition, values),
          ...(condition !== undefined && { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }),
        }),
      );
      return item;
    };
    const written = await this.#refusable<T>(item, write, (stored) => isDeepStrictEqual(stored, stores(item)));
    if (written.done) this.onWrite?.(item, item as Key as Item);
    return written;
  }

  /** Changes an item by an update expression and answers its new state. */
  async update<T extends object = Item>(
    key: Key,
    expression: string,
    values: Values = {},
    condition?: string,
  ): Promise<Written<T>> {
    const write = async () => {
      const { Attributes } = await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#name,
          Key: marshalled(key),
          UpdateExpression: expression,
          ...placeholders(condition, values, expression),
          ReturnValues: 'ALL_NEW',
          ...(condition !== undefined && { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }),
        }),
      );
      return unmarshall(Attributes ?? {}) as T;
    };
    const isOwn = (stored: object) => isOwnUpdate(stored, expression, values, condition);
    const written = await this.#refusable<T>(key, write, isOwn);
    if (written.done) this.onWrite?.(key, written.item as object as Item);
    return written;
  }

  async delete<T extends object = Item>(
    key: Key,
    condition?: string,
    values: Values = {},
  ): Promise<Written<T | undefined>> {
    return this.#refusable<T | undefined>(key, async () => {
      const { Attributes } = await this.#client.send(
        new DeleteItemCommand({
          TableName: this.#name,
          Key: marshalled(key),
          ...placeholders(condition, values),
          ReturnValues: 'ALL_OLD',
          ...(condition !== undefined && { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }),
        }),
      );
      this.onWrite?.(key);
      return Attributes ? (unmarshall(Attributes) as T) : undefined;
    });
  }

  /** One page of a query, oldest sort key first unless `forward` is false. */
  async query<T extends object = Item>(query: Query): Promise<{ items: T[]; next?: Record<string, unknown> }> {
    if (!isKey({ pk: query.pk, sk: query.prefix ?? '-' })) return { items: [] };
    this.requests++;
    const [pk, sk] = query.index === 'due' ? ['duePk', 'dueAt'] : ['pk', 'sk'];
    const values: Values = { pk: query.pk };
    let condition = `#${pk} = :pk`;
    if (query.prefix !== undefined) {
      condition += ` AND begins_with(#${sk}, :prefix)`;
      values.prefix = query.prefix;
    } else if (query.from !== undefined && query.to !== undefined) {
      condition += ` AND #${sk} BETWEEN :from AND :to`;
      values.from = query.from;
      values.to = query.to;
    } else if (query.from !== undefined) {
      condition += ` AND #${sk} > :from`;
      values.from = query.from;
    } else if (query.to !== undefined) {
      condition += ` AND #${sk} <= :to`;
      values.to = query.to;
    }
    const { ConditionExpression: _, ...names } = placeholders(undefined, values, condition);
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new QueryCommand({
        TableName: this.#name,
        KeyConditionExpression: condition,
        ...names,
        ...(query.index && { IndexName: query.index }),
        ScanIndexForward: query.forward ?? true,
        ...(query.limit !== undefined && { Limit: query.limit }),
        ...(query.after && { ExclusiveStartKey: marshalled(query.after) }),
        ...(query.consistent && { ConsistentRead: true }),
      }),
    );
    const items = Items.map((item) => unmarshall(item) as T);
    return LastEvaluatedKey ? { items, next: unmarshall(LastEvaluatedKey) } : { items };
  }

  /** Every item of a query, to its end. */
  async queryAll<T extends object = Item>(query: Query): Promise<T[]> {
    const all: T[] = [];
    for await (const page of this.pages<T>(query)) for (const item of page) all.push(item);
    return all;
  }

  /** The pages of a query, to its end. */
  async *pages<T extends object = Item>(query: Query): AsyncGenerator<T[]> {
    let { after } = query;
    do {
      const page: { items: T[]; next?: Record<string, unknown> } = await this.query<T>({
        ...query,
        ...(after && { after }),
      });
      if (page.items.length > 0) yield page.items;
      after = page.next;
    } while (after);
  }

  /**
   * All writes or none, at most 100. Answers false when a condition failed; `refused` says which, by position.
   * Throws on anything else; a transaction that lost a race with another, or was throttled, is tried again for a few seconds.
   */
  async transact(writes: Write[]): Promise<{ done: boolean; refused: number[] }> {
    for (const write of writes)
      requireKey(write.put ?? write.update?.key ?? write.delete ?? write.check ?? { pk: '', sk: '' });
    const items = writes.map((write) => this.#transactItem(write));
    for (let attempt = 0; ; attempt++) {
      this.requests++;
      try {
        await this.#client.send(new TransactWriteItemsCommand({ TransactItems: items }));
        for (const { put, update, delete: deleted } of writes) {
          const key = put ?? update?.key ?? deleted;
          if (key) this.onWrite?.(key);
        }
        return { done: true, refused: [] };
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error;
        const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None');
        const refused = codes.flatMap((code, at) => (code === 'ConditionalCheckFailed' ? [at] : []));
        if (refused.length > 0) return { done: false, refused };
        if (attempt >= maxTransactRepeats || !codes.some((code) => passing.has(code))) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(1000, 20 * 2 ** attempt) * (0.5 + Math.random())));
      }
    }
  }

  destroy(): void {
    this.#made?.destroy();
  }

  #transactItem(write: Write): TransactWriteItem {
    const TableName = this.#name;
    const names = placeholders(write.condition, write.values ?? {}, write.update?.expression);
    if (write.put) return { Put: { TableName, Item: marshalled(write.put), ...names } };
    if (write.update) {
      return {
        Update: { TableName, Key: marshalled(write.update.key), UpdateExpression: write.update.expression, ...names },
      };
    }
    if (write.delete) return { Delete: { TableName, Key: marshalled(write.delete), ...names } };
    if (!write.check || write.condition === undefined)
      throw new Error('A write needs put, update, delete, or check with a condition');
    return {
      ConditionCheck: { TableName, Key: marshalled(write.check), ...names, ConditionExpression: write.condition },
    };
  }

  /**
   * Carries out a write that may be refused. The SDK sends a request again if its answer was lost. If the first one was carried out,
   * the second is refused because of it: `isOwn` tells whether the stored item is what this write stores.
   */
  async #refusable<T>(
    key: Key,
    write: () => Promise<T>,
    isOwn: (stored: object) => boolean = () => false,
  ): Promise<Written<T>> {
    requireKey(key);
    this.requests++;
    try {
      return { done: true, item: await write() };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      const stored = error.Item && unmarshall(error.Item);
      const isRepeated = (error.$metadata.attempts ?? 1) > 1;
      if (stored && isRepeated && isOwn(stored)) return { done: true, item: stored as T };
      return { done: false, item: stored as T | undefined };
    }
  }
}

/** Whether DynamoDB accepts a key. No item can have any other key, and ids from a path have any length. */
function isKey({ pk, sk }: Key): boolean {
  return fits(pk, 2048) && fits(sk, 1024);
}

function fits(text: string, maxBytes: number): boolean {
  return text !== '' && (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes);
}

function requireKey(key: Key): void {
  if (!isKey(key)) throw new GatewayError('invalid_input', 'A name or an id in this request is too long.');
}

/** A value as it is read again once it is stored. */
function stores(value: object): Record<string, unknown> {
  return unmarshall(marshalled(value));
}

/** Whether an update was refused because it had changed what its own condition requires, and the item has the values that it sets. */
function isOwnUpdate(stored: object, expression: string, values: Values, condition = ''): boolean {
  const set = [...expression.matchAll(/#(\w+) = :(\w+)\b(?! [+-])/g)];
  if (!set.some(([, name]) => new RegExp(`#${name}\\b`).test(condition))) return false;
  const wanted = stores(values);
  return set.every(([, name = '', value = '']) => isDeepStrictEqual(Reflect.get(stored, name), wanted[value]));
}

function marshalled(value: object) {
  return marshall(wellFormed(value), { removeUndefinedValues: true, convertClassInstanceToMap: false });
}

function placeholders(condition: string | undefined, values: Values, expression = '') {
  const text = `${expression} ${condition ?? ''}`;
  const names = Object.fromEntries((text.match(/#\w+/g) ?? []).map((name) => [name, name.slice(1)]));
  const used = new Set((text.match(/:\w+/g) ?? []).map((name) => name.slice(1)));
  const given = Object.entries(values).filter(([name, value]) => used.has(name) && value !== undefined);
  return {
    ...(condition !== undefined && { ConditionExpression: condition }),
    ...(Object.keys(names).length > 0 && { ExpressionAttributeNames: names }),
    ...(given.length > 0 && {
      ExpressionAttributeValues: marshalled(Object.fromEntries(given.map(([name, value]) => [`:${name}`, value]))),
    }),
  };
}
