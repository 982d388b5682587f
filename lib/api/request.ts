import { GatewayError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';

/** One HTTP request, independent of how it arrived. Header names are lower case. */
export interface HttpRequest {
  method: string;
  /** Decoded. */
  path: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | undefined>>;
  rawBody: Buffer;
  requestId: string;
  /** Aborts when the call's 25 s are over. */
  signal: AbortSignal;
  sourceIp: string;
}

/**
 * Limits of a JSON body in bytes: the default, and the limit when it contains a file as Base64. Lambda takes 6 MB, and API Gateway
 * makes a body a third longer whose type it does not know as text.
 */
export const bodyLimitBytes = 1024 * 1024;
export const bodyLimitWithFileBytes = 4_500_000;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON object of a body; an empty body is an empty object. */
export function jsonBody(request: HttpRequest): Record<string, unknown> {
  const { rawBody } = request;
  if (rawBody.length === 0) return {};
  if (rawBody.length > bodyLimitWithFileBytes) throw tooLarge(rawBody.length);
  requireUncompressed(request);
  const type = request.headers['content-type'];
  if (type !== undefined && !/^[\w.+-]+\/(?:[\w.+-]+\+)?json\b/i.test(type.trim())) {
    throw new GatewayError(
      'unsupported_media_type',
      `Send JSON with "Content-Type: application/json", not ${JSON.stringify(type.slice(0, 80))}.`,
    );
  }
  let text: string;
  try {
    text = utf8.decode(rawBody);
  } catch (cause) {
    throw new GatewayError('invalid_json', 'The body is not valid UTF-8.', { cause });
  }
  const value = readJson(text);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new GatewayError('invalid_json', 'The body must be a JSON object.', {
      errors: [{ pointer: '', message: 'must be an object' }],
    });
  }
  const body = value as Record<string, unknown>;
  const file = Object.hasOwn(body, 'file') ? (body.file as { base64?: unknown } | null) : undefined;
  if (rawBody.length > bodyLimitBytes && typeof file?.base64 !== 'string') throw tooLarge(rawBody.length);
  return body;
}

/** Throws `unsupported_media_type` for a body with a `Content-Encoding`. */
export function requireUncompressed({ headers }: Pick<HttpRequest, 'headers'>): void {
  const coding = headers['content-encoding'];
  if (coding === undefined || coding.toLowerCase() === 'identity') return;
  throw new GatewayError('unsupported_media_type', 'Send the body without a Content-Encoding.', {
    headers: { 'accept-encoding': 'identity' },
  });
}

/** The error for a body that is not JSON, with where and why. */
export function invalidJson(cause: unknown): GatewayError {
  const reason =
    cause instanceof Error ? cause.message.replace(/^Not valid JSON/, 'it cannot be read').slice(0, 200) : 'unreadable';
  return new GatewayError('invalid_json', `The body is not valid JSON: ${reason}.`, { cause });
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw invalidJson(cause);
  }
}

function tooLarge(length: number): GatewayError {
  return new GatewayError(
    'payload_too_large',
    `The body has ${length} bytes; the limit is ${bodyLimitBytes}, or ${bodyLimitWithFileBytes} with a Base64 file.`,
  );
}
