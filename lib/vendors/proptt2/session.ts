import { createHash } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import { redactText } from '../../core/redaction/redact.ts';
import type { LiveSession, LoginCall, SessionPolicy } from '../../core/vendor.ts';
import { type Proptt2Credentials, type Proptt2Settings, proptt2Error } from './connection.ts';
import { errorCodes } from './error-codes.ts';
import { type Proptt2Answer, protocolRequest, title } from './wire/protocol.ts';

/** The parts of a live session; `serverUrl` may change with each login. */
export interface Proptt2Session {
  serverUrl: string;
  id: string;
  hid: number;
  skey: string;
}

type Call = LoginCall<Proptt2Settings, Proptt2Credentials>;

/** Ten minutes according to the document, less one for transit. */
const lifetimeMs = 9 * 60_000;
const keepAliveEveryMs = 2 * 60_000;
const loginRounds = 2;

/** Sessions through `/server` and `/auth`. A Rand is used once: after a lost response, the login restarts from `/server`. */
export const session: SessionPolicy<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  refusalsUntilLocked: 2,
  keepAliveEveryMs,
  keepWarm: (settings) => settings.keepWarm ?? true,

  async login(call): Promise<LiveSession<Proptt2Session>> {
    const { settings } = call.connection;
    const { interactionKey } = await call.credentials();
    let lost: unknown;
    for (let round = 0; round < loginRounds; round++) {
      const server = await getServer(call);
      try {
        const auth = await protocolRequest(call, 'POST', `${server.url}/openapi/1/auth`, {
          body: { id: settings.ownerId, hid: settings.hid, authKey: authKey(server.rand, interactionKey) },
          timeoutMs: 8_000,
          effect: 'session',
          doing: 'the login',
        });
        if (auth.status === 401)
          throw refused('the interaction key is not the one typed in at adminWeb, or the owner id is wrong.');
        if (auth.status === 403)
          throw refused(
            `a login parameter is not valid (owner id ${JSON.stringify(settings.ownerId)}, host id (hid) ${settings.hid}).`,
          );
        const skey = textOf(auth, 'sessionkey');
        const data = { serverUrl: server.url, id: settings.ownerId, hid: settings.hid, skey };
        return { data, expiresAt: call.clock.now() + lifetimeMs };
      } catch (error) {
        if (!(error instanceof GatewayError) || error.outcome !== 'unknown') throw error;
        lost = error;
      }
    }
    throw proptt2Error(
      errorCodes.auth_ambiguous,
      'ProPTT2 did not answer the login twice. Whether it was carried out is not known; the next call starts again.',
      { cause: lost },
    );
  },

  async keepAlive(data, call) {
    const answer = await protocolRequest(call, 'GET', `${data.serverUrl}/openapi/1/keepalive?${sessionQuery(data)}`, {
      effect: 'session',
      doing: 'the keepalive',
    });
    // Servers before 3.1.2 have no keepalive: their sessions are renewed on use.
    if (answer.status === 404) return { expiresAt: call.clock.now() + lifetimeMs, lazy: true };
    if (answer.status === 401 || answer.status === 403) throw refused('the session was refused.');
    if (answer.status !== 200) {
      throw proptt2Error('vendor_failed', `${title} answered the keepalive with ${answer.status}.`, {
        retryable: true,
      });
    }
    return { expiresAt: call.clock.now() + lifetimeMs };
  },
};

/** `POST /server`: the server to use and a Rand for one login. */
export async function getServer(call: Call): Promise<{ url: string; rand: string }> {
  const { settings } = call.connection;
  const base = settings.cloudUrl.replace(/\/+$/, '');
  const answer = await protocolRequest(call, 'POST', `${base}/openapi/1/server`, {
    body: { id: settings.ownerId, hid: settings.hid },
    timeoutMs: 8_000,
    effect: 'session',
    doing: 'the request for its server',
  });
  if (answer.status === 403)
    throw refused(
      `the owner id ${JSON.stringify(settings.ownerId)} or the host id (hid) ${settings.hid} is not valid.`,
    );
  const url = textOf(answer, 'ServerURL').replace(/\/+$/, '');
  // Paths are added to it, and a query would take them in.
  if (/[?#]/.test(url)) {
    throw proptt2Error('vendor_malformed', `${title} named a ServerURL with a query or a fragment.`);
  }
  return { url, rand: textOf(answer, 'Rand') };
}

/** The session as every call carries it, percent-encoded. */
export function sessionQuery(data: Proptt2Session): string {
  return `id=${encodeURIComponent(data.id)}&hid=${data.hid}&skey=${encodeURIComponent(data.skey)}`;
}

/** Lower-case hexadecimal SHA-512 of Rand, a hyphen and the interaction key. */
export function authKey(rand: string, interactionKey: string): string {
  return createHash('sha512').update(`${rand}-${interactionKey}`, 'utf8').digest('hex');
}

function textOf(answer: Proptt2Answer, name: string): string {
  const value =
    answer.status === 200 && answer.body !== null && typeof answer.body === 'object'
      ? (answer.body as Record<string, unknown>)[name]
      : undefined;
  if (typeof value === 'string' && value !== '') return value;
  // What the session is for has not been sent. A server in trouble, or a proxy's page in its place, may be gone in a moment.
  const isTrouble = answer.status >= 500 || answer.status === 429;
  throw proptt2Error(
    isTrouble ? 'vendor_failed' : 'vendor_malformed',
    `${title} answered the login with status ${answer.status} and no ${name}: ${redactText(answer.excerpt)}`,
    { retryable: isTrouble },
  );
}

function refused(why: string): GatewayError {
  return proptt2Error('connection_needs_attention', why, { session: 'refused' });
}
