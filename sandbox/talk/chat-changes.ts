import { isReplyable, maxLength, withCommonRead } from './chat.ts';
import { formatMessage } from './message-format.ts';
import { addSystemMessage, authorOf, findMessage, messagesOf } from './messages.ts';
import type { Answer } from './ocs.ts';
import { formatRoom } from './room-format.ts';
import { failed } from './rooms.ts';
import type { Message } from './state.ts';
import { int, isTalk, moderates, requireSeat, type Seat, type TalkRequest, text } from './talk.ts';

/** `PUT /chat/{token}/{messageId}` (Talk 19): one's own lines, or any as a moderator, within 24 hours. */
export function editMessage(r: TalkRequest): Answer {
  const seat = requireSeat(r, { writable: true, pastLobby: true });
  const line = findMessage(r.talk, seat.room, int(r, 'messageId'));
  const refused = refusal(r, seat, line, 86_400);
  if (refused || !line) return refused ?? failed(r, 404, 'message');
  const message = text(r, 'message').trim();
  if (message === '') return failed(r, 400, 'message');
  if ([...message].length > maxLength(r.talk)) return failed(r, 413, 'message');
  line.text = message;
  line.edited = { timestamp: r.now, ...authorOf(seat.attendee) };
  return changed(r, seat, line, 'message_edited');
}

/** `DELETE /chat/{token}/{messageId}`: within six hours before Talk 19. */
export function deleteMessage(r: TalkRequest): Answer {
  const seat = requireSeat(r, { writable: true, pastLobby: true });
  const line = findMessage(r.talk, seat.room, int(r, 'messageId'));
  const refused = refusal(r, seat, line, isTalk(r.talk, '19') ? Number.POSITIVE_INFINITY : 21_600);
  if (refused || !line) return refused ?? failed(r, 404, 'message');
  line.verb = 'comment_deleted';
  line.text = '';
  line.reactions = [];
  line.deletedBy = { actorType: seat.attendee.actorType, actorId: seat.attendee.actorId };
  return changed(r, seat, line, 'message_deleted');
}

/** `POST /chat/{token}/read`: without an id, the last line (Talk 19). */
export function markRead(r: TalkRequest): Answer {
  const seat = requireSeat(r);
  const last = messagesOf(r.talk, seat.room).at(-1)?.id ?? 0;
  seat.attendee.lastRead = r.input.lastReadMessage === undefined ? last : int(r, 'lastReadMessage');
  return readDone(r, seat);
}

/** `DELETE /chat/{token}/read`: everything before the last comment counts as read. */
export function markUnread(r: TalkRequest): Answer {
  const seat = requireSeat(r);
  const comments = messagesOf(r.talk, seat.room, ['comment', 'object_shared']);
  seat.attendee.lastRead = comments.at(-2)?.id ?? 0;
  return readDone(r, seat);
}

function readDone(r: TalkRequest, seat: Seat): Answer {
  return withCommonRead(r, seat, 200, isTalk(r.talk, '19') ? formatRoom(r.talk, seat.room, seat) : []);
}

function refusal(r: TalkRequest, { room, attendee }: Seat, line: Message | undefined, age: number): Answer | undefined {
  if (!line) return failed(r, 404, 'message');
  const own = line.actorType === attendee.actorType && line.actorId === attendee.actorId;
  if (!own && (!moderates(attendee) || room.type === 1)) return failed(r, 403, 'permission');
  if (!isReplyable(line)) return failed(r, 405, 'message');
  if (r.now - line.timestamp > age) return failed(r, 400, 'age');
  return undefined;
}

/** The system line about a change; 202 if bots may have passed the old text on. */
function changed(r: TalkRequest, seat: Seat, line: Message, name: string): Answer {
  const notice = addSystemMessage(r.talk, seat.room, authorOf(seat.attendee), name, {}, line.id);
  const data = notice && formatMessage(r.talk, seat.room, notice, seat.attendee);
  return withCommonRead(r, seat, seat.room.bots.length > 0 ? 202 : 200, data);
}
