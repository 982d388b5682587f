import { addSystemMessage, authorOf } from './messages.ts';
import type { Answer } from './ocs.ts';
import { Stop } from './ocs.ts';
import { sessionsInCall } from './room-format.ts';
import type { Attendee, Author, Room, TalkSession } from './state.ts';
import {
  bool,
  bySession,
  findRoom,
  int,
  moderates,
  requireSeat,
  seconds,
  type Talk,
  type TalkRequest,
} from './talk.ts';

/** `GET /call/{token}`: the sessions that count as in the call. */
export function listPeers(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { writable: r.era !== 'A', pastLobby: true });
  const data = sessionsInCall(r.talk, room).map(({ attendee, session }) => {
    const common = { token: room.token, lastPing: session.lastPing, sessionId: session.id };
    if (r.era !== 'E') return { userId: attendee.actorType === 'users' ? attendee.actorId : '', ...common };
    const { actorType, actorId, displayName } = attendee;
    return { actorType, actorId, displayName, ...common };
  });
  return { status: 200, data };
}

/** `POST /call/{token}`: needs a session in the room; since v4 it must be the one in the caller's cookies. */
export function joinCall(r: TalkRequest): Answer {
  const { room, attendee, session } = requireSeat(r, { writable: r.era !== 'A', pastLobby: true });
  if (!session) throw new Stop(404);
  session.lastPing = r.now;
  const flags = int(r, 'flags', 7);
  if (session.inCall === 0) {
    // Silent sessions do not count: a call with only such sessions is announced in the chat as started again.
    const started = sessionsInCall(r.talk, room).length === 0;
    room.call ??= { since: r.now, users: [], guests: [] };
    const taken = attendee.actorType === 'users' ? room.call.users : room.call.guests;
    if (!taken.includes(attendee.actorId)) taken.push(attendee.actorId);
    addSystemMessage(r.talk, room, authorOf(attendee), started ? 'call_started' : 'call_joined');
  }
  session.inCall = flags | 1;
  r.talk.waiting.wake(room.token);
  return { status: 200 };
}

/** `PUT /call/{token}`: changes the flags of a session that is in the call. */
export function changeFlags(r: TalkRequest): Answer {
  const { room, session } = requireSeat(r);
  if (!session) throw new Stop(404);
  const flags = int(r, 'flags');
  if ((flags & 1) === 0 || session.inCall === 0) return { status: 400 };
  session.inCall = flags;
  r.talk.waiting.wake(room.token);
  return { status: 200 };
}

/** `DELETE /call/{token}`; a moderator may end it for everybody with `all`. */
export function leaveCallRoute(r: TalkRequest): Answer {
  const { room, attendee, session } = requireSeat(r);
  if (!session) throw new Stop(404);
  if (r.era === 'E' && bool(r, 'all') && moderates(attendee)) {
    if (room.call) endCall(r.talk, room, authorOf(attendee), true);
  } else leaveCall(r.talk, room, attendee, session);
  return { status: 200 };
}

/** `POST /call/{token}/ping` of Talk 3: only the caller's cookies identify the session. */
export function pingCall(r: TalkRequest): Answer {
  const room = findRoom(r.talk, r.input.token);
  const held = room && bySession(room, r.php.rooms[room.token]);
  if (!held) throw new Stop(404);
  held.session.lastPing = r.now;
  return { status: 200 };
}

/** `POST /call/{token}/ring/{attendeeId}`. */
export function ring(r: TalkRequest): Answer {
  const { room, session } = requireSeat(r, { writable: true, pastLobby: true });
  if (!session || session.inCall === 0) return { status: 400 };
  return { status: room.attendees.some((one) => one.id === int(r, 'attendeeId')) ? 200 : 404 };
}

/** `POST` and `DELETE /recording/{token}` (Talk 16). */
export function recordingRoute(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { moderator: true });
  if (r.raw.method === 'DELETE') {
    if (room.recording !== 0) addSystemMessage(r.talk, room, authorOf(attendee), `${recordingName(room)}_stopped`);
    room.recording = 0;
    return { status: 200 };
  }
  const status = int(r, 'status');
  if (status !== 1 && status !== 2) return { status: 400, data: { error: 'status' } };
  if (!room.call) return { status: 400, data: { error: 'call' } };
  if (room.recording !== 0) return { status: 400, data: { error: 'recording' } };
  room.recording = status;
  addSystemMessage(r.talk, room, authorOf(attendee), `${recordingName(room)}_started`);
  return { status: 200 };
}

function recordingName({ recording }: Room): string {
  return recording === 2 ? 'audio_recording' : 'recording';
}

/** Takes an attendee, or one session of it, out of the call; the last one ends it. */
export function leaveCall(talk: Talk, room: Room, attendee: Attendee, session?: TalkSession): void {
  const leaving = attendee.sessions.filter((one) => one.inCall > 0 && (!session || one === session));
  if (leaving.length === 0) return;
  for (const one of leaving) one.inCall = 0;
  if (!attendee.sessions.some((one) => one.inCall > 0)) {
    addSystemMessage(talk, room, authorOf(attendee), 'call_left');
  }
  if (!room.attendees.some((one) => one.sessions.some((some) => some.inCall > 0))) {
    endCall(talk, room, authorOf(attendee), false);
  }
  talk.waiting.wake(room.token);
}

/** Ends the call of a room; a one-to-one call that nobody answered is reported as missed. */
export function endCall(talk: Talk, room: Room, by: Author, everyone: boolean): void {
  const call = room.call;
  if (!call) return;
  room.call = null;
  for (const attendee of room.attendees) for (const session of attendee.sessions) session.inCall = 0;
  const missed = room.type === 1 && call.users.length === 1;
  if (missed) addSystemMessage(talk, room, by, 'call_missed', { users: call.users });
  else {
    addSystemMessage(talk, room, by, everyone ? 'call_ended_everyone' : 'call_ended', {
      users: call.users,
      guests: call.guests.length,
      duration: seconds(talk) - call.since,
    });
  }
  talk.waiting.wake(room.token);
}
