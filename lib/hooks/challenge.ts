import { createHmac } from 'node:crypto';
import type { JsonAnswer } from '../api/idempotency.ts';
import type { HttpRequest } from '../api/request.ts';
import { valueAt } from './places.ts';

/** How a sender's handshake is recognised and answered. Places are `headers.NAME`, `query.NAME` and `body.PATH`. */
export interface Challenge {
  method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST';
  /** The text that each place must have, or true for any. */
  match?: Readonly<Record<string, string | true>> | undefined;
  /** The response status. 200 if absent. */
  status?: number | undefined;
  /** In headers and body, `{place}` is replaced by the value at that place. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** A text, or an object that is answered as JSON. `{hmac PLACE}` is the HMAC-SHA256 in hex under the hook's secret. */
  body?: string | Readonly<Record<string, string>> | undefined;
}

/** The handshake of CloudEvents. */
const webhookOrigin = {
  method: 'OPTIONS',
  match: { 'headers.webhook-request-origin': true },
  headers: { 'webhook-allowed-origin': '{headers.webhook-request-origin}', 'webhook-allowed-rate': '*' },
} as const;

/** Handshakes of well-known senders. */
export const challengePresets = {
  slack: [{ method: 'POST', match: { 'body.type': 'url_verification' }, body: '{body.challenge}' }],
  zoom: [
    {
      method: 'POST',
      match: { 'body.event': 'endpoint.url_validation' },
      body: { plainToken: '{body.payload.plainToken}', encryptedToken: '{hmac body.payload.plainToken}' },
    },
  ],
  'microsoft-graph': [{ method: 'POST', match: { 'query.validationToken': true }, body: '{query.validationToken}' }],
  asana: [
    {
      method: 'POST',
      match: { 'headers.x-hook-secret': true },
      headers: { 'x-hook-secret': '{headers.x-hook-secret}' },
    },
  ],
  meta: [{ method: 'GET', match: { 'query.hub.mode': 'subscribe' }, body: '{query.hub.challenge}' }],
  dropbox: [{ method: 'GET', match: { 'query.challenge': true }, body: '{query.challenge}' }],
  trello: [{ method: 'HEAD' }],
  cloudevents: [webhookOrigin],
  'event-grid': [
    webhookOrigin,
    {
      method: 'POST',
      match: { 'headers.aeg-event-type': 'SubscriptionValidation' },
      body: { validationResponse: '{body.0.data.validationCode}' },
    },
  ],
} as const satisfies Readonly<Record<string, readonly Challenge[]>>;

export type ChallengePreset = keyof typeof challengePresets;

/** The kinds of verification whose senders sign their handshakes. */
const signing: ReadonlySet<string> = new Set(['slack', 'zoom']);

/** Handshakes that are answered before the sender is verified, because it does not sign them. */
export function openChallenges(kind: string, named: ChallengePreset | Challenge | undefined): Challenge[] {
  return challengesOf(kind, named).filter((each) => !needsSignature(kind, each));
}

/** Handshakes that are answered only when the signature fits. */
export function signedChallenges(kind: string, named: ChallengePreset | Challenge | undefined): Challenge[] {
  return challengesOf(kind, named).filter((each) => needsSignature(kind, each));
}

/** Whether a handshake needs a verified sender: an HMAC response would otherwise sign any text for a stranger. */
function needsSignature(kind: string, challenge: Challenge): boolean {
  return (signing.has(kind) && challenge.method === 'POST') || JSON.stringify(challenge).includes('{hmac ');
}

/** The handshakes that a hook answers: those that it names, and those that belong to its kind. */
function challengesOf(kind: string, named: ChallengePreset | Challenge | undefined): readonly Challenge[] {
  const own = Object.hasOwn(challengePresets, kind) ? challengePresets[kind as ChallengePreset] : [];
  if (named === undefined) return own;
  return [...own, ...(typeof named === 'string' ? challengePresets[named] : [named])];
}

/** The response to a handshake. Undefined for a request that is not one. */
export function answerChallenge(
  challenges: readonly Challenge[],
  request: HttpRequest,
  secrets: readonly string[],
): JsonAnswer | undefined {
  const found = challenges.find(
    ({ method, match = {} }) =>
      method === request.method &&
      Object.entries(match).every(([place, wanted]) => {
        const value = valueAt(request, place);
        return wanted === true ? value !== undefined && value !== '' : value === wanted;
      }),
  );
  if (!found) return undefined;
  const fill = (text: string) => filled(text, request, secrets);
  const { status = 200, headers = {}, body } = found;
  const given = typeof body === 'object' ? mapValues(body, fill) : body === undefined ? undefined : fill(body);
  return {
    status,
    headers: {
      ...(typeof given === 'string' && { 'content-type': 'text/plain; charset=utf-8' }),
      'x-content-type-options': 'nosniff',
      ...mapValues(headers, (text) => fill(text).replace(/[^\x20-\x7e]/g, '')),
    },
    body: given,
  };
}

function filled(text: string, request: HttpRequest, [secret = '']: readonly string[]): string {
  return text.replace(/\{(hmac )?((?:headers|query|body)\.[^{}]+)\}/g, (_, hmac: string | undefined, place: string) => {
    const value = valueAt(request, place) ?? '';
    return hmac ? createHmac('sha256', secret).update(value).digest('hex') : value;
  });
}

function mapValues(record: Readonly<Record<string, string>>, change: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, text]) => [name, change(text)]));
}
