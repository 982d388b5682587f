import { type Attendee, type Author, type Message, nextId, type Room, type Verb } from './state.ts';
import { currentEra, seconds, type Talk, userIn } from './talk.ts';

/** System lines that do not count as the room's last message. */
const aside = new Set(['message_deleted', 'message_edited', 'reaction_revoked']);

/** Writes a line into a room, updates read markers and mentions, and wakes the waiting long polls. */
export function addMessage(
  talk: Talk,
  room: Room,
  author: Author,
  line: Pick<Message, 'verb' | 'text'> & Partial<Message>,
): Message {
  const message: Message = {
    id: nextId(talk.state, 'message'),
    token: room.token,
    ...author,
    timestamp: seconds(talk),
    params: {},
    parent: 0,
    referenceId: '',
    silent: false,
    thread: 0,
    reactions: [],
    ...line,
  };
  talk.state.messages.push(message);
  if (countsAsLast(message)) {
    room.lastMessage = message.id;
    room.lastActivity = message.timestamp;
  }
  if (message.verb === 'comment') {
    // The "Talk updates" room notifies nobody.
    if (author.actorId !== 'changelog') talk.sandbox.effect(`chat ${room.name}: ${author.actorName}: ${line.text}`);
    const own = room.attendees.find((one) => one.actorType === author.actorType && one.actorId === author.actorId);
    if (own?.actorType === 'users') own.lastRead = message.id;
    markMentions(talk, room, message);
  }
  talk.waiting.wake(room.token);
  return message;
}

/** Writes a system line, as servers with `system-messages` do; era A has none. */
export function addSystemMessage(
  talk: Talk,
  room: Room,
  author: Author,
  name: string,
  params: Record<string, unknown> = {},
  parent = 0,
): Message | undefined {
  if (currentEra(talk) === 'A') return undefined;
  const message = addMessage(talk, room, author, { verb: 'system', text: name, params, parent });
  talk.pushes.systemMessage(room, message);
  return message;
}

/** The attendee as the author of a line. */
export function authorOf(attendee: Attendee): Author {
  return { actorType: attendee.actorType, actorId: attendee.actorId, actorName: attendee.displayName };
}

/** The account as the author of a line. */
export function userAuthor(talk: Talk, userId: string): Author {
  return { actorType: 'users', actorId: userId, actorName: talk.state.users[userId]?.displayName ?? userId };
}

/** The lines of a room that a version of the chat shows, oldest first. */
export function messagesOf(talk: Talk, room: Room, verbs?: Verb[]): Message[] {
  return talk.state.messages.filter(
    (message) => message.token === room.token && (!verbs || verbs.includes(message.verb)),
  );
}

/** The line with that id in that room, or nothing. */
export function findMessage(talk: Talk, room: Room, id: number): Message | undefined {
  return talk.state.messages.find((message) => message.id === id && message.token === room.token);
}

/** The last line that all accounts in the room have read. */
export function lastCommonRead(room: Room): number {
  const marks = room.attendees.filter((one) => one.actorType === 'users').map((one) => one.lastRead);
  return marks.length === 0 ? 0 : Math.min(...marks);
}

/** How many comments an attendee has not read. */
export function unreadCount(talk: Talk, room: Room, attendee: Attendee): number {
  return messagesOf(talk, room, ['comment', 'object_shared']).filter((message) => message.id > attendee.lastRead)
    .length;
}

/** A mention in a text: the id as written, without quotes. */
const mention = /(?<![\p{L}\p{N}_.])@(?:"([^"]+)"|([\p{L}\p{N}_.'@-]+))/gu;

/** Replaces mentions of accounts, guests and everybody by placeholders, and returns the objects that these stand for. */
export function renderMentions(talk: Talk, room: Room, source: string): { message: string; parameters: object } {
  const parameters: Record<string, Record<string, string>> = {};
  const names = new Map<string, string>();
  const counts = { user: 0, guest: 0, call: 0 };
  const message = source.replace(mention, (written: string, quoted?: string, plain?: string) => {
    const id = quoted ?? plain ?? '';
    const known = names.get(id);
    if (known) return `{${known}}`;
    const target = mentionTarget(talk, room, id);
    if (!target) return written;
    const name = `mention-${target.type}${++counts[target.type as 'user' | 'guest' | 'call']}`;
    names.set(id, name);
    parameters[name] = target;
    return `{${name}}`;
  });
  return { message, parameters: Object.keys(parameters).length === 0 ? [] : parameters };
}

function mentionTarget(talk: Talk, room: Room, id: string): Record<string, string> | undefined {
  if (id === 'all') {
    const kind = { 1: 'one2one', 2: 'group', 3: 'public', 4: 'changelog' }[room.type];
    return { type: 'call', id: room.token, name: room.name, 'call-type': kind };
  }
  if (id.startsWith('guest/')) {
    const guest = room.attendees.find((one) => one.actorType === 'guests' && `guest/${one.actorId}` === id);
    return guest && { type: 'guest', id, name: guest.displayName || 'Guest' };
  }
  const user = Object.hasOwn(talk.state.users, id) ? talk.state.users[id] : undefined;
  return user && { type: 'user', id, name: user.displayName };
}

function markMentions(talk: Talk, room: Room, message: Message): void {
  if (message.silent) return;
  const direct = new Set<Attendee>();
  for (const [, quoted, plain] of message.text.matchAll(mention)) {
    const attendee = userIn(room, quoted ?? plain);
    if (attendee) direct.add(attendee);
    if ((quoted ?? plain) === 'all') for (const one of room.attendees) one.lastMention = message.id;
  }
  const parent = message.parent === 0 ? undefined : findMessage(talk, room, message.parent);
  const quotedAuthor = parent?.actorType === 'users' ? userIn(room, parent.actorId) : undefined;
  if (quotedAuthor && parent?.actorId !== message.actorId) direct.add(quotedAuthor);
  for (const attendee of direct) {
    attendee.lastMention = message.id;
    attendee.lastMentionDirect = message.id;
  }
}

function countsAsLast(message: Message): boolean {
  if (message.verb === 'reaction' || message.verb === 'reaction_deleted') return false;
  return message.verb !== 'system' || !aside.has(message.text);
}
