import { cloudUser, getAppPassword, revokeAppPassword } from './accounts.ts';
import { listBots, listBotsForAdmin, reactAsBot, sendAsBot, switchBot } from './bots.ts';
import { changeFlags, joinCall, leaveCallRoute, listPeers, pingCall, recordingRoute, ring } from './calls.ts';
import { capabilities } from './capabilities.ts';
import { context, receive, send } from './chat.ts';
import { deleteMessage, editMessage, markRead, markUnread } from './chat-changes.ts';
import { shareFile } from './files.ts';
import { pinRoute, reminderRoute } from './marks.ts';
import type { Answer } from './ocs.ts';
import * as people from './participants.ts';
import { createPoll, pollRoute } from './polls.ts';
import { reactionRoute } from './reactions.ts';
import * as rooms from './rooms.ts';
import { scheduleRoute } from './scheduled.ts';
import { joinRoom, leaveRoom, setGuestName } from './sessions.ts';
import { pullSignaling, signalingSettings } from './signaling.ts';
import type { TalkRequest } from './talk.ts';
import { listThreads, threadRoute } from './threads.ts';
import type { ThrottleAction } from './throttle.ts';
import { atLeast, type Era } from './versions.ts';

type Handler = (request: TalkRequest) => Answer | Promise<Answer>;

/** One route of the server: its path in each era, its parameters, and who may call it. */
export interface Route {
  method: string;
  pattern: RegExp;
  variables: string[];
  /** The API version per era; absent if the era lacks the route. `core` routes are outside of Talk. */
  versions: Partial<Record<Era, string>> | 'core';
  /** The first Talk release that has it. */
  since: string;
  params: Set<string>;
  required: string[];
  /** Guests get 401. */
  login: boolean;
  /** The kind of failure for which the server blocks an address here. */
  throttles: ThrottleAction[];
  handler: Handler;
}

const room = { A: 'v1', C: 'v1', E: 'v4' };
const beforeV4 = { A: 'v1', C: 'v1' };
const chat = { A: 'v1', C: 'v1', E: 'v1' };
const chatV2 = { C: 'v1', E: 'v1' };
const newRoom = { C: 'v1', E: 'v4' };
const v4 = { E: 'v4' };
const v1 = { E: 'v1' };

