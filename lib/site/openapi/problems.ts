import {
  type DeclaredCode,
  type Problem,
  problemOf,
  refusedField,
  type SharedErrorCode,
  statusOfCode,
} from '../../core/errors.ts';
import type { JsonSchema } from '../../core/json-schema/schema.ts';

/** An OpenAPI object; the parts of the document are plain JSON. */
export type Part = Record<string, unknown>;

/** What the caller should do about each code. */
const meanings: Readonly<Record<SharedErrorCode, string>> = {
  invalid_json: 'the body is not a JSON object in UTF-8',
  invalid_request: 'a header or the path is not valid',
  unauthorized: 'the key is missing, unknown or revoked',
  forbidden: 'the key lacks the scope that `detail` names',
  not_found: 'no such call, connection or resource',
  method_not_allowed: 'the path takes another method',
  conflict: 'it exists already, or another request changed it at the same time',
  idempotency_in_progress: 'the first request with this Idempotency-Key is still running',
  payload_too_large: 'the body is over 1 MB, or 4.5 MB with a Base64 file',
  unsupported_media_type: 'the body is not declared as JSON',
  invalid_input: 'a field was refused; `errors` says which and why',
  idempotency_key_reused: 'this Idempotency-Key was used with another request',
  connection_needs_attention: "the vendor refuses the connection's credentials or address: correct the connection",
  vendor_too_old: "the vendor's server lacks this operation",
  run_failed: 'the message was stored, but the run that was waited for failed',
  rate_limited: "the key's calls per minute are used up; wait for `Retry-After`",
  vendor_rate_limited: 'the vendor asks to slow down; wait for `Retry-After`',
  vendor_bad_request: 'the vendor refused a value',
  vendor_forbidden: 'the vendor forbids it to this account',
  vendor_not_found: 'the vendor has no such resource',
  vendor_method_not_allowed: 'the vendor does not allow it here',
  vendor_not_acceptable: "the vendor's licence or settings do not allow it",
  vendor_conflict: 'it is already so at the vendor',
  vendor_precondition_failed: 'something else must be changed at the vendor first',
  vendor_too_large: 'longer than the vendor accepts',
  internal: 'an error in Trunkline; quote the requestId',
  vendor_failed: 'the vendor failed without saying why',
  vendor_malformed: "the vendor's response does not match its documentation",
  vendor_unreachable: 'no connection to the vendor; nothing was sent',
  vendor_maintenance: 'the vendor is under maintenance',
  unavailable: 'Trunkline is not ready; try again',
  paused: 'all sending is paused; try again once it is resumed',
  vendor_timeout: 'the vendor did not answer in time',
  outcome_unknown: 'the response to a write was lost: check before you send it again',
};

const nameOfStatus: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  412: 'PreconditionFailed',
  413: 'PayloadTooLarge',
  415: 'UnsupportedMediaType',
  422: 'UnprocessableContent',
  424: 'ConnectionNeedsAttention',
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'BadGateway',
  503: 'ServiceUnavailable',
  504: 'GatewayTimeout',
};

/** A code as the document describes it. */
type DescribedCode = Omit<DeclaredCode, 'code'> & { readonly code: string };

const sharedCodes: readonly DescribedCode[] = Object.entries(meanings).map(([code, meaning]) => ({
  code,
  status: statusOfCode[code as SharedErrorCode],
  meaning,
}));

/** The schema of every problem document, with the closed list of codes; `declared` are those of the vendors. */
export function problemSchema(declared: readonly DeclaredCode[]): JsonSchema {
  const codes = [...sharedCodes, ...declared];
  const sentences = codes.map(({ code, status, meaning }) => `- \`${code}\` (${status}): ${meaning}`);
  return {
    type: 'object',
    description: 'An RFC 9457 problem document. `message` repeats `detail` for clients that show the raw body.',
    required: ['type', 'title', 'status', 'detail', 'message', 'code', 'retryable', 'requestId'],
    examples: [problemExample()],
    properties: {
      type: { type: 'string', format: 'uri' },
      title: { type: 'string' },
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: { type: 'string', description: 'What went wrong and what to do next.' },
      message: { type: 'string', description: 'The same as `detail`.' },
      code: { type: 'string', enum: codes.map(({ code }) => code), description: sentences.join('\n') },
      retryable: { type: 'boolean', description: 'Whether the same request may be sent again unchanged.' },
      requestId: { type: 'string', description: 'Also in the header X-Request-Id.' },
      vendor: { type: 'string' },
      vendorCode: { type: 'string', description: "The vendor's own status or code." },
      referenceId: {
        type: 'string',
        description: 'What was sent with a write whose response was lost, by which it can be recognised later.',
      },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['pointer', 'message'],
          properties: {
            pointer: { type: 'string', description: 'JSON pointer into the input.' },
            message: { type: 'string' },
          },
        },
      },
    },
  };
}

