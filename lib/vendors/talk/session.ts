import { GatewayError } from '../../core/errors.ts';
import type { LiveSession, LoginCall, SessionPolicy } from '../../core/vendor.ts';
import {
  accountAt,
  authorization,
  placeOf,
  rootOf,
  type TalkCall,
  type TalkCredentials,
  type TalkSession,
  type TalkSettings,
  talkError,
  title,
} from './connection.ts';
import { type Cookies, cookieHeader, withCookies } from './wire/cookies.ts';
import { type OcsAnswer, ocsRequest, recordOf, textOf } from './wire/protocol.ts';
import { refusalOf } from './wire/refusal.ts';

type Call = LoginCall<TalkSettings, TalkCredentials>;

/** The jar does not expire by itself; the server may drop it at any time, and a join then creates a new one. */
const lifetimeMs = 365 * 24 * 60 * 60_000;
/** A hash seen within this time, in milliseconds, belongs to the capabilities that were read. */
const hashWindowMs = 60_000;
/** The delay after which a lock set by another process is noticed. */
const recheckAfterMs = 60_000;

/**
 * A locked connection is tried once more after this long: an account may be disabled temporarily, and Nextcloud throttles an
 * address only after several failures within half an hour.
 */
const retryLockedAfterMs = 60 * 60_000;

/** The first use of a connection reads the account and the server's capabilities, and fills the cookie jar in the process. */
export const session: SessionPolicy<TalkSettings, TalkCredentials, TalkSession> = {
  refusalsUntilLocked: 1,
  retryLockedAfterMs,
  recheckAfterMs,
  async login(call): Promise<LiveSession<TalkSession>> {
    const { settings } = call.connection;
    const { session: data } = await readAccount(call, {});
    const account = settings.guest ? undefined : accountAt(placeOf(settings), data.userId);
    return { data, expiresAt: call.clock.now() + lifetimeMs, account };
  },
};

/** Changes the stored session, one process at a time, based on its currently stored state. */
export async function changeSession(
  call: TalkCall,
  change: (stored: TalkSession) => TalkSession | Promise<TalkSession>,
): Promise<TalkSession> {
  // It must exist before the lease is taken: creating it needs the lease, too.
  await call.session.latest();
  return call.session.exclusively(async () => {
    const changed = await change(await call.session.latest());
    await call.session.replace(changed);
    return changed;
  });
}

/**
 * Reads the capabilities again, unless another call did since `seen`, and keeps the cookies. Callers of one process share the
 * read.
 */
export function refreshSession(call: TalkCall, seen: TalkSession, hash?: string): Promise<TalkSession> {
  // Only this function writes it.
  const pending = call.memory.get('refresh') as Promise<TalkSession> | undefined;
  if (pending) return pending;
  const mine = changeSession(call, async (stored) => {
    const isSeen = stored.readAt === seen.readAt && stored.features.join() === seen.features.join();
    return isSeen ? { ...(await readAgain(call, stored)).session, hash } : stored;
  }).finally(() => call.memory.delete('refresh'));
  call.memory.set('refresh', mine);
  return mine;
}

/** Reads the capabilities now, and returns the server's response. */
export async function readCapabilities(call: TalkCall): Promise<Account> {
  let read: Account | undefined;
  const session = await changeSession(call, async (stored) => {
    read = await readAgain(call, stored);
    return { ...read.session, hash: stored.hash };
  });
  return { offered: read?.offered ?? {}, session };
}

/** A hash that differs from the one seen with the capabilities: they have changed. The response that carried it remains valid. */
export async function noteHash(call: TalkCall, seen: TalkSession, hash: unknown): Promise<void> {
  if (typeof hash !== 'string' || hash === seen.hash || call.memory.has('noting')) return;
  call.memory.set('noting', true);
  try {
    // The first hash belongs to the capabilities that were just read, and not to older ones.
    const isFirst = seen.hash === undefined && call.clock.now() - seen.readAt < hashWindowMs;
    if (isFirst) await changeSession(call, (stored) => ({ ...stored, hash: stored.hash ?? hash }));
    else await refreshSession(call, seen, hash);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
  } finally {
    call.memory.delete('noting');
  }
}

/**
 * The current account. A refused password locks the connection immediately, unless a newer one is stored: then the next call uses
 * it.
 */