/** Every route, in the order the server tries them. */
const routes: Route[] = [
  on('core', 'GET /cloud/capabilities', capabilities),
  on('core', 'GET /cloud/user', cloudUser, { login: true }),
  on('core', 'GET /core/getapppassword', getAppPassword, { login: true, since: '5' }),
  on('core', 'DELETE /core/apppassword', revokeAppPassword, { login: true, since: '10' }),

  on('core', 'POST /apps/files_sharing/api/v1/shares', shareFile, {
    login: true,
    params: 'shareType! shareWith! path! referenceId talkMetaData',
  }),

  on(room, 'POST /room', rooms.createRoom, {
    login: true,
    params:
      'roomType! invite roomName source objectType objectId password description participants permissions readOnly lobbyState listable',
  }),
  on(room, 'GET /room', rooms.listRooms, { login: true, params: 'noStatusUpdate includeStatus modifiedSince' }),
  on(room, 'GET /room/{token}', rooms.getRoom, { throttles: ['talkRoomToken'] }),
  on(room, 'PUT /room/{token}', rooms.renameRoom, { params: 'roomName!' }),
  on(room, 'DELETE /room/{token}', rooms.removeRoom),
  on(room, 'PUT /room/{token}/password', rooms.setPassword, { params: 'password!' }),
  on(room, 'POST /room/{token}/public', rooms.setPublic, { login: true, params: 'password' }),
  on(room, 'DELETE /room/{token}/public', rooms.setPublic, { login: true }),
  on(newRoom, 'PUT /room/{token}/read-only', rooms.setReadOnly, { params: 'state!', since: '6' }),
  on(v4, 'PUT /room/{token}/description', rooms.setDescription, { params: 'description!' }),
  on({ C: 'v1' }, 'PUT /room/{token}/webinary/lobby', rooms.setLobby, { params: 'state! timer', since: '7' }),
  on(v4, 'PUT /room/{token}/webinar/lobby', rooms.setLobby, { params: 'state! timer' }),

  on(room, 'GET /room/{token}/participants', people.listParticipants, { params: 'includeStatus' }),
  on(room, 'POST /room/{token}/participants', people.addParticipant, { login: true, params: 'newParticipant! source' }),
  on(beforeV4, 'DELETE /room/{token}/participants', people.removeUser, { params: 'participant!' }),
  on(beforeV4, 'DELETE /room/{token}/participants/guests', people.removeGuest, { params: 'participant!' }),
  on(v4, 'DELETE /room/{token}/attendees', people.removeAttendee, { params: 'attendeeId!' }),
  on(room, 'DELETE /room/{token}/participants/self', people.removeSelf, { login: true }),
  on(room, 'POST /room/{token}/participants/active', joinRoom, {
    params: 'password force',
    throttles: ['talkRoomToken', 'talkRoomPassword'],
  }),
  on(room, 'DELETE /room/{token}/participants/active', leaveRoom),
  ...['POST', 'DELETE'].flatMap((method) => [
    on(beforeV4, `${method} /room/{token}/moderators`, people.setModerator, { params: 'participant sessionId' }),
    on(v4, `${method} /room/{token}/moderators`, people.setModerator, { params: 'attendeeId!' }),
  ]),
  on(v4, 'POST /room/{token}/participants/resend-invitations', people.resendInvitations, { params: 'attendeeId' }),
  on(v4, 'POST /room/{token}/message-expiration', rooms.setExpiration, { params: 'seconds!', since: '15' }),
  on(newRoom, 'POST /room/{token}/notify', rooms.setNotificationLevel, { params: 'level!', login: true, since: '5' }),
  on(chatV2, 'POST /guest/{token}/name', setGuestName, { params: 'displayName!' }),

  on(room, 'GET /call/{token}', listPeers),
  on(room, 'POST /call/{token}', joinCall, { params: 'flags silent recordingConsent' }),
  on(v4, 'PUT /call/{token}', changeFlags, { params: 'flags!' }),
  on(room, 'DELETE /call/{token}', leaveCallRoute, { params: 'all' }),
  on({ A: 'v1' }, 'POST /call/{token}/ping', pingCall),
  on(v4, 'POST /call/{token}/ring/{attendeeId}', ring, { since: '15' }),
  on(v1, 'POST /recording/{token}', recordingRoute, { params: 'status!', login: true, since: '16' }),
  on(v1, 'DELETE /recording/{token}', recordingRoute, { login: true, since: '16' }),
  on({ C: 'v1', E: 'v3' }, 'GET /signaling/settings', signalingSettings, { params: 'token' }),
  on({ C: 'v1', E: 'v3' }, 'GET /signaling/{token}', pullSignaling),

  on({ A: 'v1' }, 'GET /chat/{token}', receive, { params: 'offset notOlderThanTimestamp timeout' }),
  on(chatV2, 'GET /chat/{token}', receive, {
    params:
      'lookIntoFuture! limit lastKnownMessageId lastCommonReadId timeout setReadMarker includeLastKnown noStatusUpdate markNotificationsAsRead threadId',
  }),
  on(chat, 'POST /chat/{token}', send, {
    params: 'message! actorDisplayName replyTo referenceId silent threadId threadTitle',
  }),
  on(v1, 'GET /chat/{token}/threads/recent', listThreads, { params: 'limit', since: '22' }),
  on(v1, 'GET /chat/{token}/threads/{threadId}', threadRoute, { since: '22' }),
  on(v1, 'PUT /chat/{token}/threads/{threadId}', threadRoute, { params: 'threadTitle!', since: '22' }),
  on(v1, 'GET /chat/{token}/schedule', scheduleRoute, { login: true, since: '23' }),
  on(v1, 'POST /chat/{token}/schedule', scheduleRoute, {
    params: 'message! sendAt! replyTo silent threadId',
    login: true,
    since: '23',
  }),
  on(v1, 'DELETE /chat/{token}/schedule/{messageId}', scheduleRoute, { login: true, since: '23' }),
  on(v1, 'GET /chat/{token}/{messageId}/context', context, { params: 'limit threadId', since: '16' }),
  on(v1, 'POST /chat/{token}/{messageId}/reminder', reminderRoute, {
    params: 'timestamp!',
    login: true,
    since: '17.1',
  }),
  on(v1, 'DELETE /chat/{token}/{messageId}/reminder', reminderRoute, { login: true, since: '17.1' }),
  on(v1, 'POST /chat/{token}/{messageId}/pin', pinRoute, { params: 'pinUntil', since: '23' }),
  on(v1, 'DELETE /chat/{token}/{messageId}/pin', pinRoute, { since: '23' }),
  on(v1, 'PUT /chat/{token}/{messageId}', editMessage, { params: 'message!', since: '19' }),
  on(v1, 'DELETE /chat/{token}/{messageId}', deleteMessage),
  on(chatV2, 'POST /chat/{token}/read', markRead, { login: true, params: 'lastReadMessage!', since: '7' }),
  on(v1, 'DELETE /chat/{token}/read', markUnread, { login: true, since: '14' }),
  on(chatV2, 'GET /chat/{token}/mentions', people.findMentions, { params: 'search! limit includeStatus' }),
  ...['GET', 'POST', 'DELETE'].map((method) =>
    on(v1, `${method} /reaction/{token}/{messageId}`, reactionRoute, {
      params: method === 'GET' ? 'reaction' : 'reaction!',
      since: '14',
    }),
  ),
  on(v1, 'POST /poll/{token}', createPoll, { params: 'question! options! resultMode! maxVotes!', since: '15' }),
  ...['GET', 'POST', 'DELETE'].map((method) =>
    on(v1, `${method} /poll/{token}/{pollId}`, pollRoute, {
      params: method === 'POST' ? 'optionIds' : '',
      since: '15',
    }),
  ),

  on(v1, 'GET /bot/admin', listBotsForAdmin, { login: true, since: '17.1' }),
  on(v1, 'GET /bot/{token}', listBots, { login: true, since: '17.1' }),
  on(v1, 'POST /bot/{token}/message', sendAsBot, {
    params: 'message! replyTo referenceId silent',
    since: '17.1',
    throttles: ['bot'],
  }),
  ...['POST', 'DELETE'].flatMap((method) => [
    on(v1, `${method} /bot/{token}/reaction/{messageId}`, reactAsBot, {
      params: 'reaction!',
      since: '17.1',
      throttles: ['bot'],
    }),
    on(v1, `${method} /bot/{token}/{botId}`, switchBot, { login: true, since: '17.1' }),
  ]),
];

