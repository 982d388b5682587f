import { leaveCall } from './calls.ts';
import { addAttendee, dropAttendee } from './membership.ts';
import { type Answer, Stop } from './ocs.ts';
import { formatRoom } from './room-format.ts';
import { failed, unknownToken } from './rooms.ts';
import { type Attendee, type Room, randomText, type TalkSession, wordAlphabet } from './state.ts';
import {
  bool,
  bySession,
  carry,
  findRoom,
  isTalk,
  requireSeat,
  seatOf,
  seconds,
  type Talk,
  type TalkRequest,
  text,
  userIn,
} from './talk.ts';
import { countFailure, forgiveFailures } from './throttle.ts';

/** `POST /room/{token}/participants/active`: joins, and ties the Talk session to the caller's cookies. */
export function joinRoom(r: TalkRequest): Answer {
  const room = findRoom(r.talk, r.input.token);
  if (!room) throw unknownToken(r);
  const member = r.user ? userIn(room, r.user.id) : undefined;
  if (!member && room.type !== 3) throw r.user ? unknownToken(r) : new Stop(404);

  const previous = bySession(room, r.php.rooms[room.token]);
  if (r.era === 'E' && previous && !bool(r, 'force', true) && previous.session.inCall > 0) {
    const { id: sessionId, inCall, lastPing } = previous.session;
    return { status: 409, data: { sessionId, inCall, lastPing } };
  }
  const returning = !r.user && previous?.attendee.actorType === 'guests';
  if (room.password !== '' && !member && !returning && text(r, 'password') !== room.password) {
    return wrongPassword(r, room);
  }
  if (previous) endSession(r.talk, room, previous.attendee, previous.session, returning);
  if (r.era !== 'E' && member) for (const session of member.sessions) leaveCall(r.talk, room, member, session);
  if (r.era === 'A' && r.user) leaveOtherRooms(r.talk, room, r.user.id);

  const fresh = !r.user && !returning;
  const attendee = returning && previous ? previous.attendee : (member ?? newcomer(r, room));
  const session: TalkSession = { id: randomText(255, `${wordAlphabet}+/`), lastPing: r.now, inCall: 0 };
  attendee.sessions = r.era === 'E' ? [...attendee.sessions, session] : [session];
  carry(r, room.token, session.id);
  forgiveFailures(r.talk.state, 'talkRoomToken', room.token);
  forgiveFailures(r.talk.state, 'talkRoomPassword', room.token);
  r.talk.waiting.wake(room.token);
  if (!isTalk(r.talk, '7')) return { status: 200, data: { sessionId: session.id } };
  return { status: 200, reopened: true, data: formatRoom(r.talk, room, { attendee, session, fresh }) };
}

/** `DELETE /room/{token}/participants/active`: succeeds even without a session. */
export function leaveRoom(r: TalkRequest): Answer {
  const room = findRoom(r.talk, r.input.token);
  if (!room) {
    if (r.era === 'A') throw new Stop(404);
    return { status: 200, reopened: true };
  }
  const seat = seatOf(r, room);
  if (!seat && r.era === 'A') throw new Stop(404);
  if (seat?.session) endSession(r.talk, room, seat.attendee, seat.session);
  if (r.php.rooms[room.token] !== undefined) carry(r, room.token, null);
  r.talk.waiting.wake(room.token);
  return { status: 200, reopened: true };
}

/** `POST /guest/{token}/name`. */
export function setGuestName(r: TalkRequest): Answer {
  const { attendee } = requireSeat(r);
  if (r.user) return { status: 403 };
  attendee.displayName = text(r, 'displayName').trim();
  return { status: 200 };
}

/** Ends sessions that have been silent for 100 seconds. The server does this at every request for a room. */
export function endSilentSessions(talk: Talk): void {
  const limit = seconds(talk) - 100;
  for (const room of talk.state.rooms) {
    for (const attendee of [...room.attendees]) {
      for (const session of attendee.sessions.filter((one) => one.lastPing <= limit)) {
        endSession(talk, room, attendee, session);
      }
    }
  }
}

/** Ends one session: it leaves the call, and a guest or self-joined user without another session leaves the room. */
export function endSession(talk: Talk, room: Room, attendee: Attendee, session: TalkSession, keep = false): void {
  leaveCall(talk, room, attendee, session);
  attendee.sessions = attendee.sessions.filter((one) => one !== session);
  const passing = attendee.type === 5 || (attendee.actorType === 'guests' && attendee.type === 4);
  if (passing && !keep && attendee.sessions.length === 0) dropAttendee(room, attendee);
}

function newcomer(r: TalkRequest, room: Room): Attendee {
  if (r.user) return addAttendee(r.talk, room, 'users', r.user.id, 5, r.user.displayName);
  return addAttendee(r.talk, room, 'guests', randomText(40, '0123456789abcdef'), 4, '');
}

function wrongPassword(r: TalkRequest, room: Room): Answer {
  if (r.era !== 'E' || !r.talk.state.bruteForce) return failed(r, 403, 'password');
  const delay = countFailure(r.talk.state, 'talkRoomPassword', room.token, r.now);
  return { ...failed(r, 403, 'password'), headers: { 'X-Nextcloud-Bruteforce-Throttled': `${delay}ms` } };
}

/** Before `multi-room-users` an account could be in one room at a time. */
function leaveOtherRooms(talk: Talk, room: Room, userId: string): void {
  for (const other of talk.state.rooms) {
    const attendee = other === room ? undefined : userIn(other, userId);
    for (const session of attendee?.sessions ?? []) if (attendee) endSession(talk, other, attendee, session);
  }
}
