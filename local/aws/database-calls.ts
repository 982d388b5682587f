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

/**
 * Carries out the calls of the DynamoDB API on the database's tools and answers JSON texts. Writes go one after another: the
 * database has one writer anyway, and what stood there when a condition failed is then what is read next.
 */
export function databaseCalls(current: () => Promise<DatabaseProcess>) {
  let last: Promise<unknown> = Promise.resolve();
  const keyNames = new Map<string, string[]>();

  return async (operation: string, given: object): Promise<string> => {
    const input: Parameters = { ...given };
    const database = await current();
    if (reads.test(operation)) return textOf(await database.call(...toolCall(database, operation, input)));
    const turn = last.then(() => write(database, operation, input));
    last = turn.catch(() => undefined);
    return turn;
  };

  async function write(database: DatabaseProcess, operation: string, input: Parameters): Promise<string> {
    const { ReturnValuesOnConditionCheckFailure: wanted, ...rest } = input;
    const answer = await database.call(...toolCall(database, operation, rest));
    try {
      return textOf(answer);
    } catch (error) {
      const refused = error instanceof ServiceError && error.name === 'ConditionalCheckFailedException';
      if (!refused || wanted !== 'ALL_OLD') throw error;
      const Key = await keyOf(database, input);
      const found = textOf(await database.call(...toolCall(database, 'GetItem', { TableName: input.TableName, Key })));
      throw new ServiceError(error.name, error.message, error.status, JSON.parse(found) as object);
    }
  }

  async function keyOf(database: DatabaseProcess, input: Parameters): Promise<unknown> {
    if (input.Key !== undefined) return input.Key;
    const table = String(input.TableName);
    let names = keyNames.get(table);
    if (names === undefined) {
      const described = textOf(await database.call(...toolCall(database, 'DescribeTable', { TableName: table })));
      const { Table } = JSON.parse(described) as { Table: { KeySchema: { AttributeName: string }[] } };
      names = Table.KeySchema.map(({ AttributeName }) => AttributeName);
      keyNames.set(table, names);
    }
    // Only the condition rejected the write, so the item is one with all its key attributes.
    const item = input.Item as Parameters;
    return Object.fromEntries(names.map((name) => [name, item[name]]));
  }
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
  const text = JSON.stringify(parameters, bytesAsBase64);
  if (Buffer.byteLength(text) > maxRequestBytes) throw tooLarge();
  if (loneSurrogate.test(text))
    throw new ServiceError('SerializationException', 'A text is not well-formed Unicode: it holds half a character.');
  return [tool, text];
}

export function tooLarge(): ServiceError {
  return new ServiceError('ValidationException', 'The request is larger than 16 MB.', 413);
}

/** Bytes come as such from a client in this process. */
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
