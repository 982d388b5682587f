import { formatMessage } from './message-format.ts';
import { addSystemMessage, authorOf, findMessage } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import { failed } from './rooms.ts';
import type { Attendee, Message, Room, Thread } from './state.ts';
import { int, isTalk, moderates, requireSeat, type TalkRequest, text } from './talk.ts';

/** The thread that a new line belongs to, 0 for none; undefined if the named thread does not exist. */
export function threadOf(r: TalkRequest, room: Room, parent: number): number | undefined {
  if (!isTalk(r.talk, '22')) return 0;
  const quoted = parent === 0 ? undefined : findMessage(r.talk, room, parent);
  if (quoted) return quoted.thread;
  const wanted = int(r, 'threadId');
  return wanted === 0 || findThread(r, room, wanted) ? wanted : undefined;
}

/** Starts a thread with a line, if a title was given. */
export function startThread(r: TalkRequest, room: Room, line: Message): void {
  const title = text(r, 'threadTitle').trim();
  if (title === '' || line.thread !== 0 || line.parent !== 0 || !isTalk(r.talk, '22')) return;
  line.thread = line.id;
  r.talk.state.threads.push({ id: line.id, token: room.token, title });
  const author = { actorType: line.actorType, actorId: line.actorId, actorName: line.actorName };
  addSystemMessage(r.talk, room, author, 'thread_created', { thread: line.id, title }, line.id);
}

/** `GET /chat/{token}/threads/recent`. */
export function listThreads(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { pastLobby: true });
  const threads = r.talk.state.threads.filter(({ token }) => token === room.token);
  const latest = threads.reverse().slice(0, int(r, 'limit', 25));
  return { status: 200, data: latest.map((thread) => shown(r, room, attendee, thread)) };
}

/** `GET` and `PUT /chat/{token}/threads/{threadId}`. */
export function threadRoute(r: TalkRequest): Answer {
  const { room, attendee } = requireSeat(r, { pastLobby: true });
  const thread = findThread(r, room, int(r, 'threadId'));
  if (!thread) throw new Stop(404);
  if (r.raw.method === 'PUT') {
    const title = text(r, 'threadTitle').trim();
    if (title === '') return failed(r, 400, 'title');
    const first = findMessage(r.talk, room, thread.id);
    if (first?.actorId !== attendee.actorId && !moderates(attendee)) return failed(r, 403, 'permission');
    thread.title = title;
    addSystemMessage(r.talk, room, authorOf(attendee), 'thread_renamed', { thread: thread.id, title }, thread.id);
  }
  return { status: 200, data: shown(r, room, attendee, thread) };
}

function findThread(r: TalkRequest, room: Room, id: number): Thread | undefined {
  return r.talk.state.threads.find((thread) => thread.id === id && thread.token === room.token);
}

function shown(r: TalkRequest, room: Room, reader: Attendee, { id, title }: Thread): object {
  const lines = r.talk.state.messages.filter((line) => line.thread === id && line.token === room.token);
  const last = lines.at(-1);
  const first = findMessage(r.talk, room, id);
  return {
    thread: {
      id,
      roomToken: room.token,
      title,
      lastMessageId: last?.id === id ? 0 : (last?.id ?? 0),
      lastActivity: last?.timestamp ?? 0,
      numReplies: lines.filter((line) => line.id !== id).length,
    },
    attendee: { notificationLevel: 0 },
    first: first ? formatMessage(r.talk, room, first, reader) : null,
    last: last && last.id !== id ? formatMessage(r.talk, room, last, reader) : null,
  };
}
