import { leaveCall } from './calls.ts';
import { addAttendee, addGroup, addUser, deleteRoom, dropAttendee, usersOf } from './membership.ts';
import { addSystemMessage, authorOf } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { permissionsOf } from './room-format.ts';
import { failed } from './rooms.ts';
import type { Attendee, Room } from './state.ts';
import {
  bool,
  bySession,
  int,
  isTalk,
  moderates,
  requireSeat,
  type Seat,
  type TalkRequest,
  text,
  userIn,
} from './talk.ts';

/** `GET /room/{token}/participants`. */
export function listParticipants(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { pastLobby: r.era === 'E' });
  if (r.era === 'E') {
    if (attendee.type === 4) return { status: 403 };
    return { status: 200, data: room.attendees.map((one) => rowV4(r, room, one)) };
  }
  if (r.era === 'C' && attendee.type === 4) return { status: 403 };
  const shown = room.attendees.filter((one) => one.actorType === 'users' || one.actorType === 'guests');
  const data = shown.map((one) => {
    const session = one.sessions[0];
    return {
      inCall: r.era === 'A' ? (session?.inCall ?? 0) > 0 : (session?.inCall ?? 0),
      lastPing: session?.lastPing ?? 0,
      sessionId: session?.id ?? '0',
      participantType: one.type,
      userId: one.actorType === 'users' ? one.actorId : '',
      displayName: one.displayName,
    };
  });
  return { status: 200, data };
}

function rowV4(r: TalkRequest, room: Room, one: Attendee): object {
  const row = {
    roomToken: room.token,
    inCall: Math.max(0, ...one.sessions.map((session) => session.inCall)),
    lastPing: Math.max(0, ...one.sessions.map((session) => session.lastPing)),
    sessionIds: one.sessions.map((session) => session.id),
    participantType: one.type,
    attendeeId: one.id,
    actorId: one.actorId,
    actorType: one.actorType,
    displayName: one.displayName,
    permissions: permissionsOf(one),
    attendeePermissions: 0,
    attendeePin: '',
  };
  if (!bool(r, 'includeStatus') || one.actorType !== 'users') return row;
  return { ...row, status: 'offline', statusIcon: null, statusMessage: null, statusClearAt: null };
}

/** `POST /room/{token}/participants`: servers before Talk 6 turn a one-to-one room into a group; later ones refuse. */
export function addParticipant(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const { room } = seat;
  const by = authorOf(seat.attendee);
  const wanted = text(r, 'newParticipant');
  const source = r.era === 'A' ? 'users' : text(r, 'source') || 'users';
  if (room.type === 1 && isTalk(r.talk, '6')) return failed(r, 400, 'room-type');
  switch (source) {
    case 'users': {
      if (!Object.hasOwn(r.talk.state.users, wanted)) return failed(r, 404, 'new-participant');
      const there = userIn(room, wanted);
      if (there?.type === 5) there.type = 3;
      if (there) return { status: 200 };
      addUser(r.talk, room, wanted, 3, by);
      if (room.type !== 1) return { status: 200 };
      room.type = 2;
      room.name = '';
      return { status: 200, data: { type: 2 } };
    }
    case 'groups':
      if (!Object.hasOwn(r.talk.state.groups, wanted)) return failed(r, 404, 'new-participant');
      addGroup(r.talk, room, wanted, by, r.era === 'E');
      return { status: 200 };
    case 'emails':
      if (room.type !== 3) addSystemMessage(r.talk, room, by, 'guests_allowed');
      room.type = 3;
      if (r.era === 'E' && !room.attendees.some((one) => one.actorType === 'emails' && one.actorId === wanted)) {
        addAttendee(r.talk, room, 'emails', wanted, 4, wanted);
      }
      return { status: 200, data: { type: 3 } };
    default:
      return failed(r, 400, 'source');
  }
}

/** `DELETE /room/{token}/participants` before v4, by account. */
export function removeUser(r: TalkRequest): Answer {
  const seat = requireSeat(r);
  const wanted = text(r, 'participant');
  if (r.era === 'C' && seat.attendee.actorId === wanted) return removeSelf(r);
  if (!moderates(seat.attendee)) throw new Stop(403);
  if (r.era === 'C' && seat.room.type === 1) throw new Stop(400);
  const target = userIn(seat.room, wanted);
  if (!target) throw new Stop(404);
  if (target.type === 1) throw new Stop(403);
  return takeOut(r, seat, target);
}

/** `DELETE /room/{token}/participants/guests` before v4, by session. */
export function removeGuest(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const target = bySession(seat.room, text(r, 'participant'))?.attendee;
  if (!target) throw new Stop(404);
  if (target.actorType !== 'guests') throw new Stop(isTalk(r.talk, '6') ? 400 : 403);
  return takeOut(r, seat, target);
}

