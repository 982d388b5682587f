import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { equalInConstantTime } from '../../lib/core/constant-time.ts';

/** An error as an AWS service answers it; `name` is the class that the SDK throws at the caller. */
export class ServiceError extends Error {
  readonly status: number;
  /** Extra fields of the response, next to the message. */
  readonly fields: object;

  constructor(name: string, message: string, status = 400, fields: object = {}) {
    super(message);
    this.name = name;
    this.status = status;
    this.fields = fields;
  }
}

/** Static credentials for the SDK clients of one local endpoint; requests without them are refused. */
export interface LocalCredentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** New credentials that no other program on the machine knows. */
export function createLocalCredentials(): LocalCredentials {
  return {
    accessKeyId: `LOCAL${randomBytes(16).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(32).toString('base64url'),
  };
}

/**
 * Throws unless the request was signed with the access key and does not come from a web page. Only the key id is compared: it is
 * random, and everything stays on this machine; this keeps out other users' programs and web pages that guess the port.
 */
export function requireAccessKey(request: IncomingMessage, credentials: LocalCredentials): void {
  const given = /^AWS4-HMAC-SHA256 Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const isKnown = equalInConstantTime(given, credentials.accessKeyId);
  if (isKnown && request.headers.origin === undefined && isLoopback(request.headers.host)) return;
  throw new ServiceError('UnrecognizedClientException', 'The security token included in the request is invalid.', 403);
}

/** A foreign name that resolves to this machine (DNS rebinding) is refused. */
function isLoopback(host = ''): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host);
}

/** The whole body; throws `tooLarge` beyond the limit in bytes. */
export async function readBody(request: IncomingMessage, limit: number, tooLarge: ServiceError): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The JSON object that a body holds. */
export function parseJson(body: Buffer): Record<string, unknown> {
  try {
    const input: unknown = JSON.parse(body.toString('utf8'));
    if (typeof input === 'object' && input !== null) return { ...input };
  } catch {
    // Answered below.
  }
  throw new ServiceError('SerializationException', 'The request body is not a JSON object.');
}

/** What is not a `ServiceError` is the endpoint's own failure. */
export function errorOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  return new ServiceError('InternalServiceError', `The local endpoint failed: ${error}`, 500);
}

/** Answers with an AWS error. */
export function answerError(response: ServerResponse, error: unknown, contentType: string): void {
  const { status, name, message, fields } = errorOf(error);
  const body = JSON.stringify({ ...fields, __type: name, message, Message: message });
  // A body that was not read to its end would be taken for the next request.
  if (!response.req.complete) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': contentType, 'x-amzn-errortype': name }).end(body);
}
