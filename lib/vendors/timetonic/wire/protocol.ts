import { GatewayError } from '../../../core/errors.ts';
import type { HttpAnswer, HttpClient } from '../../../core/http/client.ts';
import { parseJson } from '../../../core/json.ts';
import type { Effect } from '../../../core/operation.ts';
import { isRecord } from '../../../core/record.ts';
import { redactText } from '../../../core/redaction/redact.ts';
import { codeOfStatus, failureOf, retryAfter } from '../../../core/vendor-failure.ts';
import { timetonicError, title } from '../connection.ts';
import { refusalOf } from './refusal.ts';

/** The name of a request and how it may be handled. */
export interface RequestContext {
  effect: Effect;
  /** Its name, for messages. */
  doing: string;
  timeoutMs?: number;
  now: number;
}

/** The fields of a form as they are sent; undefined ones are omitted. */
export type FormFields = Readonly<Record<string, string | undefined>>;

const vendor = { name: 'timetonic', title };
const maxAnswerBytes = 32 * 1024 * 1024;

/** Posts a form and returns the body of an `ok`; everything else throws. Keys are sent in the body, never in the address. */
export async function postForm(
  call: { http: HttpClient },
  url: string,
  fields: FormFields,
  asking: RequestContext,
): Promise<Record<string, unknown>> {
  const answer = await call.http
    .request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: formText(fields),
      timeoutMs: asking.timeoutMs ?? 10_000,
      maxBytes: maxAnswerBytes,
    })
    .catch((error: unknown) => {
      throw failureOf(error, vendor, asking.effect, asking.doing);
    });
  return readAnswer(answer, asking);
}

/** A form as text; spaces as `%20`, which every PHP reads like `+`. */
export function formText(fields: FormFields): string {
  return Object.entries(fields)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`],
    )
    .join('&');
}

/** The body of a response that says `status: "ok"`. */
export function readAnswer(answer: HttpAnswer, asking: RequestContext): Record<string, unknown> {
  const text = answer.text();
  const body = parsed(text);
  // A refusal can have any status; its message says more than the number.
  if (body?.status === 'nok') throw refusalOf(body, asking.doing);
  if (answer.status < 200 || answer.status >= 300) throw statusError(answer, text, asking);
  if (body?.status === 'ok') return body;
  throw noAnswer(text, body !== undefined, asking);
}

/** The error for a status other than 2xx. */
export function statusError(
  answer: Pick<HttpAnswer, 'status' | 'headers'>,
  text: string,
  asking: RequestContext,
): GatewayError {
  const { effect, doing } = asking;
  const { status } = answer;
  const shared = { vendor: 'timetonic', vendorCode: String(status) } as const;
  const after = String(answer.headers['retry-after'] ?? '') || undefined;
  const said =
    redactText(
      text
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
        .slice(0, 200),
    ) || 'no explanation';
  if (status === 401)
    return new GatewayError('connection_needs_attention', `${title} refused the session key.`, {
      ...shared,
      session: 'refused',
    });
  if (status === 429)
    return new GatewayError('vendor_rate_limited', `${title} asks for a pause.`, {
      ...shared,
      retryAfter: retryAfter(after, asking.now, 60),
    });
  if (status === 503)
    return new GatewayError('vendor_maintenance', `${title} is not available now.`, {
      ...shared,
      retryAfter: retryAfter(after, asking.now, 60),
    });
  const kept = codeOfStatus[status];
  if (kept)
    return new GatewayError(kept, `${title} answered ${doing} with ${status}: ${said}`, {
      ...shared,
      outcome: 'refused',
    });
  if (effect !== 'read' && effect !== 'session') return lost(doing, `it answered ${status}: ${said}`);
  if (status === 500) {
    return new GatewayError(
      'vendor_failed',
      `${title} answered ${doing} with 500, which it does when asked for too much at once. Ask for fewer rows (maxRows or pageSize), or for all of them page by page with all: true.`,
      shared,
    );
  }
  return new GatewayError('vendor_failed', `${title} answered ${doing} with ${status}: ${said}`, {
    ...shared,
    retryable: status > 500,
  });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const body = parseJson(text);
    return isRecord(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** The error for a response that is not from the API: a page, half a body, or JSON without a status. */
function noAnswer(text: string, json: boolean, { effect, doing }: RequestContext): GatewayError {
  if (!json && /maintenance/i.test(text)) {
    return timetonicError('vendor_maintenance', `${title} is under maintenance.`, { retryAfter: 60 });
  }
  const found = json ? 'JSON without a status' : /^\s*</.test(text) ? 'a web page' : 'something that is no JSON';
  if (effect !== 'read' && effect !== 'session') return lost(doing, `it answered with ${found}`);
  const hint = /^\s*</.test(text) ? ' Is baseUrl the address up to /live?' : '';
  return timetonicError('vendor_malformed', `${title} answered ${doing} with ${found}.${hint}`);
}

/** The error for a request that was sent and whose answer never came. */
export function lost(doing: string, why: string): GatewayError {
  return timetonicError(
    'outcome_unknown',
    `${doing} was sent to ${title}, but ${why}. It may have been carried out; check before you send it again.`,
    { outcome: 'unknown' },
  );
}
