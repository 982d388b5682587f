import type { DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { errorAnswer } from './aws-request.ts';

/** Settings for SDK clients in the process of the endpoint. */
export type DirectClient = Pick<DynamoDBClientConfig, 'region' | 'credentials' | 'signer'> & {
  endpoint: string;
  requestHandler: NonNullable<DynamoDBClientConfig['requestHandler']>;
};

/**
 * Has SDK clients in this process call an endpoint's handler directly: their requests need no socket, no signature and no second
 * reading of headers, which is most of what a request to a database on the same machine costs. `answer` gets the value of
 * `x-amz-target` and the body, answers a JSON text, and throws what the endpoint would answer as an error.
 */
export function directClient(
  contentType: string,
  answer: (target: string, body: Buffer) => Promise<string>,
): DirectClient {
  const respond = async (target: string, body: Uint8Array) => {
    try {
      const text = await answer(target, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
      return { statusCode: 200, headers: { 'content-type': contentType }, body: Buffer.from(text) };
    } catch (error) {
      const { status, name, body: text } = errorAnswer(error);
      const headers = { 'content-type': contentType, 'x-amzn-errortype': name };
      return { statusCode: status, headers, body: Buffer.from(text) };
    }
  };
  return {
    // Never resolved, and named in no message.
    endpoint: 'http://127.0.0.1',
    region: 'us-east-1',
    credentials: { accessKeyId: 'direct', secretAccessKey: 'direct' },
    signer: { sign: async (request: never) => request },
    requestHandler: {
      handle: async ({ headers, body }: { headers: Record<string, string>; body?: Uint8Array }) => ({
        response: await respond(headers['x-amz-target'] ?? '', body ?? Buffer.alloc(0)),
      }),
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
    },
  };
}
