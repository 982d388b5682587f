import { formatMessage } from './message-format.ts';
import { addMessage, authorOf, findMessage, lastCommonRead, messagesOf } from './messages.ts';
import { type Answer, noRoute, Stop } from './ocs.ts';
import { failed } from './rooms.ts';
import type { Message, Room } from './state.ts';
import {
  bool,
  bySession,
  findRoom,
  int,
  isTalk,
  requireSeat,
  type Seat,
  seatOf,
  type Talk,
  type TalkRequest,
  text,
} from './talk.ts';
import { startThread, threadOf } from './threads.ts';

/** How many characters a line may have: 1,000 until Talk 6, 32,000 since, or what the configuration says. */
export function maxLength(talk: Talk): number {
  return talk.state.maxLength ?? (isTalk(talk, '6.0.1') ? 32_000 : 1000);
}

/** `GET /chat/{token}`, in the version of the server's era; counts the open requests per account. */
export async function receive(r: TalkRequest): Promise<Answer> {
  const { open, peak } = r.talk.polls;
  const who = r.user?.id ?? 'guests';
  open.set(who, (open.get(who) ?? 0) + 1);
  peak.set(who, Math.max(peak.get(who) ?? 0, open.get(who) ?? 0));
  try {
    return await (r.era === 'A' ? receiveWithOffset(r) : receiveAfterId(r));
  } finally {
    open.set(who, (open.get(who) ?? 1) - 1);
  }
}

/** Chat v1: newest first, `offset` skips the oldest, and `timeout=0` never checks for messages. */
async function receiveWithOffset(r: TalkRequest): Promise<Answer> {
  const room = oldChatRoom(r);
  if (!room) throw new Stop(404);
  const timeout = Math.min(60, int(r, 'timeout', 30));
  const offset = int(r, 'offset');
  const notOlderThan = int(r, 'notOlderThanTimestamp');
  const found = () =>
    messagesOf(r.talk, room, ['comment']).filter((line) => notOlderThan <= 0 || line.timestamp > notOlderThan);
  if (timeout <= 0) return { status: 200, data: [] };
  await r.talk.waiting.until(room.token, timeout, r.raw.raw.socket, () => found().length > offset);
  const lines = found().slice(offset).reverse();
  const token = text(r, 'token');
  return { status: 200, data: lines.map((line) => ({ ...formatMessage(r.talk, room, line, undefined), token })) };
}

/** Talk 3.0 and 3.1 take the room of the caller's session, whatever token the path names. */
function oldChatRoom(r: TalkRequest): Room | undefined {
  for (const [token, session] of Object.entries(r.php.rooms)) {
    const room = findRoom(r.talk, token);
    if (room && bySession(room, session)) return room;
  }
  const room = findRoom(r.talk, r.input.token);
  return room && r.user && seatOf(r, room) ? room : undefined;
}

/** chat-v2: pages by id, oldest first into the future, newest first into the past, 304 for nothing. */
async function receiveAfterId(r: TalkRequest): Promise<Answer> {
  const seat = requireSeat(r, { pastLobby: true });
  const { room, attendee } = seat;
  const future = int(r, 'lookIntoFuture') !== 0;
  const limit = Math.min(200, Math.max(1, int(r, 'limit', 100)));
  const known = int(r, 'lastKnownMessageId');
  const inclusive = int(r, 'includeLastKnown') !== 0;
  const thread = int(r, 'threadId');
  const page = (): Message[] => {
    const lines = messagesOf(r.talk, room).filter((line) => thread === 0 || line.thread === thread);
    if (!future) {
      const older = lines.filter((line) => known === 0 || line.id < known || (inclusive && line.id === known));
      return older.slice(-limit).reverse();
    }
    return lines.filter((line) => line.id > known || (inclusive && line.id === known)).slice(0, limit);
  };
  if (future) {
    const timeout = Math.min(r.era === 'E' ? 30 : 60, int(r, 'timeout', 30));
    if (timeout > 0) await r.talk.waiting.until(room.token, timeout, r.raw.raw.socket, () => page().length > 0);
  }
  const lines = page();
  const common = lastCommonRead(room);
  const commonHeader = { 'X-Chat-Last-Common-Read': String(common) };
  const last = lines.at(-1);
  if (!last) {
    const asked = int(r, 'lastCommonReadId');
    if (r.era === 'E' && future && asked !== 0 && asked !== common) return { status: 200, headers: commonHeader };
    return { status: 304 };
  }
  if (future && int(r, 'setReadMarker', 1) === 1) attendee.lastRead = Math.max(attendee.lastRead, last.id);
  return {
    status: 200,
    data: lines.map((line) => formatMessage(r.talk, room, line, attendee)),
    headers: { 'X-Chat-Last-Given': String(last.id), ...(r.era === 'E' ? commonHeader : {}) },
  };
}

/** `POST /chat/{token}`. */
export function send(r: TalkRequest): Answer {
  const seat = sendingSeat(r);
  const { room, attendee } = seat;
  const message = text(r, 'message').trim();
  if (r.era === 'E' && message === '') return failed(r, 400, 'message');
  if ([...message].length > maxLength(r.talk)) return r.era === 'A' ? noRoute : failed(r, 413, 'message');
  const guestName = text(r, 'actorDisplayName');
  if (!r.user && r.era !== 'A' && guestName !== '') attendee.displayName = guestName;
  const parent = isTalk(r.talk, '8') ? int(r, 'replyTo') : 0;
  if (parent !== 0 && !isReplyable(findMessage(r.talk, room, parent))) return failed(r, 400, 'reply-to');

  const thread = threadOf(r, room, parent);
  if (thread === undefined) return failed(r, 400, 'thread');
  const line = addMessage(r.talk, room, authorOf(attendee), {
    verb: 'comment',
    text: message,
    parent,
    thread,
    referenceId: text(r, 'referenceId'),
    silent: bool(r, 'silent'),
  });
  startThread(r, room, line);
  r.talk.pushes.chatMessage(room, line);
  if (r.era === 'A') return { status: 201 };
  return withCommonRead(r, seat, 201, formatMessage(r.talk, room, line, attendee));
}

/** `GET /chat/{token}/{messageId}/context`: a line with those around it, oldest first. */
export function context(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { pastLobby: true });
  const lines = messagesOf(r.talk, room);
  const at = lines.findIndex(({ id }) => id === int(r, 'messageId'));
  if (at < 0) throw new Stop(404);
  const half = Math.ceil(Math.min(100, int(r, 'limit', 50)) / 2);
  const around = lines.slice(Math.max(0, at - half), at + half + 1);
  return { status: 200, data: around.map((line) => formatMessage(r.talk, room, line, attendee)) };
}

/** Whether a line can be answered or reacted to. */
export function isReplyable(line: Message | undefined): line is Message {
  return line?.verb === 'comment' || line?.verb === 'object_shared';
}

/** An answer with the header that the chat of v4 servers sends. */
export function withCommonRead(r: TalkRequest, { room }: Seat, status: number, data: unknown): Answer {
  const headers = r.era === 'E' ? { 'X-Chat-Last-Common-Read': String(lastCommonRead(room)) } : {};
  return { status, data, headers };
}

function sendingSeat(r: TalkRequest): Seat {
  if (r.era !== 'A') return requireSeat(r, { writable: true, pastLobby: true });
  const room = oldChatRoom(r);
  const seat = room && seatOf(r, room);
  if (!seat) throw new Stop(404);
  return seat;
}
