import { type ErrorCode, GatewayError } from '../../../core/errors.ts';
import { redactText } from '../../../core/redaction/redact.ts';
import { title } from '../connection.ts';

/** Identifies a deadlock among the vendor's codes. */
export const deadlock = 'deadlock';

/** A monthly quota does not recover within a minute; retrying once an hour is soon enough. */
const quotaPauseSeconds = 3600;

/** Keys that the vendor reports as dead. It puts these words first, so that user text cannot pass for them. */
const deadKey =
  /^(?:apiProcess\d+:\s*)?(?:(?:invalid|expired|unknown|wrong|missing|bad)\s+(?:sess(?:ion)?|oauth|app)\s?key\b|invalid\s+(?:o_u|login|session)\b|session\s+(?:has\s+)?(?:expired|not\s+found|invalid))/i;
const quota =
  /\bquota\b|too many (?:requests|calls)|(?:monthly|daily|api|call)s? limit|limit (?:is )?(?:reached|exceeded)/i;

/** The meaning of a refusal, by the first words that match; the vendor has no catalogue of them. */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /no access|not allowed|forbidden|permission|no rights?\b|denied|not yours|takes no writes|read ?only|unauthori[sz]ed/i,
    'vendor_forbidden',
  ],
  [/already exists|duplicate/i, 'vendor_conflict'],
  [
    /\bunknown (?!parameter|request|key|predicate|system)|not found|does ?n[o']t exist|no such|is not in (?:category|book)|inconnu/i,
    'vendor_not_found',
  ],
  [/too (?:large|big|long)/i, 'vendor_too_large'],
  [/invalid|missing|must |expected|needed|malformed|unknown|empty|not a |announced|only /i, 'vendor_bad_request'],
];

/** The message of a refusal, in either of its two shapes. */
export function wordsOf(body: Record<string, unknown>): { words: string; code?: string } {
  const { error, errorMsg, errorCode } = body;
  const words =
    [errorMsg, error].find((each) => each !== undefined && each !== null && each !== '') ?? 'no reason given';
  const text = typeof words === 'string' ? words : JSON.stringify(words);
  const code = errorCode === undefined || errorCode === null ? /^(apiProcess\d+)\b/.exec(text)?.[1] : String(errorCode);
  return { words: redactText(text.slice(0, 500)), ...(code && { code }) };
}

/** The error for a `status: "nok"`. Its message decides, since the HTTP status is always 200. */
export function refusalOf(body: Record<string, unknown>, doing: string): GatewayError {
  const { words, code } = wordsOf(body);
  const shared = { vendor: 'timetonic', ...(code && { vendorCode: code }) };
  if (deadKey.test(words)) {
    return new GatewayError('connection_needs_attention', `${title} says to ${doing}: ${words}.`, {
      ...shared,
      outcome: 'no',
      session: 'refused',
    });
  }
  if (/deadlock/i.test(words)) {
    return new GatewayError('vendor_failed', `${title} ended ${doing} in a deadlock.`, {
      ...shared,
      vendorCode: deadlock,
      retryable: true,
    });
  }
  if (quota.test(words)) {
    return new GatewayError('vendor_rate_limited', `${title} has no calls left for this account: ${words}.`, {
      ...shared,
      retryAfter: quotaPauseSeconds,
    });
  }
  // Answered by a TimeTonic server at an address below or above its API.
  const hint = /unknown url/i.test(words) ? ' Check baseUrl: it ends in /live.' : '';
  const found = meanings.find(([pattern]) => pattern.test(words));
  return new GatewayError(found?.[1] ?? 'vendor_failed', `${title} refused ${doing}: ${words}.${hint}`, {
    ...shared,
    outcome: 'refused',
  });
}
