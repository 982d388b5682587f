import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Context } from 'aws-lambda';
import { listen } from '../runtime/loopback-server.ts';
import {
  answerError,
  createLocalCredentials,
  type LocalCredentials,
  readBody,
  requireAccessKey,
  ServiceError,
} from './aws-request.ts';
import { createLambdaContext, functionArn } from './lambda-context.ts';

/** A function as Lambda calls it. */
export type LambdaHandler = (event: unknown, context: Context) => Promise<unknown>;

/**
 * A durable function. `start` resolves with the execution's ARN once the execution is stored, so that a caller that received 202
 * has lost nothing; it throws a `ServiceError` named `DurableExecutionAlreadyStartedException` (409) when the name is taken by
 * another payload.
 */
export interface DurableFunction {
  start(event: unknown, name: string): Promise<string>;
}

export interface LambdaEndpointOptions {
  /** By function name; may be filled after the start. */
  functions: Record<string, LambdaHandler | DurableFunction>;
  /** Completes the callback of a durable execution; false when it is over. */
  completeCallback?: (callbackId: string, result: string) => Promise<boolean>;
  /** The key that callers must sign with. Generated if absent. */
  credentials?: LocalCredentials;
  /** Milliseconds that a function that is not durable may take; 60,000 when absent. */
  timeout?: number;
  /** Milliseconds before the second and the third attempt of an asynchronous invocation; a minute and two when absent. */
  retryDelays?: number[];
  /** Called when an asynchronous invocation has failed permanently. */
  onAsyncFailure?: (functionName: string, error: unknown) => void;
}

/** What an SDK client is given: `new LambdaClient({ endpoint, credentials, region: 'us-east-1' })`. */
export interface LambdaEndpoint {
  endpoint: string;
  credentials: LocalCredentials;
  /** Resolves when no invocation is running; pending retries are dropped. */
  stop(): Promise<void>;
}

const contentType = 'application/json';
/** What an asynchronous invocation or the result of a callback may have, in bytes. */
const maxPayloadBytes = 1024 * 1024;
const callbackPath = /^\/2025-12-01\/durable-execution-callbacks\/([^/]+)\/succeed$/;

/** Starts a Lambda of this machine's own: asynchronous Invoke calls of the AWS protocol on 127.0.0.1, the functions in this process. */
export async function startLambdaEndpoint(options: LambdaEndpointOptions): Promise<LambdaEndpoint> {
  const credentials = options.credentials ?? createLocalCredentials();
  const timeout = options.timeout ?? 60_000;
  const retryDelays = options.retryDelays ?? [60_000, 120_000];
  const background = new Set<Promise<void>>();
  const waiting = new Set<NodeJS.Timeout>();
  let stopping = false;

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => answerError(response, error, contentType));
  });
  const { url, close } = await listen(server);
  return {
    endpoint: url,
    credentials,
    stop: async () => {
      stopping = true;
      for (const timer of waiting) clearTimeout(timer);
      await close();
      await Promise.all(background);
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requireAccessKey(request, credentials);
    const callback = callbackPath.exec(request.url ?? '')?.[1];
    if (callback !== undefined) return answerCallback(request, response, decodeURIComponent(callback));
    const name = functionName(request);
    const tooLarge = `payload size must be less than or equal to ${maxPayloadBytes} bytes for the Event invocation type`;
    const body = await readBody(request, maxPayloadBytes, new ServiceError('RequestTooLargeException', tooLarge, 413));
    const entry = Object.hasOwn(options.functions, name) ? options.functions[name] : undefined;
    if (entry === undefined) {
      throw new ServiceError('ResourceNotFoundException', `Function not found: ${functionArn(name)}`, 404);
    }
    const event = parseEvent(body);
    if (typeof entry === 'function') inBackground(name, entry, event);
    else {
      const execution = request.headers['x-amz-durable-execution-name'];
      const arn = await entry.start(event, requireExecutionName(String(execution)));
      response.setHeader('x-amz-durable-execution-arn', arn);
    }
    response.writeHead(202).end();
  }

  async function answerCallback(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const tooLarge = new ServiceError('InvalidParameterValueException', 'The result is too large.', 413);
    const result = (await readBody(request, maxPayloadBytes, tooLarge)).toString('utf8');
    if (!(await options.completeCallback?.(id, result))) {
      throw new ServiceError('CallbackTimeoutException', 'The callback is over, or there never was one.', 400);
    }
    response.writeHead(200, { 'content-type': contentType }).end('{}');
  }

  /** Runs a function within its time. It cannot be stopped here as Lambda would stop it. What it returns after that is ignored. */
  async function run(name: string, handler: LambdaHandler, event: unknown, requestId: string): Promise<void> {
    const context = createLambdaContext({ name, timeout }, requestId);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const seconds = (timeout / 1000).toFixed(2);
      const error = new Error(`${new Date().toISOString()} ${requestId} Task timed out after ${seconds} seconds`);
      error.name = 'Sandbox.Timedout';
      reject(error);
    }, timeout);
    try {
      await Promise.race([handler(event, context), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  function inBackground(
    name: string,
    handler: LambdaHandler,
    event: unknown,
    requestId = randomUUID(),
    attempt = 0,
  ): void {
    // Each attempt gets the payload as it was sent, even if the one before modified it.
    const done = run(name, handler, structuredClone(event), requestId).catch((error: unknown) => {
      const delay = retryDelays[attempt];
      if (delay === undefined || stopping) return options.onAsyncFailure?.(name, error);
      const timer = setTimeout(() => {
        waiting.delete(timer);
        inBackground(name, handler, event, requestId, attempt + 1);
      }, delay);
      waiting.add(timer);
    });
    const settled = done.finally(() => background.delete(settled));
    background.add(settled);
  }
}

/** The name of the function that a request invokes asynchronously. */
function functionName(request: IncomingMessage): string {
  const name = /^\/2015-03-31\/functions\/([A-Za-z0-9_-]{1,140})\/invocations$/.exec(request.url ?? '')?.[1];
  if (request.method !== 'POST' || name === undefined || request.headers['x-amz-invocation-type'] !== 'Event') {
    throw new ServiceError('UnknownOperationException', 'The local Lambda knows asynchronous Invoke calls only.', 404);
  }
  return name;
}

function requireExecutionName(name: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(name)) return name;
  throw new ServiceError('InvalidParameterValueException', 'An execution name is 1 to 64 of A-Z, a-z, 0-9, - and _.');
}

function parseEvent(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new ServiceError('InvalidRequestContentException', `Could not parse request body into json: ${cause}`);
  }
}
