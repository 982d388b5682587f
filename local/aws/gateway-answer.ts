import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type GatewayError, problemOf } from '../../lib/core/errors.ts';

/** What a Lambda may answer at most, in bytes of its payload. */
export const maxLambdaPayloadBytes = 6 * 1024 * 1024;

/**
 * Writes what a function returned as API Gateway does for payload format 2.0: with a `statusCode` it is the answer itself,
 * anything else is the JSON body of a 200. Throws when it is neither; nothing has been written then.
 */
export function writeAnswer(response: ServerResponse, result: unknown): void {
  if (typeof result !== 'object' || result === null || !('statusCode' in result)) {
    const text = typeof result === 'string' ? result : JSON.stringify(result ?? null);
    send(response, 200, ['content-type', 'application/json'], text);
    return;
  }
  const { statusCode, headers, body, isBase64Encoded, cookies } = result as Record<string, unknown>;
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new Error(`${statusCode} is not a status code`);
  if (body !== undefined && body !== null && typeof body !== 'string') throw new Error('The body is not a string');
  const lines: string[] = [];
  let hasType = false;
  if (typeof headers === 'object' && headers !== null) {
    const given = headers as Record<string, unknown>;
    for (const name in given) {
      const value = given[name];
      const lower = name.toLowerCase();
      if (value === undefined || value === null || dropped.has(lower)) continue;
      if (lower === 'content-type') hasType = true;
      lines.push(lower, typeof value === 'string' ? value : String(value));
    }
  }
  if (Array.isArray(cookies)) for (const cookie of cookies) lines.push('set-cookie', String(cookie));
  if (!hasType && body) lines.push('content-type', 'text/plain;charset=UTF-8');
  send(response, status, lines, isBase64Encoded === true ? Buffer.from(body ?? '', 'base64') : (body ?? ''));
}

/** Writes a response of API Gateway itself, unless one was sent; `close` then stops reading the body. */
export function writeMessage(response: ServerResponse, status: number, message: string, close = false): void {
  if (response.headersSent || response.destroyed) return;
  if (close) response.shouldKeepAlive = false;
  const body = JSON.stringify({ message });
  response
    .writeHead(status, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))])
    .end(body);
}

/** Writes the problem document of an error, unless there is an answer. */
export function writeProblem(response: ServerResponse, error: GatewayError): void {
  if (response.headersSent || response.destroyed) return;
  const requestId = randomUUID();
  const problem = problemOf(error, requestId);
  const body = JSON.stringify(problem);
  const lines = ['content-type', 'application/problem+json', 'x-request-id', requestId];
  if (problem.status === 401) lines.push('www-authenticate', 'Bearer');
  response.writeHead(problem.status, [...lines, 'content-length', String(Buffer.byteLength(body))]).end(body);
}

// API Gateway sets these itself.
const dropped = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'trailer', 'upgrade']);

function send(response: ServerResponse, status: number, lines: string[], body: string | Buffer): void {
  if (body.length > maxLambdaPayloadBytes) throw new Error('The answer is larger than the 6 MB that Lambda allows');
  const size = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  if (status !== 204 && status !== 304) lines.push('content-length', String(size));
  response.writeHead(status, lines).end(body);
}