async function readAgain(call: TalkCall, stored: TalkSession): Promise<Account> {
  try {
    return await readAccount(call, stored.cookies);
  } catch (error) {
    const refused = error instanceof GatewayError && error.session === 'refused';
    if (refused && !(await call.credentialsAfresh())) await call.session.lock(error.message);
    throw error;
  }
}

interface Account {
  session: TalkSession;
  /** `ocs.data` of the capabilities. */
  offered: Readonly<Record<string, unknown>>;
}

/**
 * Reads the account and what the server offers it. The second request carries the cookies of the first, which primes the jar: in
 * Nextcloud 13, a session whose first request is the join loses what it has joined.
 */
async function readAccount(call: Call, before: Cookies): Promise<Account> {
  const user = call.connection.settings.guest ? undefined : await read(call, before, '/ocs/v2.php/cloud/user');
  const jar = withCookies(before, user?.headers['set-cookie'], call.clock.now());
  const answer = await read(call, jar, '/ocs/v2.php/cloud/capabilities');
  const offered = recordOf(answer.data);
  if (offered?.capabilities === undefined) throw notNextcloud(answer);
  const spreed = recordOf(recordOf(offered.capabilities)?.spreed) ?? (await whereTalkIs(call));
  const config = recordOf(spreed.config);
  const chat = recordOf(config?.chat);
  const described = recordOf(config?.conversations)?.['description-length'];
  const id = recordOf(user?.data)?.id;
  const session: TalkSession = {
    userId: typeof id === 'string' || typeof id === 'number' ? String(id) : (call.connection.settings.user ?? ''),
    cookies: withCookies(jar, answer.headers['set-cookie'], call.clock.now()),
    talk: textOf(spreed.version) || undefined,
    nextcloud: textOf(recordOf(offered.version)?.string) || 'of unknown version',
    features: Array.isArray(spreed.features) ? spreed.features.filter((each) => typeof each === 'string') : [],
    // Servers that do not report their limit are older than 6.0.1 and accept 1,000 characters.
    maxLength: typeof chat?.['max-length'] === 'number' ? chat['max-length'] : 1000,
    attachmentFolder: textOf(recordOf(config?.attachments)?.folder) || undefined,
    descriptionLength: typeof described === 'number' ? described : undefined,
    readAt: call.clock.now(),
  };
  return { session, offered };
}

/**
 * No `spreed` in the capabilities: Talk 3.0.0, Talk not enabled for this account, or no Talk at all. Two requests distinguish
 * them.
 */
async function whereTalkIs(call: Call): Promise<Record<string, unknown>> {
  for (const version of ['v1', 'v4']) {
    const answer = await read(call, {}, `/ocs/v2.php/apps/spreed/api/${version}/room`, [403, 404]);
    if (answer.status === 200 && version === 'v1') return { features: ['chat'] };
    if (answer.status === 403) {
      throw needsAttention(
        'The account may not use Talk: an administrator has limited Talk to groups that it is not in.',
      );
    }
  }
  throw needsAttention('Talk is not installed or not enabled on this Nextcloud.');
}

async function read(call: Call, jar: Cookies, path: string, expected: readonly number[] = []): Promise<OcsAnswer> {
  const doing = path.endsWith('/user') ? 'reading the account' : 'reading the capabilities';
  const answer = await ocsRequest(call, {
    method: 'GET',
    url: `${rootOf(call.connection.settings)}${path}?format=json`,
    headers: { ...(await authorization(call)), ...cookieHeader(jar) },
    effect: 'session',
    doing,
  });
  if (answer.status === 401 && answer.enveloped && !call.connection.settings.guest) {
    throw talkError('connection_needs_attention', refusedWords(call.connection.settings), {
      vendorCode: '401',
      session: 'refused',
    });
  }
  if (answer.status === 200 || expected.includes(answer.status)) return answer;
  // A 404 of this request says nothing about the room or person that an operation names.
  if (answer.status === 404) throw notNextcloud(answer);
  throw refusalOf(answer, { doing, effect: 'read', now: call.clock.now() });
}

/** The meaning of a 401, for the person who has to fix it. */
export function refusedWords({ user }: TalkSettings): string {
  return `the app password of ${user ?? 'the account'} is wrong or was revoked.`;
}

function notNextcloud(answer: OcsAnswer): GatewayError {
  return needsAttention(
    `serverUrl does not lead to a Nextcloud: the answer was ${answer.excerpt.slice(0, 100) || 'empty'}.`,
  );
}

function needsAttention(message: string): GatewayError {
  return talkError('connection_needs_attention', `${title}: ${message}`);
}