/** The route of a request, or why there is none: 405 for another method's path, 404 otherwise. */
export function findRoute(
  method: string,
  path: string,
  era: Era,
  talkVersion: string,
): { route: Route; variables: Record<string, string> } | 404 | 405 {
  const [, app, version, rest] = /^\/(apps\/spreed\/api)\/(v\d+)(\/.*)$/.exec(path) ?? [];
  let other = false;
  for (const route of routes) {
    if (!atLeast(talkVersion, route.since)) continue;
    if (route.versions === 'core' ? app !== undefined : route.versions[era] !== version) continue;
    const match = route.pattern.exec(rest ?? path);
    if (!match) continue;
    if (route.method === method) {
      return { route, variables: Object.fromEntries(route.variables.map((name, at) => [name, match[at + 1] ?? ''])) };
    }
    other = true;
  }
  return other ? 405 : 404;
}

function on(
  versions: Route['versions'],
  call: string,
  handler: Handler,
  more: { params?: string; since?: string; login?: boolean; throttles?: ThrottleAction[] } = {},
): Route {
  const [method = '', path = ''] = call.split(' ');
  const variables = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const source = path.replace(/\{(\w+)\}/g, (_all, name) => (name === 'token' ? '([a-z0-9]{4,30})' : '(\\d+)'));
  const listed = (more.params ?? '').split(' ').filter((name) => name !== '');
  return {
    method,
    pattern: new RegExp(`^${source}$`),
    variables,
    versions,
    since: more.since ?? '3',
    params: new Set(listed.map((name) => name.replace('!', ''))),
    required: listed.filter((name) => name.endsWith('!')).map((name) => name.slice(0, -1)),
    login: more.login ?? false,
    throttles: more.throttles ?? [],
    handler,
  };
}
