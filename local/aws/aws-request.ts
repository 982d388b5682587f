import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** An error as an AWS service answers it; `name` is the class that the SDK throws at the caller. */
export class ServiceError extends Error {
  readonly status: number;

  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

/** Static credentials for the SDK clients of one local endpoint; who does not have them is refused. */
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
 * Throws unless the request was signed with the access key. The key id alone is compared: it is random, and everything stays on
 * this machine; this keeps out other programs and web pages that guess the port.
 */
export function requireAccessKey(request: IncomingMessage, credentials: LocalCredentials): void {
  const given = /^AWS4-HMAC-SHA256 Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (timingSafeEqual(digest(given), digest(credentials.accessKeyId))) return;
  throw new ServiceError('UnrecognizedClientException', 'The security token included in the request is invalid.', 403);
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

/** Answers with an AWS error; what is not a `ServiceError` is the endpoint's own failure. */
export function answerError(response: ServerResponse, error: unknown, contentType: string): void {
  const known =
    error instanceof ServiceError
      ? error
      : new ServiceError('InternalServiceError', `The local endpoint failed: ${error}`, 500);
  const body = JSON.stringify({ __type: known.name, message: known.message, Message: known.message });
  // A body that was not read to its end would be taken for the next request.
  if (!response.req.complete) response.setHeader('connection', 'close');
  response.writeHead(known.status, { 'content-type': contentType, 'x-amzn-errortype': known.name }).end(body);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
