import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { logIn, loginFlow, statusPhp } from './accounts.ts';
import { dav } from './files.ts';
import { addSystemMessage } from './messages.ts';
import {
  type Answer,
  type Asked,
  controllerCache,
  envelope,
  expires,
  noRoute,
  notLoggedIn,
  Stop,
  serverError,
} from './ocs.ts';
import { readParameters } from './parameters.ts';
import { instanceOf, type OpenSession, openPhpSession } from './php-session.ts';
import { findRoute, type Route } from './routes.ts';
import { sendScheduled } from './scheduled.ts';
import { endSilentSessions } from './sessions.ts';
import { currentEra, isTalk, requireSeat, seconds, type Talk, type TalkRequest } from './talk.ts';
import { isBlocked } from './throttle.ts';

const tooMany: Answer = { status: 429, message: 'Reached maximum delay' };

/** Answers one request as the stand-in Nextcloud. */
export async function dispatch(talk: Talk, request: SandboxRequest): Promise<SandboxReply> {
  tick(talk);
  const cookies = request.headers.cookie;
  if (request.path === '/status.php') {
    return withCookies(statusPhp(talk), openPhpSession(talk.state, currentEra(talk), cookies, null, false));
  }
  const [, ocsVersion, path] = /^\/ocs\/v([12])\.php(\/.*)$/.exec(request.path) ?? [];
  if (path === undefined) {
    const open = openPhpSession(talk.state, currentEra(talk), cookies, null, false);
    if (/^(\/index\.php)?\/login\/v2(\/|$)/.test(request.path) && isTalk(talk, '6') && !talk.state.maintenance) {
      return withCookies(await loginFlow(talk, request), open);
    }
    if (request.path.startsWith('/remote.php/dav/files/') && !talk.state.maintenance) return dav(talk, request);
    const headers = { 'content-type': 'text/html; charset=UTF-8' };
    const status = talk.state.maintenance ? 503 : 404;
    return withCookies({ status, headers, body: '<!DOCTYPE html><html><body>Nextcloud</body></html>' }, open);
  }
  return ocs(talk, request, path, ocsVersion === '1');
}

async function ocs(talk: Talk, request: SandboxRequest, path: string, v1: boolean): Promise<SandboxReply> {
  const { state } = talk;
  const era = currentEra(talk);
  const asked: Asked = {
    format: request.query.get('format'),
    accept: String(request.headers.accept ?? ''),
    v1,
    silent: era === 'E' ? '' : null,
  };
  if (state.maintenance) {
    const headers = { 'X-Nextcloud-Maintenance-Mode': '1' };
    const answer = { status: 503, message: 'Service unavailable', headers, routing: true };
    return withCookies(envelope(answer, asked), openPhpSession(state, era, request.headers.cookie, null, false));
  }

  const login = logIn(talk, request.headers.authorization);
  const account = login.kind === 'account' ? login.user : null;
  const withPassword = login.kind === 'account' && login.appPassword === null;
  const open = openPhpSession(state, era, request.headers.cookie, account, withPassword);
  if (login.kind === 'blocked') return withCookies(envelope(tooMany, asked), open);
  if (login.kind === 'wrong' && era === 'E') {
    const headers = { 'WWW-Authenticate': 'Basic realm="Authorisation Required"' };
    const answer = { status: 401, code: 997, message: 'Unauthorised', headers, routing: true };
    return withCookies(envelope(answer, { ...asked, format: 'xml' }), open);
  }
  // Cookies of a logged-in session count like Basic auth.
  const user = account ?? (open.session.user === null ? null : (state.users[open.session.user] ?? null));

  const found = findRoute(request.method, path, era, state.talkVersion);
  if (found === 405) return withCookies(envelope({ status: 405, routing: true }, asked), open);
  if (found === 404) return withCookies(envelope(noRoute, asked), open);
  if (request.headers['ocs-apirequest'] !== 'true') {
    const headers = { ...expires, ...controllerCache, 'content-type': 'application/json; charset=utf-8' };
    const body = Buffer.from(JSON.stringify({ message: 'CSRF check failed' }));
    return withCookies({ status: 412, headers, body, refusal: 'no OCS-APIRequest header' }, open);
  }

  const { route, variables } = found;
  // Since Talk 19 a chat is marked as read without saying up to where.
  const optional = isTalk(talk, '19') ? ['lastReadMessage'] : [];
  const parameters = await readParameters(request, route, variables, optional);
  const r: TalkRequest = {
    talk,
    era,
    user,
    appPassword: login.kind === 'account' ? login.appPassword : null,
    php: open.session,
    input: parameters.input,
    raw: request,
    now: seconds(talk),
  };
  const answer = await answerOf(r, route, parameters.missing);
  if (answer.reopened && answer.status === 200 && era === 'E' && open.fromJar) {
    open.setCookies.push(instanceOf(open.session));
  }
  const reply = withCookies(envelope(emptied(talk, answer), asked), open);
  if (parameters.complaint !== undefined) reply.refusal = parameters.complaint;
  if (request.method === 'GET') reply.save = 'later';
  return reply;
}

async function answerOf(r: TalkRequest, route: Route, missing: string | undefined): Promise<Answer> {
  const talkRoute = route.versions !== 'core';
  if (route.login && !r.user) return notLoggedIn;
  if (talkRoute && r.user && !r.user.talkAllowed) return { status: 403, message: 'Can not use Talk' };
  const blocked = () =>
    isTalk(r.talk, '12') && route.throttles.some((action) => isBlocked(r.talk.state, action, r.now));
  if (blocked()) return tooMany;
  let answer: Answer;
  try {
    if (missing !== undefined && r.era !== 'A') {
      // The caller is checked before the parameters, except where the caller need not be a participant.
      if (route.variables.includes('token') && route.throttles.length === 0) requireSeat(r);
      return serverError;
    }
    answer = await route.handler(r);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    answer = error.answer;
  }
  // The request that exceeds the limit is refused by the throttle that runs after the controller.
  return blocked() ? serverError : answer;
}

/** Since Talk 21 most answers without data say null. */
function emptied(talk: Talk, answer: Answer): Answer {
  const nothing = answer.data === undefined || (Array.isArray(answer.data) && answer.data.length === 0);
  const silent = nothing && answer.data === undefined && !answer.routing;
  return silent && isTalk(talk, '21') ? { ...answer, data: null } : answer;
}

/** The effects of passing time: silent sessions end, lobbies open. */
function tick(talk: Talk): void {
  endSilentSessions(talk);
  sendScheduled(talk);
  for (const room of talk.state.rooms) {
    if (room.lobby === 0 || room.lobbyTimer === 0 || room.lobbyTimer > seconds(talk)) continue;
    room.lobby = 0;
    room.lobbyTimer = 0;
    const author = { actorType: 'guests', actorId: 'system', actorName: '' } as const;
    addSystemMessage(talk, room, author, 'lobby_timer_reached');
  }
}

function withCookies(reply: SandboxReply, open: OpenSession): SandboxReply {
  if (open.setCookies.length === 0) return reply;
  return { ...reply, headers: { ...reply.headers, 'set-cookie': open.setCookies } };
}
