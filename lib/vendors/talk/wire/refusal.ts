import { type DeclaredCode, type ErrorCode, type ErrorOptions, GatewayError } from '../../../core/errors.ts';
import type { Effect } from '../../../core/operation.ts';
import { redactText } from '../../../core/redaction/redact.ts';
import { codeOfStatus, retryAfter } from '../../../core/vendor-failure.ts';
import { title } from '../connection.ts';
import { errorCodes } from '../error-codes.ts';
import { type OcsAnswer, recordOf, textOf } from './protocol.ts';

/** The context of a refusal. */
export interface Refused {
  doing: string;
  effect: Effect;
  /** Epoch milliseconds. */
  now: number;
  /** The meaning of the operation's own refusals, by status and the server's reason (`400 type`), or by status alone. */
  meanings?: Readonly<Record<string, string>> | undefined;
  /** Codes of refusals that have changed between versions, by the same keys. */
  codes?: Readonly<Record<string, ErrorCode | DeclaredCode>> | undefined;
  /** The server has a lobby, so a 412 means the lobby. */
  lobby?: boolean;
  /** The participant that the request names is the account itself: the reason `self`. */
  self?: boolean;
}

/** Seconds to wait after a 429: brute-force protection sends no `Retry-After` and considers the last half hour. */
const defaultPauseSeconds = 60;
const maintenancePause = 300;

const wordsOfStatus: Readonly<Record<number, string>> = {
  400: 'rejected a value',
  403: 'does not allow this for the account',
  404: 'found no such thing',
  405: 'does not allow this for the room or message',
  406: 'does not support this for a room of another server',
  409: 'reports a conflict with another session',
  412: 'does not allow this in the current state',
  413: 'reports that it is too long',
};

/** The problem for a server response. A 404 about rooms and people is explained in `missing.ts`. */
export function refusalOf(answer: OcsAnswer, refused: Refused): GatewayError {
  const { status } = answer;
  const { doing } = refused;
  const shared: ErrorOptions = { vendor: 'talk', vendorCode: String(status), outcome: 'refused' };
  const make = (code: ErrorCode | DeclaredCode, words: string, more: ErrorOptions = {}) =>
    new GatewayError(code, `${title} ${words}${reasonOf(answer)} (${doing}).`, { ...shared, ...more });

  if (isPage(answer) && status > 401 && status < 500 && status !== 429) {
    const isForbidden = status === 403 || status === 406;
    return make(
      isForbidden ? 'vendor_forbidden' : 'vendor_failed',
      `was not reached: a firewall or proxy in front of it answered ${status} with its own page`,
      { outcome: 'no', retryable: false },
    );
  }
  if (status >= 300 && status < 400) {
    return make(
      'connection_needs_attention',
      `answers with a redirect to ${String(answer.headers.location ?? 'nowhere').slice(0, 200)}: correct serverUrl`,
      { outcome: 'no' },
    );
  }
  if (status === 403 && answer.message === 'Can not use Talk') {
    return make('connection_needs_attention', 'is not for this account: an administrator has limited it to groups');
  }
  if (status === 412 && !answer.enveloped) {
    return make('vendor_failed', 'rejected the request as forged: this is a bug in Trunkline, please report it', {
      retryable: false,
    });
  }
  if (status === 412 && refused.lobby && refused.codes?.[412] === undefined) {
    return make(errorCodes.vendor_lobby, 'holds this account in the lobby of the room until a moderator opens it');
  }
  if (status === 426) {
    return make('vendor_too_old', `requires a newer client${answer.message ? `, version ${answer.message}` : ''}`);
  }
  if (status === 429) {
    return make('vendor_rate_limited', 'asks for a pause: too many requests, or too many failures from our address', {
      outcome: 'no',
      retryAfter: retryAfter(textOf(answer.headers['retry-after']) || undefined, refused.now, defaultPauseSeconds),
    });
  }
  if (status === 503 && (answer.headers['x-nextcloud-maintenance-mode'] === '1' || answer.enveloped)) {
    const after = retryAfter(textOf(answer.headers['retry-after']) || undefined, refused.now, maintenancePause);
    return make('vendor_maintenance', 'is in maintenance mode', { outcome: 'no', retryAfter: after });
  }
  if (status === 401 && !answer.enveloped) {
    return make('vendor_failed', 'was not reached: a proxy in front of it requires its own login', { outcome: 'no' });
  }
  if (status === 401) return make('vendor_forbidden', 'does not recognise the account');
  const code = codeOfStatus[status];
  if (code) {
    const { meanings = {}, codes = {} } = refused;
    const ofSelf = refused.self === true && meanings[`${status} self`] !== undefined;
    const reason = ofSelf ? 'self' : errorOf(answer);
    const specific = meanings[`${status} ${reason}`];
    const meaning = specific ?? meanings[status];
    const chosen = codes[`${status} ${reason}`] ?? codes[status] ?? code;
    if (meaning === undefined) return make(chosen, wordsOfStatus[status] ?? 'refused it');
    return specific === undefined
      ? make(chosen, `says: ${meaning}`)
      : new GatewayError(chosen, `${title} says: ${specific}${detailOf(answer)} (${doing}).`, shared);
  }
  return failure(answer, refused, shared);
}

/** 5xx and responses that are not from Nextcloud: a write may have been carried out nevertheless. */
function failure(answer: OcsAnswer, { doing, effect }: Refused, shared: ErrorOptions): GatewayError {
  const { status } = answer;
  const reads = effect === 'read' || effect === 'session';
  const lost = status === 502 || status === 504;
  if (lost && !reads) {
    return new GatewayError(
      'outcome_unknown',
      `${doing} was sent, but the proxy in front of ${title} answered ${status}. It may have been carried out; check before you send it again.`,
      { ...shared, outcome: 'unknown' },
    );
  }
  const good = status >= 200 && status < 300;
  const what = good ? 'with something that is not its protocol' : `with ${status}`;
  return new GatewayError(
    good ? 'vendor_malformed' : 'vendor_failed',
    `${title} answered ${doing} ${what}${reasonOf(answer) || `: ${redactText(answer.excerpt.slice(0, 150)) || 'nothing'}`}.`,
    // 503 without the maintenance header precedes any work: a pending upgrade, or no free worker.
    {
      ...shared,
      outcome: status === 503 ? 'no' : reads ? 'refused' : 'unknown',
      retryable: status >= 500 && (reads || status === 503),
    },
  );
}

/** An HTML page from a firewall or proxy; Nextcloud itself responds with an envelope, JSON or nothing. */
function isPage({ enveloped, headers, excerpt }: OcsAnswer): boolean {
  return !enveloped && (/html/i.test(String(headers['content-type'] ?? '')) || /^\s*<(!doctype|html)/i.test(excerpt));
}

/** The message for a reason that servers give since Talk 20. */
function errorOf({ data }: OcsAnswer): string {
  return textOf(recordOf(data)?.error);
}

/** The message of a policy that accompanies the reason. */
function detailOf({ data }: OcsAnswer): string {
  const words = textOf(recordOf(data)?.message).trim();
  return words === '' ? '' : `: ${words.slice(0, 200)}`;
}

/** The server's own reason: `data.error`, `data.message` of a password policy, or the envelope's message. */
function reasonOf(answer: OcsAnswer): string {
  const { message } = answer;
  const reason =
    errorOf(answer) || detailOf(answer).slice(2) || (/^(OK|Can not use Talk)$/.test(message) ? '' : message);
  return reason === '' ? '' : `: ${redactText(reason.trim().slice(0, 200))}`;
}
