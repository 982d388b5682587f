import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { LocalCredentials } from '../../local/aws/aws-request.ts';

/** What part of the requests is throttled, and of how many the answer is lost after they were carried out. */
export interface Faults {
  throttled: number;
  dropped: number;
}

/**
 * A proxy in front of a database that throttles some requests and loses the answers of others, as a seed decides. It accepts
 * requests without credentials.
 */
export async function startFaultyDatabase(database: { endpoint: string; credentials: LocalCredentials }, seed: number) {
  const counts = { passed: 0, throttled: 0, dropped: 0 };
  const next = numbersFrom(seed);
  let faults: Faults | undefined;
  const failing: { operation: string; kind: keyof Faults }[] = [];
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const fault = faultOf(String(request.headers['x-amz-target']));
    if (fault === 'throttled') {
      counts.throttled++;
      const error = { __type: 'com.amazonaws.dynamodb.v20120810#ThrottlingException', message: 'Rate exceeded' };
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(error));
      return;
    }
    const { status, answered } = await passOn(request, body);
    if (fault === 'dropped') {
      counts.dropped++;
      response.destroy();
      return;
    }
    counts.passed++;
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(answered);
  }

  function faultOf(target: string): keyof Faults | undefined {
    if (target.endsWith(`.${failing[0]?.operation}`)) return failing.shift()?.kind;
    const drawn = next();
    if (!faults || drawn >= faults.throttled + faults.dropped) return undefined;
    return drawn < faults.throttled ? 'throttled' : 'dropped';
  }

  async function passOn({ headers }: IncomingMessage, body: Buffer): Promise<{ status: number; answered: Buffer }> {
    const authorization = String(headers.authorization).replace(
      /Credential=[^/]+/,
      `Credential=${database.credentials.accessKeyId}`,
    );
    const { host: _, connection: __, ...kept } = headers;
    const sent = httpRequest(database.endpoint, { method: 'POST', headers: { ...kept, authorization } });
    const response = new Promise<IncomingMessage>((resolve, reject) =>
      sent.on('response', resolve).on('error', reject),
    );
    sent.end(body);
    const answered = await response;
    return { status: answered.statusCode ?? 0, answered: await buffer(answered) };
  }

  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    /** Begins to make faults, or ends with undefined. */
    setFaults: (wanted: Faults | undefined) => {
      faults = wanted;
    },
    /** Makes one fault, for the next request of an operation such as `PutItem`; then the fault that was given after it. */
    failNext: (operation: string, kind: keyof Faults) => {
      failing.push({ operation, kind });
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
