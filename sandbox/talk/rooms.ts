import { hash } from 'node:crypto';
import { endCall } from './calls.ts';
import { addGroup, addUser, deleteRoom, makeRoom, usersOf } from './membership.ts';
import { addMessage, addSystemMessage, authorOf, userAuthor } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { formatRoom } from './room-format.ts';
import type { Room, TalkUser } from './state.ts';
import {
  bySession,
  findRoom,
  int,
  isTalk,
  moderates,
  requireSeat,
  type Seat,
  seatOf,
  type Talk,
  type TalkRequest,
  text,
  userIn,
} from './talk.ts';
import { countFailure } from './throttle.ts';

const needsPassword: Answer = { status: 400, data: { error: 'password', message: 'Password needs to be set' } };

/** `POST /room`: 201 for a new room, 200 for a one-to-one room that exists. */
export function createRoom(r: TalkRequest): Answer {
  const me = r.user as TalkUser;
  const invite = text(r, 'invite');
  const name = text(r, 'roomName').trim();
  const by = userAuthor(r.talk, me.id);
  switch (int(r, 'roomType')) {
    case 1: {
      if (!Object.hasOwn(r.talk.state.users, invite)) return failed(r, 404, 'invite');
      if (invite === me.id) return failed(r, 403, 'invite');
      const there = r.talk.state.rooms.find(
        (room) => room.type === 1 && userIn(room, me.id) && userIn(room, invite) && room.attendees.length === 2,
      );
      if (there) return created(r, there, 200);
      const room = makeRoom(r.talk, 1, `${me.id}/${invite}`);
      for (const id of [me.id, invite]) addUser(r.talk, room, id, 1);
      return created(r, announced(r, room, by), 201);
    }
    case 2:
      if (invite !== '') {
        if (!Object.hasOwn(r.talk.state.groups, invite)) return failed(r, 404, 'invite');
        const room = makeRoom(r.talk, 2, name !== '' && isTalk(r.talk, '18') ? name : invite);
        addUser(r.talk, room, me.id, 1);
        announced(r, room, by);
        addGroup(r.talk, room, invite, by, r.era === 'E');
        return created(r, room, 201);
      }
      break;
    case 3:
      break;
    default:
      return failed(r, 400, 'type');
  }
  if (name === '' && isTalk(r.talk, '6') && !isTalk(r.talk, '21')) return failed(r, 400, 'name');
  const isPublic = int(r, 'roomType') === 3;
  if (isPublic && text(r, 'password') === '' && r.talk.state.forcePasswords) return needsPassword;
  const room = makeRoom(r.talk, isPublic ? 3 : 2, name === '' && isTalk(r.talk, '21') ? '---' : name);
  room.password = room.type === 3 && isTalk(r.talk, '21') ? text(r, 'password') : '';
  addUser(r.talk, room, me.id, 1);
  announced(r, room, by);
  if (isTalk(r.talk, '21.1')) furnish(r, room, by);
  return created(r, room, 201);
}

/** Applies the settings that can be given when a room is created (Talk 21.1). */
function furnish(r: TalkRequest, room: Room, by: ReturnType<typeof userAuthor>): void {
  room.description = text(r, 'description').trim();
  room.readOnly = int(r, 'readOnly') === 1 ? 1 : 0;
  room.lobby = int(r, 'lobbyState') === 1 ? 1 : 0;
  const { users = [], groups = [] } = (r.input.participants ?? {}) as { users?: string[]; groups?: string[] };
  for (const id of users) {
    if (Object.hasOwn(r.talk.state.users, id) && !userIn(room, id)) addUser(r.talk, room, id, 3, by);
  }
  for (const id of groups) if (Object.hasOwn(r.talk.state.groups, id)) addGroup(r.talk, room, id, by, true);
}