function problemExample(): Problem {
  return problemOf(refusedField('/channelId', 'is required'), '3c0f5c2e-8f0e-4a68-a1c3-7a4d4d6f9f0a');
}

/** `components.headers`. */
export function headerComponents(): Part {
  const text = (description: string, example: string): Part => ({ description, schema: { type: 'string' }, example });
  return {
    RequestId: text('Identifies this request in the logs.', '3c0f5c2e-8f0e-4a68-a1c3-7a4d4d6f9f0a'),
    RateLimitPolicy: text('The calls (`q`) that the key may make in a window of `w` seconds.', '"minute";q=6000;w=60'),
    RateLimit: text('Calls that remain (`r`) and seconds until the count restarts (`t`).', '"minute";r=5999;t=60'),
    RetryAfter: { description: 'Whole seconds to wait.', schema: { type: 'integer', minimum: 1 }, example: 30 },
    IdempotentReplayed: {
      description: 'Set if this is the stored response of the first request with this Idempotency-Key.',
      schema: { type: 'string', const: 'true' },
    },
    Location: {
      description: 'The URL of the result.',
      schema: { type: 'string', format: 'uri-reference' },
      example: '/v1/runs/01k9',
    },
  };
}

/** Headers on every response to a call with a key. */
export const answerHeaders = (...more: string[]): Part =>
  Object.fromEntries(
    ['RequestId', 'RateLimit', 'RateLimitPolicy', ...more].map((name) => [
      headerNames[name] ?? name,
      { $ref: `#/components/headers/${name}` },
    ]),
  );

const headerNames: Readonly<Record<string, string>> = {
  RequestId: 'X-Request-Id',
  RateLimitPolicy: 'RateLimit-Policy',
  RetryAfter: 'Retry-After',
  IdempotentReplayed: 'Idempotent-Replayed',
};

/** `components.responses`: one per status that a problem can have, and `Problem` for any other. */
export function problemResponses(declared: readonly DeclaredCode[]): Part {
  const statuses = [...new Set(Object.values(statusOfCode))].sort((one, other) => one - other);
  const responses = Object.fromEntries(
    statuses.map((status) => [componentOf(status), problemResponse(status, describeStatus(status, declared))]),
  );
  return { ...responses, Problem: problemResponse(0, 'Any other problem.') };
}

/** The responses of an operation: those statuses as references, and if the vendor's refusal has a meaning here, that meaning first. */
export function problemsOf(
  statuses: Iterable<number>,
  meaningHere: ReadonlyMap<number, string> = new Map(),
  declared: readonly DeclaredCode[] = [],
): Part {
  const all = [...new Set([...statuses, ...meaningHere.keys()])].sort((one, other) => one - other);
  const responses = all.map((status): [string, Part] => {
    const meaning = meaningHere.get(status);
    if (meaning === undefined) return [String(status), { $ref: `#/components/responses/${componentOf(status)}` }];
    return [String(status), problemResponse(status, `${meaning}.\n\n${describeStatus(status, declared)}`.trim())];
  });
  return { ...Object.fromEntries(responses), default: { $ref: '#/components/responses/Problem' } };
}

function problemResponse(status: number, description: string): Part {
  const waits = status === 429 || status === 503;
  return {
    description,
    headers:
      status === 401
        ? { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } }
        : answerHeaders(...(waits ? ['RetryAfter'] : [])),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

function componentOf(status: number): string {
  return nameOfStatus[status] ?? `Status${status}`;
}

function describeStatus(status: number, declared: readonly DeclaredCode[]): string {
  return [...sharedCodes, ...declared]
    .filter((each) => each.status === status)
    .map(({ code, meaning }) => `- \`${code}\`: ${meaning}`)
    .join('\n');
}
