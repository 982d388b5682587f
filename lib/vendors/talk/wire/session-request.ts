import { GatewayError } from '../../../core/errors.ts';
import { authorization, rootOf, type TalkCall, type TalkSession, talkError, title } from '../connection.ts';
import { changeSession, noteHash, refreshSession, refusedWords } from '../session.ts';
import { botRequest } from './bot.ts';
import { cookieHeader, sameCookies, withCookies } from './cookies.ts';
import { dialectOf, routeOf, type TalkRoute } from './dialect.ts';
import { type OcsAnswer, ocsRequest } from './protocol.ts';
import { refusalOf } from './refusal.ts';
import { checkRequest, type Fields, type TalkRequest, wireRequest } from './request.ts';

/** Capabilities older than this are read again, in milliseconds. */
const maxCapabilitiesAgeMs = 24 * 60 * 60_000;
/** Before a request is refused as too new for the server, capabilities older than this are read again, in milliseconds. */
const maxAgeBeforeRefusalMs = 60_000;
/** A missing route is not requested again within this time, in milliseconds. */
const routeAbsentMs = 60_000;
/** The timeout of a held request: its effect takes place at the start. */
const heldRequestTimeoutMs = 2_500;

/**
 * Sends one request in the server's dialect. Returns 2xx and 304; throws all others as the corresponding problem, a 404 as
 * `vendor_not_found`.
 */
export async function sessionRequest(call: TalkCall, request: TalkRequest): Promise<OcsAnswer> {
  const { route } = request;
  refuseInPause(call, request);
  let session = await sessionFor(call, route);
  if (call.clock.now() - session.readAt > maxCapabilitiesAgeMs)
    session = await refreshSession(call, session, session.hash);
  session = await checkedSession(call, request, session);
  let answer = await attempt(call, request, session);
  if (isNoRoute(answer) && !isKnownAbsent(call, route)) {
    // The server was upgraded, or this is its answer for something else.
    const before = session.features.join();
    session = await refreshSession(call, session);
    if (session.features.join() !== before)
      answer = await attempt(call, request, await checkedSession(call, request, session));
    else call.memory.set(`absent ${route}`, call.clock.now() + routeAbsentMs);
  }
  await noteHash(call, session, answer.headers['x-nextcloud-talk-hash']);
  if ((answer.status >= 200 && answer.status < 300) || answer.status === 304) {
    if (answer.status === 304 || answer.enveloped) return answer;
  }
  throw problemOf(call, request, session, answer);
}

/** The session that a request needs: the stored one if cookies are sent, since another process may have changed them. */
export function sessionFor(call: TalkCall, route?: TalkRoute): Promise<TalkSession> {
  const cookies = call.connection.settings.guest || (route !== undefined && routeOf(route).cookies);
  return cookies ? call.session.latest() : call.withSession((session) => Promise.resolve(session));
}

/** The session whose server supports the request; the server may have been upgraded since its capabilities were read. */
async function checkedSession(call: TalkCall, request: TalkRequest, session: TalkSession): Promise<TalkSession> {
  const { route, fields, doing } = request;
  try {
    checkRequest(route, fields, dialectOf(session), doing, session);
    return session;
  } catch (error) {
    const isTooOld = error instanceof GatewayError && error.code === 'vendor_too_old';
    if (!isTooOld || call.clock.now() - session.readAt < maxAgeBeforeRefusalMs) throw error;
    const now = await refreshSession(call, session);
    checkRequest(route, fields, dialectOf(now), doing, now);
    return now;
  }
}

async function attempt(call: TalkCall, request: TalkRequest, session: TalkSession): Promise<OcsAnswer> {
  const { route } = request;
  const dialect = dialectOf(session);
  const fields = (await request.fieldsIn?.(dialect)) ?? request.fields;
  const once = () =>
    routeOf(route).bot ? botRequest(call, request, session) : requestOnce(call, request, fields, session);
  const answer = await once();
  if (answer.status !== 401 || routeOf(route).bot || call.connection.settings.guest) return answer;
  // Refused before anything was done. Another process may have stored a new app password; otherwise nothing is retried.
  const again = (await call.credentialsAfresh()) ? await once() : answer;
  if (again.status !== 401 || !again.enveloped) return again;
  const reason = refusedWords(call.connection.settings);
  await call.session.lock(reason);
  throw talkError(
    'connection_needs_attention',
    `${title} refused this connection's credentials: ${reason} Change the credentials to continue.`,
    { vendorCode: '401' },
  );
}

