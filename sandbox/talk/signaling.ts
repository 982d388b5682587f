import type { Answer } from './ocs.ts';
import { permissionsOf } from './room-format.ts';
import type { Room } from './state.ts';
import { bySession, findRoom, serverUrl, type TalkRequest } from './talk.ts';

/** `GET /signaling/{token}`: keeps the session in the cookies alive; held until the room changes or `signalingHold` is over. */
export async function pullSignaling(r: TalkRequest): Promise<Answer> {
  const room = findRoom(r.talk, r.input.token);
  const carried = room && r.php.rooms[room.token];
  const held = room && bySession(room, carried);
  const nobody = [{ type: 'usersInRoom', data: [] }];
  if (!room || !held) {
    const killed = carried !== undefined && room?.killedSessions.includes(carried);
    return { status: killed ? 409 : 404, data: nobody };
  }
  held.session.lastPing = r.now;
  const before = JSON.stringify(inRoom(room, false));
  await holdFor(r, room, () => JSON.stringify(inRoom(room, false)) !== before);
  if (!bySession(room, carried)) {
    return { status: carried !== undefined && room.killedSessions.includes(carried) ? 409 : 404, data: nobody };
  }
  return { status: 200, data: [{ type: 'usersInRoom', data: inRoom(room, true) }] };
}

/** `GET /signaling/settings`: internal signaling, so that a pull keeps a call alive. */
export function signalingSettings(r: TalkRequest): Answer {
  const userId = r.user?.id ?? null;
  const ticket = `sandbox:${r.now}:${userId ?? ''}:ticket`;
  return {
    status: 200,
    data: {
      signalingMode: 'internal',
      userId,
      hideWarning: false,
      server: '',
      ticket,
      helloAuthParams: { '1.0': { userid: userId, ticket }, '2.0': { token: `sandbox.${serverUrl(r.talk)}` } },
      stunservers: [{ urls: [] }],
      turnservers: [],
      sipDialinInfo: '',
    },
  };
}

/** The hold is real time on any clock: a frozen test clock must not keep a pull open for ever. */
async function holdFor(r: TalkRequest, room: Room, changed: () => boolean): Promise<void> {
  const { signalingHold, waiting } = r.talk;
  if (signalingHold <= 0) return;
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    waiting.wake(room.token);
  }, signalingHold);
  await waiting.until(room.token, 30, r.raw.raw.socket, () => over || changed());
  clearTimeout(timer);
}

function inRoom(room: Room, withPings: boolean): object[] {
  return room.attendees.flatMap((attendee) =>
    attendee.sessions.map((session) => ({
      userId: attendee.actorType === 'users' ? attendee.actorId : '',
      roomId: room.id,
      ...(withPings ? { lastPing: session.lastPing } : {}),
      sessionId: session.id,
      inCall: session.inCall,
      participantPermissions: permissionsOf(attendee),
    })),
  );
}
