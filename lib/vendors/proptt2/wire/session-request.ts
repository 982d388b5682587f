import { GatewayError } from '../../../core/errors.ts';
import type { Effect } from '../../../core/operation.ts';
import { redactText } from '../../../core/redaction/redact.ts';
import type { VendorCall } from '../../../core/vendor.ts';
import { codeOfStatus, retryAfter } from '../../../core/vendor-failure.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import { type Proptt2Session, sessionQuery } from '../session.ts';
import { type Proptt2Answer, protocolRequest, title } from './protocol.ts';

export type Proptt2Call = VendorCall<Proptt2Settings, Proptt2Credentials, Proptt2Session>;

/** Sends a request below `/openapi/1` with the session in its query, and returns the response body. */
export async function sessionRequest(...request: Parameters<typeof sessionRequestWithHeaders>): Promise<unknown> {
  return (await sessionRequestWithHeaders(...request)).body;
}

/** The same, and also returns the headers. */
export function sessionRequestWithHeaders(
  call: Proptt2Call,
  effect: Effect,
  method: string,
  route: string,
  query: string,
  body: object | undefined,
  doing: string,
  meanings?: Readonly<Record<string, string>>,
): Promise<Proptt2Answer> {
  return call.withSession(async (session) => {
    const url = `${session.serverUrl}/openapi/1${route}?${sessionQuery(session)}${query}`;
    const answer = await protocolRequest(call, method, url, { body, effect, doing });
    if (answer.status === 200) return answer;
    throw refusal(answer, effect, doing, meanings, call.clock.now());
  });
}

const wordsOfStatus: Readonly<Record<number, string>> = {
  400: 'says that a parameter is not valid',
  403: 'forbids the request',
  404: 'does not know the request or what it names',
  405: 'does not take the request',
  406: 'does not accept it: the licence may be used up',
  409: 'says that it exists already',
  412: 'says that the id is taken',
  413: 'says that it is too large',
};

function refusal(
  answer: Proptt2Answer,
  effect: Effect,
  doing: string,
  meanings: Readonly<Record<string, string>> | undefined,
  now: number,
): GatewayError {
  const { status, excerpt, html } = answer;
  const shared = { vendor: 'proptt2', vendorCode: String(status), outcome: 'refused' } as const;
  if (status === 401) {
    return new GatewayError('connection_needs_attention', `${title} refused the session.`, {
      ...shared,
      outcome: 'no',
      session: 'refused',
    });
  }
  if (status === 429) {
    return new GatewayError('vendor_rate_limited', `${title} asks for a pause.`, {
      ...shared,
      outcome: 'no',
      retryAfter: retryAfter(String(answer.headers['retry-after'] ?? ''), now, 30),
    });
  }
  // An ended session may appear as 403, 500 or an HTML page: a keepalive distinguishes them.
  const suspect = status === 403 || status >= 500 || html ? ({ session: 'suspect' } as const) : {};
  const known = codeOfStatus[status];
  if (known) {
    const meaning = meanings?.[String(status)] ?? `${title} ${wordsOfStatus[status]}`;
    return new GatewayError(known, `${meaning} (${doing}).`, { ...shared, ...suspect });
  }
  const missing = excerpt.match(/JSONObject\[&?(?:quot;|")?(\w+)[^\]]*\] (?:not found|is not [\w ]+)/);
  if (missing) {
    return new GatewayError('vendor_bad_request', `${title} could not read the field ${missing[1]} (${doing}).`, {
      ...shared,
      ...suspect,
    });
  }
  if (status === 500) {
    return new GatewayError(
      'vendor_failed',
      `${title} answered ${doing} with an internal error; it gives the same answer for ids that do not exist.`,
      {
        ...shared,
        ...suspect,
      },
    );
  }
  const said = redactText(excerpt.slice(0, 200)).trim() || 'no explanation';
  const message = `${title} answered ${doing} with ${status}: ${said}`;
  // 503 precedes any work. With 502 and 504 a proxy reports that it has lost the response.
  if (status === 503) {
    return new GatewayError('vendor_failed', message, { ...shared, ...suspect, outcome: 'no', retryable: true });
  }
  if (status > 500 && effect !== 'read') {
    return new GatewayError('outcome_unknown', message, { ...shared, ...suspect, outcome: 'unknown' });
  }
  return new GatewayError('vendor_failed', message, { ...shared, ...suspect, retryable: status > 500 });
}
