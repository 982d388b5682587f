import middy, { type MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type { Principal } from '../api/keys/key-check.ts';
import type { HttpRequest } from '../api/request.ts';
import type { InvokeAnswer } from '../connections/invoke.ts';
import { answeredError, GatewayError, problemOf } from '../core/errors.ts';
import { originHeaders, preflightHeaders } from '../core/http/allowed-origins.ts';
import { log } from './log.ts';
import { type Services, services } from './services.ts';
import { endAfter } from './system.ts';
import { encodeText, weakTag } from './text-answer.ts';

/** An answer before it is encoded. A string body is sent unchanged under its `content-type`. */
export type HttpAnswer = InvokeAnswer;

/** The state of one request, attached to the event of its invocation. */
interface Progress {
  startedAt: number;
  request: HttpRequest;
  principal?: Principal;
  rateHeaders?: Record<string, string>;
}

export type HttpHandler = (request: HttpRequest, principal: Principal, services: Services) => Promise<HttpAnswer>;
export type OpenHttpHandler = (request: HttpRequest, services: Services) => Promise<HttpAnswer>;

/** The time limit of a call, in milliseconds. API Gateway times out after 30 s. */
const callTimeoutMs = 25_000;

type Chain = MiddlewareObj<
  APIGatewayProxyEventV2,
  APIGatewayProxyStructuredResultV2,
  Error,
  Context,
  Record<string, unknown>
>;

/**
 * A Lambda handler behind API Gateway for callers with a key: request, key, rate, problem document, one log line. A HEAD is answered
 * like the GET: the server in front sends its headers and leaves out the body.
 */
export function httpFunction(handle: HttpHandler) {
  return chain(
    ({ request, principal }, provided) => {
      if (!principal) throw new Error('The key check did not run');
      return handle(request.method === 'HEAD' ? { ...request, method: 'GET' } : request, principal, provided);
    },
    [crossOrigin()],
  ).use(keyCheck());
}

/** The same without a key: what the public may see, and hooks, which check their own secret. */
export function openHttpFunction(handle: OpenHttpHandler) {
  return chain((progress, provided) => handle(progress.request, provided));
}

function chain(run: (progress: Progress, provided: Services) => Promise<HttpAnswer>, around: readonly Chain[] = []) {
  return middy<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Error, Context, Record<string, unknown>>({
    timeoutEarlyInMillis: 0,
  })
    .use([requestLog(), ...around, problems()])
    .handler(async (event, context) => {
      const progress = progressOf(event, context);
      const provided = services();
      return encode(await run(progress, provided), progress, provided);
    });
}

const progressOfInvocation = Symbol('progress');

function progressOf(event: APIGatewayProxyEventV2 & { [progressOfInvocation]?: Progress }, context: Context): Progress {
  event[progressOfInvocation] ??= { startedAt: performance.now(), request: requestOf(event, context) };
  return event[progressOfInvocation];
}

function requestOf(event: APIGatewayProxyEventV2, context: Context): HttpRequest {
  return {
    method: event.requestContext.http.method,
    path: event.rawPath,
    query: new URLSearchParams(event.rawQueryString),
    headers: event.cookies ? { ...event.headers, cookie: event.cookies.join('; ') } : event.headers,
    rawBody:
      event.body === undefined ? Buffer.alloc(0) : Buffer.from(event.body, event.isBase64Encoded ? 'base64' : 'utf8'),
    requestId: event.requestContext.requestId ?? context.awsRequestId,
    signal: endAfter(callTimeoutMs),
    sourceIp: event.requestContext.http.sourceIp,
  };
}

/** Lets pages of the allowed origins call the API: answers their preflight requests and marks every answer, errors included. */
function crossOrigin(): Chain {
  const mark: NonNullable<Chain['after']> = (state) => {
    const { allowedOrigins } = services();
    if (allowedOrigins.length === 0) return;
    const { request } = progressOf(state.event, state.context);
    const { response } = state;
    if (response === null || typeof response !== 'object') return;
    const { vary, ...allowed } = originHeaders(allowedOrigins, request.headers.origin);
    const before = response.headers?.vary;
    response.headers = {
      ...response.headers,
      ...allowed,
      ...(vary !== undefined && { vary: before === undefined ? vary : `${before}, ${vary}` }),
    };
  };
  return {
    before: ({ event, context }) => {
      const { method, headers, requestId } = progressOf(event, context).request;
      const preflight = preflightHeaders(services().allowedOrigins, method, headers);
      return preflight && { statusCode: 204, headers: { ...preflight, 'x-request-id': requestId } };
    },
    after: mark,
    onError: mark,
  };
}

function keyCheck(): Chain {
  return {
    before: async ({ event, context }) => {
      const progress = progressOf(event, context);
      const provided = services();
      progress.principal = await provided.keyCheck.check(progress.request);
      progress.rateHeaders = provided.rates.take(progress.principal, provided.clock.now());
    },
  };
}

/** Registered after the log and therefore first on an error: turns it into a problem document. */
function problems(): Chain {
  return {
    onError: (state) => {
      const progress = progressOf(state.event, state.context);
      const { error } = state;
      const answered = answeredError(error);
      const problem = problemOf(answered, progress.request.requestId);
      if (answered !== error) {
        log({ level: 'error', requestId: progress.request.requestId, message: error?.message, stack: error?.stack });
      }
      state.response = {
        statusCode: problem.status,
        headers: {
          'content-type': 'application/problem+json',
          'x-request-id': progress.request.requestId,
          ...progress.rateHeaders,
          ...answered.headers,
          ...(answered.retryAfter !== undefined && {
            'retry-after': String(Math.max(1, Math.ceil(answered.retryAfter))),
          }),
          ...(problem.status === 401 && { 'www-authenticate': 'Bearer' }),
        },
        body: JSON.stringify(problem),
      };
    },
  };
}

function requestLog(): Chain {
  const line: NonNullable<Chain['after']> = (state) => {
    const { request, principal, startedAt } = progressOf(state.event, state.context);
    const failed = state.error instanceof GatewayError ? { code: state.error.code, problem: state.error.message } : {};
    log({
      level: (state.response?.statusCode ?? 500) >= 500 ? 'error' : 'info',
      requestId: request.requestId,
      method: request.method,
      // The remainder of these paths is a secret.
      path: request.path.replace(/^\/(hooks|links)\/.*/, '/$1/…'),
      status: state.response?.statusCode,
      ms: Math.round((performance.now() - startedAt) * 100) / 100,
      ...(principal && { keyId: principal.keyId }),
      ...failed,
    });
  };
  return { after: line, onError: line };
}

async function encode(
  answer: HttpAnswer,
  progress: Progress,
  provided: Services,
): Promise<APIGatewayProxyStructuredResultV2> {
  const headers = { 'x-request-id': progress.request.requestId, ...progress.rateHeaders };
  if ('file' in answer) {
    const { encodeFile } = await import('./file-answer.ts');
    return encodeFile(answer, headers, provided.files);
  }
  const { status, body } = answer;
  if (body === undefined) return { statusCode: status, headers: { ...headers, ...answer.headers } };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const given: Record<string, string> = {
    ...(typeof body !== 'string' && { 'content-type': 'application/json' }),
    ...headers,
    ...answer.headers,
  };
  const { method } = progress.request;
  const isTagged = progress.principal && status === 200 && /^(?:GET|HEAD)$/.test(method) && !given['cache-control'];
  return encodeText(
    status,
    isTagged ? { ...given, etag: weakTag(text), 'cache-control': 'private, no-cache' } : given,
    text,
    progress.request,
  );
}
