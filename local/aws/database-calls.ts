import { LruMap } from '../../lib/core/lru-map.ts';
import { ServiceError } from './aws-request.ts';
import type { DatabaseAnswer, DatabaseProcess } from './database-process.ts';

type Parameters = Record<string, unknown>;

/** DynamoDB's own limit for a request. */
export const maxRequestBytes = 16 * 1024 * 1024;

/** Reads go past the queue; everything else waits its turn. */
const reads = /^(Get|BatchGet|TransactGet|Query|Scan|List|Describe)/;
/** What the embedded database does anyway, so that leaving it out changes nothing. */
const implied: Readonly<Record<string, readonly unknown[]>> = {
  ConsistentRead: [true, false],
  ReturnConsumedCapacity: ['NONE'],
  ReturnItemCollectionMetrics: ['NONE'],
};
/** JSON.stringify escapes only unpaired surrogates, which have no UTF-8 form. */
const loneSurrogate = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** How many items are cached, and how long each may be as JSON. */
const maxKnown = 2_000;
const maxKnownLength = 20_000;

/** The part of a write that names an item. */
interface Target {
  TableName: string;
  Key?: Parameters;
  Item?: Parameters;
}

/**
 * Carries out the calls of the DynamoDB API on the database's tools and answers JSON texts. Writes go one after another: the
 * database has one writer anyway, and the item that failed a condition is then the one that is read next. Nobody else can reach
 * the database, so an item that was read or put is cached until something is written to its key.
 */
export function databaseCalls(current: () => Promise<DatabaseProcess>) {
  let last: Promise<unknown> = Promise.resolve();
  const keyNames = new Map<string, string[]>();
  /** The answers to reads of items, by place. */
  const known = new LruMap<string, Promise<string>>(maxKnown);

  return async (operation: string, given: object): Promise<string> => {
    const input: Parameters = { ...given };
    const database = await current();
    if (reads.test(operation)) return read(database, operation, input);
    const turn = last.then(() => write(database, operation, input));
    last = turn.catch(() => undefined);
    return turn;
  };

  async function read(database: DatabaseProcess, operation: string, input: Parameters): Promise<string> {
    const ask = async () => textOf(await database.call(...toolCall(database, operation, input)));
    if (operation !== 'GetItem' || !Object.keys(input).every((name) => readsOfWholeItems.has(name))) return ask();
    // A read of a whole item names its table and its key.
    const place = await placeOf(database, input as unknown as Target);
    const answer = known.get(place) ?? ask();
    know(place, answer);
    return answer;
  }

  async function write(database: DatabaseProcess, operation: string, input: Parameters): Promise<string> {
    const { ReturnValuesOnConditionCheckFailure: wanted, ...rest } = input;
    const targets = targetsOf(operation, input);
    const places = targets && (await Promise.all(targets.map((target) => placeOf(database, target))));
    let answer: DatabaseAnswer;
    try {
      answer = await database.call(...toolCall(database, operation, rest));
    } finally {
      // A read that began in the meantime may have found either.
      forget(places);
    }
    try {
      const text = textOf(answer);
      const [place] = places ?? [];
      if (operation === 'PutItem' && place !== undefined) know(place, Promise.resolve(jsonOf({ Item: input.Item })));
      return text;
    } catch (error) {
      const refused = error instanceof ServiceError && error.name === 'ConditionalCheckFailedException';
      const [target] = targets ?? [];
      if (!refused || wanted !== 'ALL_OLD' || !target) throw error;
      const Key = await keyOf(database, target);
      const found = await read(database, 'GetItem', { TableName: target.TableName, Key });
      throw new ServiceError(error.name, error.message, error.status, JSON.parse(found) as object);
    }
  }

  function know(place: string, answer: Promise<string>): void {
    known.set(place, answer);
    const drop = () => known.get(place) === answer && known.delete(place);
    answer.then((text) => text.length > maxKnownLength && drop(), drop);
  }

  function forget(places: readonly string[] | undefined): void {
    if (!places) known.clear();
    else for (const place of places) known.delete(place);
  }

  async function placeOf(database: DatabaseProcess, target: Target): Promise<string> {
    return JSON.stringify([target.TableName, await keyOf(database, target)]);
  }

  async function keyOf(database: DatabaseProcess, { TableName, Key, Item }: Target): Promise<Parameters> {
    let names = keyNames.get(TableName);
    if (names === undefined) {
      const described = textOf(await database.call(...toolCall(database, 'DescribeTable', { TableName })));
      const { Table } = JSON.parse(described) as { Table: { KeySchema: { AttributeName: string }[] } };
      names = Table.KeySchema.map(({ AttributeName }) => AttributeName);
      keyNames.set(TableName, names);
    }
    const given = Key ?? Item ?? {};
    return Object.fromEntries(names.map((name) => [name, given[name]]));
  }
}

/** The parameters of a read that answers a whole item. */
const readsOfWholeItems: ReadonlySet<string> = new Set([
  'TableName',
  'Key',
  'ConsistentRead',
  'ReturnConsumedCapacity',
]);

/** The items that a write may change; undefined if it does not say. */
function targetsOf(operation: string, input: Parameters): Target[] | undefined {
  // As the API describes them.
  if (/^(Put|Update|Delete)Item$/.test(operation)) return [input as unknown as Target];
  if (operation !== 'TransactWriteItems') return undefined;
  return (input.TransactItems as Record<string, Target>[]).flatMap((write) => Object.values(write));
}

/** A call of the API as a call of a tool, with its parameters as JSON: `PutItem` with `TableName` is `put_item` with `table_name`. */
function toolCall(database: DatabaseProcess, operation: string, input: Parameters): [string, string] {
  const tool = snakeCase(operation);
  const known = database.tools.get(tool);
  if (known === undefined)
    throw new ServiceError('UnknownOperationException', `The embedded DynamoDB does not know ${operation}.`);
  const parameters: Parameters = operation === 'DescribeTable' ? { raw: true } : {};
  for (const [name, value] of Object.entries(input)) {
    const parameter = snakeCase(name);
    if (known.has(parameter)) parameters[parameter] = value;
    else if (!implied[name]?.includes(value))
      throw new ServiceError('ValidationException', `The embedded DynamoDB does not take ${name} with ${operation}.`);
  }
  const text = jsonOf(parameters);
  if (Buffer.byteLength(text) > maxRequestBytes) throw tooLarge();
  if (loneSurrogate.test(text))
    throw new ServiceError('SerializationException', 'A text is not well-formed Unicode: it holds half a character.');
  return [tool, text];
}

export function tooLarge(): ServiceError {
  return new ServiceError('ValidationException', 'The request is larger than 16 MB.', 413);
}

/** Bytes come as such from a client in this process. */
const jsonOf = (value: object): string => JSON.stringify(value, bytesAsBase64);

function bytesAsBase64(this: Parameters, name: string, value: unknown): unknown {
  const bytes = name === 'B' ? this[name] : undefined;
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : value;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]+/g, (capitals, at: number) => `${at > 0 ? '_' : ''}${capitals.toLowerCase()}`);
}

/** The text of a good answer; throws the refusal of another. */
function textOf({ failed, text }: DatabaseAnswer): string {
  if (!failed) return text;
  const { error_type: name, message } = JSON.parse(text) as { error_type: string; message: string };
  if (name !== 'TransactionCanceledException')
    throw new ServiceError(name, message, name === 'InternalServerError' ? 500 : 400);
  const codes = /\[([^\]]*)\]/.exec(message)?.[1]?.split(', ') ?? [];
  throw new ServiceError(name, message, 400, { CancellationReasons: codes.map((Code) => ({ Code })) });
}
