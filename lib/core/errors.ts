import { maskKnown } from './redaction/redact.ts';

/**
 * The codes that every vendor shares, with their HTTP status. A vendor's own status may replace it where the code starts with `vendor_`.
 * A vendor declares further ones in `Vendor.errorCodes`.
 */
export const statusOfCode = {
  invalid_json: 400,
  invalid_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  idempotency_in_progress: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  invalid_input: 422,
  idempotency_key_reused: 422,
  connection_needs_attention: 424,
  vendor_too_old: 424,
  run_failed: 424,
  rate_limited: 429,
  vendor_rate_limited: 429,
  vendor_bad_request: 400,
  vendor_forbidden: 403,
  vendor_not_found: 404,
  vendor_method_not_allowed: 405,
  vendor_not_acceptable: 406,
  vendor_conflict: 409,
  vendor_precondition_failed: 412,
  vendor_too_large: 413,
  internal: 500,
  vendor_failed: 502,
  vendor_malformed: 502,
  vendor_unreachable: 502,
  vendor_maintenance: 503,
  unavailable: 503,
  paused: 503,
  vendor_timeout: 504,
  outcome_unknown: 504,
} as const satisfies Record<string, number>;

export type SharedErrorCode = keyof typeof statusOfCode;

/** The name of a code that a vendor declares. */
export type VendorErrorCode = string & { readonly declaredBy: 'vendor' };

/** Every code that a problem can carry. */
export type ErrorCode = SharedErrorCode | VendorErrorCode;

/** A code that one vendor has in addition to the shared ones, with its HTTP status and a sentence for callers. */
export interface DeclaredCode {
  readonly code: VendorErrorCode;
  readonly status: number;
  readonly meaning: string;
  readonly retryable?: boolean;
}

/** Declares the codes of a vendor, by name. */
export function declareCodes<Name extends string>(
  codes: Readonly<Record<Name, Omit<DeclaredCode, 'code'>>>,
): Readonly<Record<Name, DeclaredCode>> {
  const declared = Object.entries<Omit<DeclaredCode, 'code'>>(codes).map(([code, rest]) => [code, { code, ...rest }]);
  // The same names, each with itself as its code.
  return Object.fromEntries(declared) as Readonly<Record<Name, DeclaredCode>>;
}

/** One refused field: a JSON pointer into the input and a sentence. */
export interface FieldError {
  pointer: string;
  message: string;
}

/**
 * Whether the vendor carried the request out: `no` when it certainly did not (nothing was sent, or it refused),
 * `unknown` when the answer was lost, `refused` when it answered with a documented refusal.
 */
export type Outcome = 'no' | 'unknown' | 'refused';

export interface ErrorOptions {
  status?: number;
  retryable?: boolean;
  /** Seconds after which the request may be repeated. */
  retryAfter?: number;
  vendor?: string;
  vendorCode?: string;
  errors?: FieldError[];
  /** What went out with a write, by which it can be recognised later. */
  referenceId?: string;
  outcome?: Outcome;
  /** `refused`: the vendor says that the session is not valid. `suspect`: it may be dead, a keepalive will tell. */
  session?: 'refused' | 'suspect';
  /** Headers of the answer, lower-case names. */
  headers?: Record<string, string>;
  cause?: unknown;
}

const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'idempotency_in_progress',
  'rate_limited',
  'vendor_rate_limited',
  'vendor_unreachable',
  'vendor_maintenance',
  'vendor_timeout',
  'unavailable',
  'paused',
]);

/** The only error that becomes a response with details. Any other thrown error is a bug and returns a plain 500. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly retryAfter?: number;
  readonly vendor?: string;
  readonly vendorCode?: string;
  readonly errors?: FieldError[];
  readonly referenceId?: string;
  readonly outcome: Outcome;
  readonly session?: 'refused' | 'suspect';
  readonly headers?: Record<string, string>;

  constructor(given: ErrorCode | DeclaredCode, message: string, options: ErrorOptions = {}) {
    // A vendor's words may repeat what it was sent.
    super(maskKnown(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    const declared = typeof given === 'object' ? given : undefined;
    this.code = typeof given === 'object' ? given.code : given;
    // A remembered error has its status with it.
    this.status = options.status ?? declared?.status ?? statusOfCode[this.code as SharedErrorCode];
    this.retryable = options.retryable ?? declared?.retryable ?? retryableCodes.has(this.code);
    this.outcome = options.outcome ?? 'no';
    if (options.retryAfter !== undefined) this.retryAfter = options.retryAfter;
    if (options.vendor !== undefined) this.vendor = options.vendor;
    if (options.vendorCode !== undefined) this.vendorCode = options.vendorCode;
    if (options.errors !== undefined) this.errors = options.errors.map(masked);
    if (options.referenceId !== undefined) this.referenceId = options.referenceId;
    if (options.session !== undefined) this.session = options.session;
    if (options.headers !== undefined) this.headers = options.headers;
  }
}

/** Makes the errors of one vendor. */
export function vendorError(vendor: string) {
  return (code: ErrorCode | DeclaredCode, message: string, options: ErrorOptions = {}): GatewayError =>
    new GatewayError(code, message, { vendor, ...options });
}