/** `DELETE /room/{token}/attendees` of v4. */
export function removeAttendee(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const target = seat.room.attendees.find((one) => one.id === int(r, 'attendeeId'));
  if (!target) return failed(r, 404, 'participant');
  if (seat.room.type === 1) return failed(r, 400, 'room-type');
  if (target === seat.attendee) return removeSelf(r);
  if (target.type === 1) return failed(r, 403, 'owner');
  if (target.actorType === 'groups') {
    const members = usersOf(seat.room).filter(
      (one) => one.type === 3 && r.talk.state.users[one.actorId]?.groups.includes(target.actorId),
    );
    for (const member of members) takeOut(r, seat, member);
  }
  return takeOut(r, seat, target);
}

/** `DELETE /room/{token}/participants/self`: the last moderator has to stay since Talk 6. */
export function removeSelf(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r);
  const users = usersOf(room);
  const locked = isTalk(r.talk, '6');
  if (!locked && (room.type === 1 || users.length === 1)) {
    deleteRoom(r.talk, room);
    return { status: 200 };
  }
  if (locked && room.type !== 1 && moderates(attendee)) {
    const moderators = users.filter((one) => moderates(one));
    if (users.length > 1 && moderators.length === 1) return failed(r, 400, 'last-moderator');
  }
  leaveCall(r.talk, room, attendee);
  dropAttendee(room, attendee);
  if (users.length === 1) deleteRoom(r.talk, room);
  else if (room.type !== 1) {
    addSystemMessage(r.talk, room, authorOf(attendee), 'user_removed', { user: attendee.actorId });
  }
  return { status: 200 };
}

/** `POST` and `DELETE /room/{token}/moderators`: by account before v4, by attendee since. */
export function setModerator(r: TalkRequest): Answer {
  const seat = requireSeat(r, { moderator: true });
  const promote = r.raw.method === 'POST';
  const target = moderatorTarget(r, seat);
  if (!target) return failed(r, 404, 'participant');
  const isSelf = target === seat.attendee && (r.era === 'E' || (r.era === 'C' && !promote));
  // Nobody may change their own role; the server refuses it without saying why.
  if (isSelf) return { status: 403 };
  const from = promote ? (r.era === 'E' ? [3, 4, 5] : [3, 4]) : [2, 6];
  if (!from.includes(target.type) || (r.era === 'E' && !['users', 'guests', 'emails'].includes(target.actorType))) {
    return failed(r, isTalk(r.talk, '6') ? 400 : 412, promote ? 'participant-type' : 'moderator');
  }
  const guest = target.actorType !== 'users';
  target.type = promote ? (guest ? 6 : 2) : guest ? 4 : 3;
  const line = `${guest ? 'guest_' : ''}moderator_${promote ? 'promoted' : 'demoted'}`;
  const about = guest ? { session: target.actorId } : { user: target.actorId };
  addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), line, about);
  return { status: 200 };
}

function moderatorTarget(r: TalkRequest, { room }: Seat): Attendee | undefined {
  if (r.era === 'E') return room.attendees.find((one) => one.id === int(r, 'attendeeId'));
  if (r.era === 'C' && r.input.participant === undefined) return bySession(room, text(r, 'sessionId'))?.attendee;
  return userIn(room, text(r, 'participant'));
}

/** `POST /room/{token}/participants/resend-invitations`. */
export function resendInvitations(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { moderator: true });
  const wanted = int(r, 'attendeeId');
  if (wanted !== 0 && !room.attendees.some((one) => one.id === wanted && one.actorType === 'emails'))
    throw new Stop(404);
  return { status: 200 };
}

/** `GET /chat/{token}/mentions`: whom a text can mention. */
export function findMentions(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { writable: true, pastLobby: true });
  const search = text(r, 'search').toLowerCase();
  const found = usersOf(room).filter(
    (one) =>
      one !== attendee &&
      (one.actorId.toLowerCase().includes(search) || one.displayName.toLowerCase().includes(search)),
  );
  const data: object[] = found.map((one) => ({ id: one.actorId, label: one.displayName, source: 'users' }));
  if (room.type !== 1 && 'all'.startsWith(search)) data.unshift({ id: 'all', label: room.name, source: 'calls' });
  return { status: 200, data: data.slice(0, int(r, 'limit', 20)) };
}

function takeOut(r: TalkRequest, seat: Seat, target: Attendee): Answer {
  leaveCall(r.talk, seat.room, target);
  dropAttendee(seat.room, target);
  const by = authorOf(seat.attendee);
  if (target.actorType === 'users') {
    addSystemMessage(r.talk, seat.room, by, 'user_removed', { user: target.actorId });
  }
  if (target.actorType === 'groups') {
    addSystemMessage(r.talk, seat.room, by, 'group_removed', { group: target.actorId });
  }
  r.talk.waiting.wake(seat.room.token);
  return { status: 200 };
}