async function requestOnce(
  call: TalkCall,
  request: TalkRequest,
  fields: Fields,
  session: TalkSession,
): Promise<OcsAnswer> {
  const { cookies, held } = routeOf(request.route);
  const withJar = cookies || call.connection.settings.guest;
  const wire = wireRequest(request.route, fields, dialectOf(session));
  const query = new URLSearchParams({ ...wire.query, format: 'json' });
  try {
    const answer = await ocsRequest(call, {
      method: wire.method,
      url: `${rootOf(call.connection.settings)}/ocs/v2.php/apps/spreed/api/${wire.path}?${query}`,
      headers: { ...(await authorization(call)), ...(withJar && cookieHeader(session.cookies)) },
      body: wire.body,
      timeoutMs: held && wire.method === 'GET' ? heldRequestTimeoutMs : request.timeoutMs,
      effect: held ? 'read' : request.effect,
      doing: request.doing,
    });
    if (withJar) await keepCookies(call, session, answer);
    return answer;
  } catch (error) {
    const began = held && error instanceof GatewayError && error.code === 'vendor_timeout';
    if (!began) throw error;
    return { status: 200, enveloped: true, message: 'OK', data: [], headers: {}, excerpt: '' };
  }
}

/** Stores the cookies that a response has set, for all processes. */
export async function keepCookies(call: TalkCall, session: TalkSession, answer: OcsAnswer): Promise<void> {
  const set = answer.headers['set-cookie'];
  const now = call.clock.now();
  if (sameCookies(withCookies(session.cookies, set, now), session.cookies)) return;
  try {
    await changeSession(call, (stored) => ({ ...stored, cookies: withCookies(stored.cookies, set, now) }));
  } catch (cause) {
    throw talkError(
      'vendor_failed',
      `${title} took the request, but its cookies could not be stored: join the room again.`,
      { outcome: 'unknown', cause },
    );
  }
}

function problemOf(call: TalkCall, request: TalkRequest, session: TalkSession, answer: OcsAnswer): GatewayError {
  const { route, fields, doing, effect, meanings } = request;
  const { means, bot, target } = routeOf(route);
  const now = call.clock.now();
  if (answer.status === 401 && bot) {
    return talkError(
      'vendor_forbidden',
      `${title} does not accept the bot in this room: a moderator has to enable it there, it needs the response feature, and botSecret must be the one it was installed with (${doing}).`,
      { vendorCode: '401', outcome: 'refused' },
    );
  }
  if (isNoRoute(answer)) {
    return talkError('vendor_too_old', `This server has no such request (${doing}).`, {
      vendorCode: '404',
      outcome: 'refused',
    });
  }
  const lobby = dialectOf(session).has('webinary-lobby');
  const self = target === 'person' && fields.participant === session.userId;
  const problem = refusalOf(answer, { doing, effect, now, meanings, codes: means, lobby, self });
  if (answer.status === 429) call.memory.set(`pause ${route}`, now + (problem.retryAfter ?? 1) * 1000);
  return problem;
}

function isNoRoute(answer: OcsAnswer): boolean {
  return answer.status === 404 && answer.message.startsWith('Invalid query');
}

function isKnownAbsent(call: TalkCall, route: TalkRoute): boolean {
  const until = call.memory.get(`absent ${route}`);
  return typeof until === 'number' && until > call.clock.now();
}

/** After a 429, the same request is not sent again early: each one counts against all tenants of our address. */
function refuseInPause(call: TalkCall, { route, doing }: TalkRequest): void {
  const until = call.memory.get(`pause ${route}`);
  const left = typeof until === 'number' ? Math.ceil((until - call.clock.now()) / 1000) : 0;
  if (left <= 0) return;
  throw talkError(
    'vendor_rate_limited',
    `${title} asked for a pause a moment ago; ${doing} was not sent. Try again in ${left} s.`,
    { vendorCode: '429', retryAfter: left },
  );
}