function masked({ pointer, message }: FieldError): FieldError {
  return { pointer, message: maskKnown(message) };
}

/** The error for deleting what something else still uses. `users` are words such as `automation "Night shift"`. */
export function inUse(what: string, users: readonly string[]): GatewayError {
  return new GatewayError('conflict', `${what} is used by ${users.join(', ')}. Change or delete that first.`);
}

/** The refusal of an input with all its errors; the message quotes the first. */
export function refusedInput(
  errors: FieldError[],
  what = 'The input',
  code: ErrorCode = 'invalid_input',
): GatewayError {
  const [first] = errors;
  const why = first ? `${first.pointer || 'body'} ${first.message}` : 'see errors';
  return new GatewayError(code, `${what} was refused: ${why}`, { errors });
}

/** The refusal of one field of the input, named by its JSON pointer. */
export function refusedField(pointer: string, message: string): GatewayError {
  return refusedInput([{ pointer, message }]);
}

/** For `catch`: returns undefined for `not_found` and throws every other error again. */
export function undefinedIfNotFound(error: unknown): undefined {
  if (!(error instanceof GatewayError) || error.code !== 'not_found') throw error;
}

/** A 405 with the `Allow` header that RFC 9110 asks for. */
export function methodNotAllowed(what: string, method: string, allowed: readonly string[]): GatewayError {
  const methods = [...new Set(allowed)].join(', ');
  return new GatewayError('method_not_allowed', `${what} takes ${methods}, not ${method.slice(0, 20)}.`, {
    headers: { allow: methods },
  });
}

/** An RFC 9457 problem document; `message` repeats `detail` for clients that show the raw body. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  message: string;
  code: ErrorCode;
  retryable: boolean;
  requestId: string;
  vendor?: string;
  vendorCode?: string;
  errors?: FieldError[];
  referenceId?: string;
}

/** The error that is returned to a caller. An unexpected error reveals no details. */
export function answeredError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (isDiskFull(error)) {
    const message = 'The disk is full, so nothing was stored. Free some space, then send it again.';
    return new GatewayError('unavailable', message, { retryAfter: 30, cause: error });
  }
  if (isOutage(error)) {
    const message = 'Storage is overloaded or cannot be reached just now. Try again.';
    return new GatewayError('unavailable', message, { retryAfter: 2, cause: error });
  }
  return new GatewayError('internal', 'Something went wrong on our side. Quote the requestId when you report it.');
}

/** On one machine: as files and the embedded database report it. */
function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error as { code?: unknown }).code === 'ENOSPC' || error.message.includes('database or disk is full');
}

const outages =
  /^(E(CONN(REFUSED|RESET|ABORTED)|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NOSPC)|TimeoutError|.*Throttl.*|ProvisionedThroughputExceeded(Exception)?|RequestLimitExceeded|TooManyRequestsException|SlowDown|(Internal|Service)(Server|Service)?(Error|Failure|Unavailable)(Exception)?|RequestTimeout)$/;

/** Whether the table, the bucket or another service of ours had no capacity, failed or could not be reached, by the SDK's names. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // What the SDK adds to its errors, and the database to a transaction that it did not carry out.
  const { code, $metadata, CancellationReasons } = error as {
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
    CancellationReasons?: { Code?: string }[];
  };
  const names = [error.name, code, ...(CancellationReasons ?? []).map(({ Code }) => Code)];
  return (
    ($metadata?.httpStatusCode ?? 0) >= 500 ||
    names.some((name) => typeof name === 'string' && (outages.test(name) || name === 'TransactionConflict'))
  );
}

/** The problem document of an error. */
export function problemOf(error: unknown, requestId: string): Problem {
  const known = answeredError(error);
  return {
    type: `https://trunkline.dev/problems/${known.code}`,
    title: titleOf(known.code),
    status: known.status,
    // Masked again: a secret may have become known since the error was made.
    detail: maskKnown(known.message),
    message: maskKnown(known.message),
    code: known.code,
    retryable: known.retryable,
    requestId,
    ...(known.vendor !== undefined && { vendor: known.vendor }),
    ...(known.vendorCode !== undefined && { vendorCode: known.vendorCode }),
    ...(known.errors !== undefined && { errors: known.errors }),
    ...(known.referenceId !== undefined && { referenceId: known.referenceId }),
  };
}

/** Titles that cannot be formed from the words of their code. */
const titles: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_json: 'Invalid JSON',
  vendor_bad_request: 'Refused by the vendor',
  vendor_conflict: 'Conflict at the vendor',
  vendor_forbidden: 'Forbidden by the vendor',
  vendor_not_found: 'Not found at the vendor',
};

function titleOf(code: ErrorCode): string {
  const title = titles[code];
  if (title !== undefined) return title;
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