/** `GET /room`: the rooms of the caller; era E adds the updates room and the headers for the next poll. */
export function listRooms(r: TalkRequest): Answer {
  const me = r.user as TalkUser;
  if (r.era === 'E') ensureChangelog(r.talk, me);
  const since = int(r, 'modifiedSince');
  const rooms = r.talk.state.rooms.filter((room) => {
    if (!userIn(room, me.id) || (room.type === 4 && r.era !== 'E')) return false;
    return since === 0 || room.lastActivity >= since || room.call !== null;
  });
  const data = rooms.map((room) => formatRoom(r.talk, room, seatOf(r, room) as Seat));
  if (r.era !== 'E') return { status: 200, data };
  const headers = { 'X-Nextcloud-Talk-Hash': talkHash(r.talk), 'X-Nextcloud-Talk-Modified-Before': String(r.now) };
  return { status: 200, data, headers };
}

/** `GET /room/{token}`: for members and guests with a session; a public room is shown to anybody. */
export function getRoom(r: TalkRequest): Answer {
  const room = findRoom(r.talk, r.input.token);
  const seat = room && seatOf(r, room);
  if (!room || (!seat && room.type !== 3)) throw unknownToken(r);
  const data = formatRoom(r.talk, room, seat ?? { attendee: undefined, session: undefined });
  return { status: 200, data, ...(r.era === 'E' ? { headers: { 'X-Nextcloud-Talk-Hash': talkHash(r.talk) } } : {}) };
}

/** 404 for a token that the caller cannot see; counted against its address since v4. */
export function unknownToken(r: TalkRequest): Stop {
  if (r.era !== 'E' || !r.talk.state.bruteForce) return new Stop(404);
  const delay = countFailure(r.talk.state, 'talkRoomToken', text(r, 'token'), r.now);
  return new Stop(404, [], { 'X-Nextcloud-Bruteforce-Throttled': `${delay}ms` });
}

/** `PUT /room/{token}`. */
export function renameRoom(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const { room } = seat;
  if (room.type === 1) return failed(r, isTalk(r.talk, '6') ? 400 : 405, 'type');
  const newName = text(r, 'roomName').trim();
  if (newName === '' || [...newName].length > (r.era === 'E' ? 255 : 200)) return failed(r, 400, 'value');
  const oldName = room.name;
  room.name = newName;
  if (oldName !== newName)
    addSystemMessage(r.talk, room, authorOf(seat.attendee), 'conversation_renamed', { oldName, newName });
  return roomDone(r, seat);
}

/** `DELETE /room/{token}`. */
export function removeRoom(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { moderator: true });
  if (room.type === 1 && isTalk(r.talk, '6')) return { status: 400 };
  deleteRoom(r.talk, room);
  return { status: 200, data: isTalk(r.talk, '21') ? null : [] };
}

/** `PUT /room/{token}/password`: an empty one removes it. */
export function setPassword(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  if (seat.room.type !== 3) return isTalk(r.talk, '21') ? failed(r, 400, 'type') : { status: 403 };
  const password = text(r, 'password');
  const changed = seat.room.password !== password;
  seat.room.password = password;
  const line = password === '' ? 'password_removed' : 'password_set';
  if (changed) addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), line);
  return roomDone(r, seat);
}

/** `POST` and `DELETE /room/{token}/public`: repeating it succeeds. */
export function setPublic(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const wanted = r.raw.method === 'POST' ? 3 : 2;
  if (seat.room.type === 1) return failed(r, 400, 'type');
  const password = text(r, 'password');
  if (wanted === 3 && password === '' && seat.room.password === '' && r.talk.state.forcePasswords) return needsPassword;
  if (seat.room.type !== wanted) {
    if (wanted === 3) seat.room.password = password;
    seat.room.type = wanted;
    const line = wanted === 3 ? 'guests_allowed' : 'guests_disallowed';
    addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), line);
  }
  return roomDone(r, seat);
}

/** `PUT /room/{token}/description`: 500 characters, 2,000 since Talk 21. */
export function setDescription(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const description = text(r, 'description').trim();
  if (seat.room.type === 1) return failed(r, 400, 'type');
  if ([...description].length > (isTalk(r.talk, '21') ? 2000 : 500)) return failed(r, 400, 'value');
  const changed = seat.room.description !== description;
  seat.room.description = description;
  const line = description === '' ? 'description_removed' : 'description_set';
  if (changed) addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), line);
  return roomDone(r, seat);
}

