import { isReplyable, maxLength } from './chat.ts';
import { addMessage, findMessage, userAuthor } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { failed } from './rooms.ts';
import { randomText, type ScheduledMessage, type TalkUser } from './state.ts';
import { bool, findRoom, int, requireSeat, seconds, type Talk, type TalkRequest, text } from './talk.ts';
import { threadOf } from './threads.ts';

/** `GET`, `POST` and `DELETE /chat/{token}/schedule[/{messageId}]` (Talk 23). */
export function scheduleRoute(r: TalkRequest): Answer {
  const { room } = requireSeat(r, { pastLobby: true, writable: r.raw.method === 'POST' });
  const { id: userId } = r.user as TalkUser;
  const mine = (one: ScheduledMessage) => one.token === room.token && one.userId === userId;
  if (r.raw.method === 'GET') return { status: 200, data: r.talk.state.scheduled.filter(mine).map(shown) };
  if (r.raw.method === 'DELETE') {
    const found = r.talk.state.scheduled.find((one) => mine(one) && one.id === String(r.input.messageId));
    if (!found) throw new Stop(404);
    r.talk.state.scheduled = r.talk.state.scheduled.filter((one) => one !== found);
    return { status: 200 };
  }
  const message = text(r, 'message').trim();
  if (message === '') return failed(r, 400, 'message');
  if ([...message].length > maxLength(r.talk)) return failed(r, 413, 'message');
  if (int(r, 'sendAt') <= r.now) return failed(r, 400, 'send-at');
  const parent = int(r, 'replyTo');
  if (parent !== 0 && !isReplyable(findMessage(r.talk, room, parent))) return failed(r, 400, 'reply-to');
  const scheduled: ScheduledMessage = {
    id: `1${randomText(17, '0123456789')}`,
    token: room.token,
    userId,
    text: message,
    sendAt: int(r, 'sendAt'),
    createdAt: r.now,
    parent,
    thread: threadOf(r, room, parent) ?? 0,
    silent: bool(r, 'silent'),
  };
  r.talk.state.scheduled.push(scheduled);
  return { status: 201, data: shown(scheduled) };
}

/** Sends the messages that are due. */
export function sendScheduled(talk: Talk): void {
  const due = talk.state.scheduled.filter(({ sendAt }) => sendAt <= seconds(talk));
  if (due.length === 0) return;
  talk.state.scheduled = talk.state.scheduled.filter((one) => !due.includes(one));
  for (const { token, userId, text, parent, thread, silent } of due) {
    const room = findRoom(talk, token);
    if (!room) continue;
    const line = addMessage(talk, room, userAuthor(talk, userId), { verb: 'comment', text, parent, thread, silent });
    talk.pushes.chatMessage(room, line);
  }
}

function shown({ id, userId, text, sendAt, createdAt, thread, silent }: ScheduledMessage): object {
  return {
    id,
    actorId: userId,
    actorType: 'users',
    threadId: thread,
    message: text,
    messageType: 'comment',
    createdAt,
    sendAt,
    silent,
  };
}
