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

/** How a durable function was called. `name` is the caller's `DurableExecutionName`, or one of ours if it gave none. */
export interface DurableStart {
  name: string;
  functionArn: string;
}

/**
 * A durable function. `start` resolves once the execution is stored, so that a caller that received 202 has lost nothing; it
 * throws a `ServiceError` named `DurableExecutionAlreadyStartedException` (409) when the name is taken by another payload.
 */
export interface DurableFunction {
  start(event: unknown, start: DurableStart): Promise<{ executionArn: string; result: Promise<unknown> }>;
}

export interface LambdaEndpointOptions {
  /** By function name; may be filled after the start. */
  functions: Record<string, LambdaHandler | DurableFunction>;
  port?: number;
  /** Completes the callback of a durable execution; false when it is over. */
  completeCallback?: (callbackId: string, result: string) => Promise<boolean>;
  /** The key that callers must sign with. Generated if absent. */
  credentials?: LocalCredentials;
  /** Milliseconds that a function that is not durable may take; 60,000 when absent. */
  timeout?: number;
  /** Milliseconds before the second and the third attempt of an asynchronous invocation; a minute and two when absent. */
  retryDelays?: number[];
  /** Told when an asynchronous invocation has failed for good. */
  onAsyncFailure?: (functionName: string, error: unknown) => void;
}

/** What an SDK client is given: `new LambdaClient({ endpoint, credentials, region: 'us-east-1' })`. */
export interface LambdaEndpoint {
  endpoint: string;
  credentials: LocalCredentials;
  /** Resolves when no invocation runs any more; retries that still wait are dropped. */
  stop(): Promise<void>;
}

const contentType = 'application/json';
const megabyte = 1024 * 1024;
const payloadLimit = { RequestResponse: 6 * megabyte, Event: megabyte, DryRun: 6 * megabyte };
type InvocationType = keyof typeof payloadLimit;
const callbackPath = /^\/2025-12-01\/durable-execution-callbacks\/([^/]+)\/succeed$/;

/** Starts a Lambda of this machine's own: the Invoke call of the AWS protocol on 127.0.0.1, the functions in this process. */
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
  const { url, close } = await listen(server, { port: options.port ?? 0 });
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
    const target = parseTarget(request);
    const type = String(request.headers['x-amz-invocation-type'] ?? 'RequestResponse');
    if (!isInvocationType(type)) {
      throw new ServiceError('InvalidParameterValueException', `${type} is not an invocation type.`);
    }
    const limit = payloadLimit[type];
    const tooLarge = `payload size must be less than or equal to ${limit} bytes for the ${type} invocation type`;
    const body = await readBody(request, limit, new ServiceError('RequestTooLargeException', tooLarge, 413));
    const entry = Object.hasOwn(options.functions, target.name) ? options.functions[target.name] : undefined;
    if (entry === undefined) {
      throw new ServiceError(
        'ResourceNotFoundException',
        `Function not found: ${functionArn(target.name, target.qualifier)}`,
        404,
      );
    }
    const event = parseEvent(body);
    response.setHeader('x-amz-executed-version', '$LATEST');
    if (type === 'DryRun') {
      response.writeHead(204).end();
    } else if (typeof entry !== 'function') {
      const durableName = request.headers['x-amz-durable-execution-name'];
      const execution = await entry.start(event, {
        name: durableName === undefined ? randomUUID() : requireExecutionName(String(durableName)),
        functionArn: functionArn(target.name, target.qualifier),
      });
      response.setHeader('x-amz-durable-execution-arn', execution.executionArn);
      if (type === 'Event') {
        execution.result.catch((error) => options.onAsyncFailure?.(target.name, error));
        response.writeHead(202).end();
      } else {
        await answerResult(response, execution.result);
      }
    } else if (type === 'Event') {
      inBackground(target, entry, event);
      response.writeHead(202).end();
    } else {
      await answerResult(response, run(target, entry, event, randomUUID()));
    }
  }

  async function answerCallback(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const tooLarge = new ServiceError('InvalidParameterValueException', 'The result is too large.', 413);
    const result = (await readBody(request, payloadLimit.Event, tooLarge)).toString('utf8');
    if (!(await options.completeCallback?.(id, result))) {
      throw new ServiceError('CallbackTimeoutException', 'The callback is over, or there never was one.', 400);
    }
    response.writeHead(200, { 'content-type': contentType }).end('{}');
  }

  /** Runs a function within its time. It cannot be stopped here as Lambda would: what it does after that is nobody's answer. */
  async function run(target: Target, handler: LambdaHandler, event: unknown, requestId: string): Promise<unknown> {
    const context = createLambdaContext({ ...target, timeout }, requestId);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const seconds = (timeout / 1000).toFixed(2);
      const error = new Error(`${new Date().toISOString()} ${requestId} Task timed out after ${seconds} seconds`);
      error.name = 'Sandbox.Timedout';
      reject(error);
    }, timeout);
    try {
      return await Promise.race([handler(event, context), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  function inBackground(
    target: Target,
    handler: LambdaHandler,
    event: unknown,
    requestId = randomUUID(),
    attempt = 0,
  ): void {
    // Each attempt gets the payload as it was sent, whatever the one before did to it.
    const done = run(target, handler, structuredClone(event), requestId).then(
      () => {},
      (error: unknown) => {
        const delay = retryDelays[attempt];
        if (delay === undefined || stopping) {
          options.onAsyncFailure?.(target.name, error);
          return;
        }
        const timer = setTimeout(() => {
          waiting.delete(timer);
          inBackground(target, handler, event, requestId, attempt + 1);
        }, delay);
        waiting.add(timer);
      },
    );
    const settled = done.finally(() => background.delete(settled));
    background.add(settled);
  }
}

interface Target {
  name: string;
  qualifier: string | undefined;
}

/** The path names the function as `name`, `name:alias`, or the whole or the shortened ARN of either; the query may name the alias. */
function parseTarget(request: IncomingMessage): Target {
  const [path = '', query] = (request.url ?? '').split('?');
  const given = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(path)?.[1];
  if (request.method !== 'POST' || given === undefined) {
    throw new ServiceError('UnknownOperationException', 'The local Lambda knows the Invoke call only.', 404);
  }
  const [name = '', alias] = decodeURIComponent(given)
    .replace(/^(arn:[^:]+:lambda:[^:]+:)?\d{12}:function:|^function:/, '')
    .split(':');
  if (!/^[A-Za-z0-9_-]{1,140}$/.test(name)) {
    throw new ServiceError('InvalidParameterValueException', `${name} is not the name of a function.`);
  }
  return { name, qualifier: alias ?? new URLSearchParams(query).get('Qualifier') ?? undefined };
}

function isInvocationType(type: string): type is InvocationType {
  return Object.hasOwn(payloadLimit, type);
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

/** A failed function is an answer, too: 200, with `X-Amz-Function-Error` and the error as its payload. */
async function answerResult(response: ServerResponse, result: Promise<unknown>): Promise<void> {
  let payload: string;
  try {
    payload = JSON.stringify((await result) ?? null);
    if (Buffer.byteLength(payload) > payloadLimit.RequestResponse) {
      const error = new Error('Response payload size exceeded maximum allowed payload size (6291556 bytes).');
      error.name = 'Function.ResponseSizeTooLarge';
      throw error;
    }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    response.setHeader('x-amz-function-error', 'Unhandled');
    payload = JSON.stringify({
      errorType: error.name,
      errorMessage: error.message,
      trace: (error.stack ?? '').split('\n').map((line) => line.trim()),
    });
  }
  response.writeHead(200, { 'content-type': contentType }).end(payload);
}
