import { findMessage } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { failed } from './rooms.ts';
import type { TalkUser } from './state.ts';
import { int, requireSeat, type TalkRequest } from './talk.ts';

/** `POST` and `DELETE /chat/{token}/{messageId}/reminder` (Talk 17.1). */
export function reminderRoute(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { pastLobby: true });
  const line = findMessage(r.talk, room, int(r, 'messageId'));
  if (!line) throw new Stop(404);
  const { id: userId } = r.user as TalkUser;
  const key = `${userId}/${room.token}/${line.id}`;
  if (r.raw.method === 'DELETE') {
    delete r.talk.state.reminders[key];
    return { status: 200 };
  }
  const timestamp = int(r, 'timestamp');
  r.talk.state.reminders[key] = timestamp;
  return { status: 201, data: { userId, token: room.token, messageId: line.id, timestamp } };
}

/** `POST` and `DELETE /chat/{token}/{messageId}/pin` (Talk 23). */
export function pinRoute(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { moderator: true, pastLobby: true });
  const line = findMessage(r.talk, room, int(r, 'messageId'));
  if (!line) throw new Stop(404);
  if (line.verb !== 'comment' && line.verb !== 'object_shared') return failed(r, 400, 'message');
  const until = int(r, 'pinUntil');
  if (until !== 0 && until <= r.now) return failed(r, 400, 'until');
  room.pinned = room.pinned.filter((id) => id !== line.id);
  if (r.raw.method === 'POST') room.pinned.push(line.id);
  return { status: 200, data: null };
}