/** `PUT /room/{token}/read-only`: locking ends a running call. */
export function setReadOnly(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const state = int(r, 'state', -1);
  if (seat.room.type === 1) return failed(r, 400, 'type');
  if (state !== 0 && state !== 1) return failed(r, 400, 'value');
  const changed = seat.room.readOnly !== state;
  seat.room.readOnly = state;
  if (state === 1 && seat.room.call) endCall(r.talk, seat.room, authorOf(seat.attendee), true);
  if (changed)
    addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), state === 1 ? 'read_only' : 'read_only_off');
  return roomDone(r, seat);
}

/** `POST /room/{token}/message-expiration`. */
export function setExpiration(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  if (seat.room.type === 1) return failed(r, 400, 'type');
  seat.room.expiration = Math.max(0, int(r, 'seconds'));
  return roomDone(r, seat);
}

/** `POST /room/{token}/notify`. */
export function setNotificationLevel(r: TalkRequest): Answer {
  const seat = requireSeat(r);
  const level = int(r, 'level', -1);
  if (level < 0 || level > 3) return failed(r, 400, 'level');
  seat.attendee.notificationLevel = level;
  return roomDone(r, seat);
}

/** `PUT /room/{token}/webinar/lobby` (`webinary` before v4): answers the room on every release. */
export function setLobby(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const { room } = seat;
  const state = int(r, 'state', -1);
  if (room.type === 1) return failed(r, 400, 'type');
  if (state !== 0 && state !== 1) return failed(r, 400, 'value');
  const changed = room.lobby !== state;
  room.lobby = state;
  room.lobbyTimer = state === 1 ? Math.max(0, int(r, 'timer')) : 0;
  const line = state === 1 ? 'lobby_non_moderators' : 'lobby_none';
  if (changed) addSystemMessage(r.talk, room, authorOf(seat.attendee), line);
  return { status: 200, data: formatRoom(r.talk, room, seat) };
}

/** A hash that changes with the server or its settings, by which clients know that they must read the capabilities again. */
function talkHash(talk: Talk): string {
  const { talkVersion, maxLength } = talk.state;
  return hash('sha1', JSON.stringify([talkVersion, maxLength]), 'hex');
}

/** A documented refusal; since Talk 20 the reason is in `data.error`. */
export function failed(r: TalkRequest, status: number, error: string): Answer {
  return { status, data: isTalk(r.talk, '20') ? { error } : [] };
}

/** An empty answer, or since Talk 21 the room as it is now. */
function roomDone(r: TalkRequest, seat: Seat): Answer {
  return { status: 200, data: isTalk(r.talk, '21') ? formatRoom(r.talk, seat.room, seat) : [] };
}

function created(r: TalkRequest, room: Room, status: number): Answer {
  const attendee = userIn(room, r.user?.id);
  const full = formatRoom(r.talk, room, { attendee, session: bySession(room, r.php.rooms[room.token])?.session });
  if (isTalk(r.talk, '8')) return { status, data: full };
  const { token, name, displayName } = full;
  return { status, data: !isTalk(r.talk, '6') || status === 200 ? { token } : { token, name, displayName } };
}

/** Writes the first line of a room, which its moderators count as read. */
function announced(r: TalkRequest, room: Room, by: ReturnType<typeof userAuthor>): Room {
  addSystemMessage(r.talk, room, by, 'conversation_created');
  for (const attendee of usersOf(room)) if (moderates(attendee)) attendee.lastRead = room.lastMessage;
  return room;
}

function ensureChangelog(talk: Talk, user: TalkUser): void {
  if (!talk.state.changelog || talk.state.rooms.some((room) => room.type === 4 && userIn(room, user.id))) return;
  const room = makeRoom(talk, 4, '');
  room.readOnly = 1;
  const attendee = addUser(talk, room, user.id, 3);
  const author = { actorType: 'bots', actorId: 'changelog', actorName: 'Talk updates ✅' } as const;
  for (const text of ['## New in Talk 17\n- Conversations have pictures', '## New in Talk 17.1\n- Bots and webhooks']) {
    addMessage(talk, room, author, { verb: 'comment', text });
    attendee.lastRead ||= room.lastMessage;
  }
}
