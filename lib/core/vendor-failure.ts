import { GatewayError, type SharedErrorCode } from './errors.ts';
import { HttpFailure } from './http/failure.ts';
import type { Effect } from './operation.ts';

/** The statuses with which a vendor refuses a request that callers see unchanged, each with its code. */
export const codeOfStatus: Readonly<Record<number, SharedErrorCode>> = {
  400: 'vendor_bad_request',
  403: 'vendor_forbidden',
  404: 'vendor_not_found',
  405: 'vendor_method_not_allowed',
  406: 'vendor_not_acceptable',
  409: 'vendor_conflict',
  412: 'vendor_precondition_failed',
  413: 'vendor_too_large',
};

/**
 * What a request without a full answer means for the caller. A write that may have arrived is `outcome_unknown` and never
 * sent again; a read, or what never left, may be. Anything but an `HttpFailure` is handed back as it is.
 */
export function failureOf(
  error: unknown,
  vendor: { name: string; title: string },
  effect: Effect,
  doing: string,
): unknown {
  if (!(error instanceof HttpFailure)) return error;
  const options = { vendor: vendor.name, cause: error };
  if (error.kind === 'refused-address') {
    return new GatewayError(
      'connection_needs_attention',
      `${vendor.title}'s address is not allowed: ${error.message}. Correct the connection's address, or set allowHttp or allowPrivateNetwork if it is your own server.`,
      options,
    );
  }
  if (isStoppedBefore(error)) {
    return new GatewayError(
      'unavailable',
      `The time of this call was up before ${doing} was sent to ${vendor.title}. Nothing was sent.`,
      options,
    );
  }
  if (!error.sent) {
    return new GatewayError(
      'vendor_unreachable',
      `${vendor.title} could not be reached: ${error.message}. Nothing was sent.`,
      options,
    );
  }
  if (effect !== 'read' && effect !== 'session') {
    return new GatewayError(
      'outcome_unknown',
      `${doing} was sent to ${vendor.title}, but its answer was lost (${error.message}). It may have been carried out; check before you send it again.`,
      { ...options, outcome: 'unknown' },
    );
  }
  if (error.kind === 'timeout' || error.kind === 'aborted') {
    return new GatewayError('vendor_timeout', `${vendor.title} did not answer ${doing} in time.`, {
      ...options,
      outcome: 'unknown',
    });
  }
  return new GatewayError('vendor_failed', `${vendor.title}'s answer to ${doing} broke off: ${error.message}.`, {
    ...options,
    outcome: 'unknown',
    retryable: true,
  });
}

/** What a check says of an error. */
export function wordsOf(error: unknown): string {
  return error instanceof GatewayError ? error.message : 'An unexpected error; see the log.';
}

/** True if the time was up before a request could begin: what took so long was not the vendor's answer to it. */
export function isStoppedBefore(error: unknown): boolean {
  return error instanceof HttpFailure && error.kind === 'aborted' && !error.sent;
}

/** `Retry-After` in seconds, given as seconds or as a date; `fallback` where there is none. */
export function retryAfter(header: string | undefined, now: number, fallback: number): number {
  if (header === undefined) return fallback;
  if (/^\d{1,7}$/.test(header.trim())) return Number(header.trim());
  const at = Date.parse(header);
  return Number.isNaN(at) ? fallback : Math.max(1, Math.ceil((at - now) / 1000));
}
