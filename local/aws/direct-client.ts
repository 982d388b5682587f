import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBStreamsClient } from '@aws-sdk/client-dynamodb-streams';
import { errorOf, type ServiceError } from './aws-request.ts';

/** Carries out an operation of the DynamoDB API and answers a JSON text; throws what the endpoint would answer as an error. */
export type CarryOut = (operation: string, input: object) => Promise<string>;

/** SDK clients in the process of the database. */
export interface DirectClients {
  client: DynamoDBClient;
  streams: DynamoDBStreamsClient;
}

/** Never resolved, and named in no message. */
const nowhere = {
  endpoint: 'http://127.0.0.1',
  region: 'us-east-1',
  credentials: { accessKeyId: 'direct', secretAccessKey: 'direct' },
};
/** The number of attempts, as in the SDK itself. */
const maxAttempts = 3;
const retryMs = 100;

/**
 * SDK clients that call the database's handler instead of sending a request: no socket, no signature, no headers, and none of the
 * SDK's own steps between a command and its bytes. Those are most of what a request to a database on the same machine costs.
 */
export function directClients(carryOut: CarryOut): DirectClients {
  const client = new DynamoDBClient(nowhere);
  const streams = new DynamoDBStreamsClient(nowhere);
  const direct =
    (_: unknown, { commandName = '' }: { commandName?: string }) =>
    async ({ input }: { input: object }) => ({
      // Each operation's answer has the shape that its command expects.
      output: (await answer(commandName.replace(/Command$/, ''), input)) as never,
      response: undefined,
    });
  const options = { step: 'initialize', priority: 'high', name: 'direct' } as const;
  client.middlewareStack.add(direct, options);
  streams.middlewareStack.add(direct, options);
  return { client, streams };

  async function answer(operation: string, input: object): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return withBytes(await carryOut(operation, input));
      } catch (cause) {
        const error = errorOf(cause);
        if (error.status < 500 || attempt >= maxAttempts) throw serviceException(error, attempt);
        await pause(retryMs * attempt);
      }
    }
  }
}

/** The SDK's classes of errors recognize their own by these properties. */
function serviceException({ name, message, status, fields }: ServiceError, attempts: number): Error {
  const $fault = status >= 500 ? 'server' : 'client';
  return Object.assign(new Error(message), {
    ...fields,
    name,
    $fault,
    $metadata: { httpStatusCode: status, attempts },
  });
}

/** Bytes are base64 in JSON; only they are a text named `B`, since an attribute of that name has an object as its value. */
function withBytes(text: string): unknown {
  if (!text.includes('"B":"')) return JSON.parse(text);
  return JSON.parse(text, (name, value: unknown) =>
    name === 'B' && typeof value === 'string' ? Buffer.from(value, 'base64') : value,
  );
}
