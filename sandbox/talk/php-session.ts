import { letters, type PhpSession, randomText, type TalkState, type TalkUser, wordAlphabet } from './state.ts';
import type { Era } from './versions.ts';

/** The name of the session cookie: `oc` and the id of the instance. */
const instanceCookie = 'octrunk1ine9k';

/** The PHP session behind a request, and the cookies that the answer has to set. */
export interface OpenSession {
  session: PhpSession;
  setCookies: string[];
  /** The request came with cookies, so a reopened session sends its cookie again. */
  fromJar: boolean;
}

const kept = 2000;

/**
 * Opens the PHP session of a request as a server of that version does. The session survives only if all cookies come back; on era
 * A the first request with `cookie_test` logs in again and empties it, so a join as the first request is lost.
 */
export function openPhpSession(
  state: TalkState,
  era: Era,
  cookieHeader: string | undefined,
  user: TalkUser | null,
  withAccountPassword: boolean,
): OpenSession {
  const cookies = parseCookies(cookieHeader);
  const setCookies: string[] = [];
  const id = cookies[instanceCookie];
  const passphrase = cookies.oc_sessionPassphrase;
  const stored = id === undefined ? undefined : state.phpSessions[id];

  let session: PhpSession;
  if (id !== undefined && passphrase !== undefined && (!stored || stored.passphrase === passphrase)) {
    session = stored ?? newSession(id, passphrase);
  } else {
    session = newSession(randomText(26, letters), randomText(128, wordAlphabet));
    setCookies.push(`oc_sessionPassphrase=${session.passphrase}; path=/; HttpOnly; SameSite=Lax`, instanceOf(session));
  }
  if (cookies.nc_sameSiteCookielax === undefined || cookies.nc_sameSiteCookiestrict === undefined) {
    for (const kind of ['lax', 'strict']) {
      setCookies.push(
        `nc_sameSiteCookie${kind}=true; path=/; httponly; expires=Fri, 31-Dec-2100 23:59:59 GMT; SameSite=${kind}`,
      );
    }
  }

  const testCookie = cookies.cookie_test !== undefined;
  if (user && !testCookie && (era === 'A' || withAccountPassword)) setCookies.push('cookie_test=test; path=/');
  if (user && era === 'A' && testCookie && session.user !== user.id) {
    delete state.phpSessions[session.id];
    session = newSession(randomText(26, letters), session.passphrase);
    session.user = user.id;
    state.phpSessions[session.id] = session;
    setCookies.push(instanceOf(session));
    const remember = { nc_username: encodeURIComponent(user.id), nc_token: randomText(32, wordAlphabet) };
    for (const [name, value] of Object.entries({ ...remember, nc_session_id: session.id })) {
      setCookies.push(`${name}=${value}; path=/; HttpOnly`);
    }
  }
  if (user && era !== 'A' && session.user !== user.id) {
    if (session.user !== null) session.rooms = {};
    session.user = user.id;
  }
  return { session, setCookies, fromJar: id !== undefined };
}

/** Keeps a session that is no longer empty. Of more than 2,000, the oldest are dropped. */
export function keepPhpSession(state: TalkState, session: PhpSession): void {
  state.phpSessions[session.id] = session;
  const ids = Object.keys(state.phpSessions);
  for (const old of ids.slice(0, Math.max(0, ids.length - kept))) delete state.phpSessions[old];
}

/** The session cookie, which is set again when a controller reopened the session. */
export function instanceOf(session: PhpSession): string {
  return `${instanceCookie}=${session.id}; path=/; HttpOnly; SameSite=Lax`;
}

function newSession(id: string, passphrase: string): PhpSession {
  return { id, passphrase, user: null, rooms: {}, guests: {} };
}

function parseCookies(header: string | undefined): Record<string, string> {
  const pairs = (header ?? '').split(';').flatMap((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
  });
  return Object.fromEntries(pairs);
}
