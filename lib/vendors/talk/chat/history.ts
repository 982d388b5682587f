import { GatewayError } from '../../../core/errors.ts';
import { type TalkCall, talkError } from '../connection.ts';
import { refreshSession } from '../session.ts';
import { type Dialect, dialectOf } from '../wire/dialect.ts';
import { request } from '../wire/send.ts';
import { sessionFor } from '../wire/session-request.ts';
import { type ChatMessage, chatMessages } from './message.ts';
import { type ChatPosition, isNew, isUnseen, movedTo, overlapSeconds, start } from './position.ts';

/** The result of one chat read: messages oldest first, and the position after the last of them. */
export interface ChatPage {
  messages: ChatMessage[];
  position: ChatPosition;
  /** True when the server returned a full page: there may be more immediately. */
  full: boolean;
}

/** Where to read, how much, and how many seconds to wait if there is nothing. */
export interface ChatPoll {
  token: string;
  /** Only the messages of a thread. */
  threadId?: number | undefined;
  limit: number;
  wait: number;
  doing: string;
}

/** The maximum page size of servers. */
export const longestPage = 200;
/** The maximum number of pages read for one response. */
const maxPages = 25;
/** Milliseconds that a response may take beyond the requested wait. */
const graceMs = 2_500;

/** The messages after a position, whichever kind of chat created it and whichever the server has now. */
export function readAfter(call: TalkCall, query: ChatPoll, after: ChatPosition): Promise<ChatPage> {
  return inDialect(call, ({ chat }) =>
    chat === 'modern' ? readForward(call, query, after) : readWithOverlap(call, query, after),
  );
}

/** The newest messages, and the position from which the next read continues. */
export function readNewest(call: TalkCall, query: ChatPoll): Promise<ChatPage> {
  return inDialect(call, async ({ chat }) => {
    if (chat === 'offset') return readWithOverlap(call, query, start, 'newest');
    const { messages } = await readBack(call, query, undefined, query.limit);
    if (messages.length === 0) return readForward(call, query, start);
    return { messages, position: movedTo(start, messages, messages), full: false };
  });
}

/** The messages before one of them, oldest first. Throws `vendor_too_old` where a server cannot count backwards. */
export function readBefore(call: TalkCall, query: ChatPoll, { id, at }: ChatPosition): Promise<ChatPage> {
  return inDialect(call, async ({ chat }) => {
    if (chat === 'offset') {
      throw talkError('vendor_too_old', 'Reading back needs Talk 3.2 or newer (capability chat-v2).');
    }
    const { messages } = await readBack(call, query, id, query.limit);
    return { messages, position: movedTo({ id, at }, messages, messages), full: false };
  });
}

/** The messages since a time in seconds, inclusive. */
export function readSince(call: TalkCall, query: ChatPoll, time: number): Promise<ChatPage> {
  return inDialect(call, async ({ chat }) => {
    const found =
      chat === 'modern' ? await readBackTo(call, query, time) : await readOffset(call, query, time - 1, 0, 1);
    const messages = found.filter((message) => message.timestamp >= time);
    return { messages, position: movedTo({ ...start, at: time }, found, found), full: false };
  });
}

/** The messages after the oldest `skip`, counted as in chat v1: of those since a time, or of all. */
export function readSkipping(call: TalkCall, query: ChatPoll, skip: number, after: number): Promise<ChatPage> {
  return inDialect(call, async ({ chat }) => {
    const found =
      chat === 'offset'
        ? await readOffset(call, query, after, 0, 1)
        : after > 0
          ? (await readBackTo(call, query, after + 1)).filter((message) => message.timestamp > after)
          : await readFromStart(call, query, skip + query.limit);
    const messages = found.slice(skip, skip + query.limit);
    const behind = found.slice(0, skip + messages.length);
    const position = movedTo({ ...start, at: after }, behind, behind);
    if (messages.length === 0 && query.wait > 0) return readAfter(call, query, position);
    return { messages, position, full: skip + messages.length < found.length };
  });
}

/** The id of the newest message, for servers that require it to mark a chat as read (before Talk 19). */
export async function newestToMark(call: TalkCall, token: string): Promise<number | undefined> {
  const dialect = dialectOf(await sessionFor(call));
  if (!dialect.has('chat-read-marker') || dialect.has('chat-read-last')) return undefined;
  const { messages } = await readBack(call, { token, limit: 1, wait: 0, doing: 'markChatRead' }, undefined, 1);
  return messages.at(-1)?.id ?? 0;
}

/** chat-v2: the server pages by message id. */
async function readForward(call: TalkCall, query: ChatPoll, after: ChatPosition): Promise<ChatPage> {
  const page = await readPage(call, query, {
    lookIntoFuture: 1,
    lastKnownMessageId: after.id,
    limit: query.limit,
    timeout: query.wait,
  });
  const messages = page.messages.filter((message) => isNew(after, message));
  const position = { ...movedTo(after, page.messages, messages, 'in order'), ...(page.last && { id: page.last }) };
  // Lines that the account may not see are omitted from a page, so a full page may look short.
  return { messages, position, full: page.messages.length * 2 >= query.limit };
}

/** Messages before one of them, or the newest, oldest first. */
async function readBack(call: TalkCall, query: ChatPoll, before: number | undefined, limit: number): Promise<Page> {
  const page = await readPage(call, { ...query, wait: 0 }, { lookIntoFuture: 0, lastKnownMessageId: before, limit });
  return { ...page, messages: page.messages.reverse() };
}

async function readBackTo(call: TalkCall, query: ChatPoll, time: number): Promise<ChatMessage[]> {
  const found: ChatMessage[] = [];
  for (let pages = 0, before: number | undefined; ; pages++) {
    if (pages >= maxPages) throw tooFar(query);
    const page = await readBack(call, query, before, longestPage);
    found.unshift(...page.messages);
    const oldest = page.messages[0];
    if (page.last === undefined || (oldest && oldest.timestamp < time)) return found;
    before = page.last;
  }
}

async function readFromStart(call: TalkCall, query: ChatPoll, wanted: number): Promise<ChatMessage[]> {
  const found: ChatMessage[] = [];
  let position = start;
  for (let pages = 0; found.length < wanted; pages++) {
    if (pages >= maxPages) throw tooFar(query);
    const page = await readForward(call, { ...query, limit: longestPage, wait: 0 }, position);
    found.push(...page.messages);
    if (page.position.id === position.id) break;
    position = page.position;
  }
  return found;
}

/** Chat v1: everything after a time except the oldest of it, oldest first. With a wait of 0 the server would not check at all. */
async function readOffset(call: TalkCall, query: ChatPoll, after: number, offset: number, wait: number) {
  const fields = { offset, notOlderThanTimestamp: Math.max(0, after), timeout: Math.max(1, wait) };
  const { messages } = await readPage(call, { ...query, wait: fields.timeout }, fields);
  return messages.sort((a, b) => a.timestamp - b.timestamp || a.id - b.id);
}

/**
 * Chat v1: everything since slightly before the position, without what was seen. Seconds are too coarse as the only position, and
 * `offset` alone would read the whole history each time.
 */
async function readWithOverlap(
  call: TalkCall,
  query: ChatPoll,
  after: ChatPosition,
  which: 'oldest' | 'newest' = 'oldest',
): Promise<ChatPage> {
  const since = after.at - overlapSeconds;
  const expectsSeen = (after.seen?.length ?? 0) > 0;
  let known = await readOffset(call, query, since, 0, expectsSeen ? 1 : query.wait);
  let fresh = known.filter((message) => isUnseen(after, message));
  if (fresh.length === 0 && known.length > 0 && query.wait > 1) {
    // Messages that were already seen would end the wait immediately, so the server is asked to skip them.
    const more = await readOffset(call, query, since, known.length, query.wait);
    known = [...known, ...more];
    fresh = more.filter((message) => isUnseen(after, message));
  }
  const messages = which === 'newest' ? fresh.slice(-query.limit) : fresh.slice(0, query.limit);
  const passed = which === 'newest' ? fresh : messages;
  return { messages, position: movedTo(after, known, passed), full: passed.length < fresh.length };
}

interface Page {
  messages: ChatMessage[];
  /** `X-Chat-Last-Given`: how far the server read, including lines that the account may not see. */
  last?: number;
}

/** One request for messages. 304, and a wait that a proxy interrupts, are an empty page. */
async function readPage(
  call: TalkCall,
  query: ChatPoll,
  fields: Readonly<Record<string, number | undefined>>,
): Promise<Page> {
  const dialect = dialectOf(await sessionFor(call));
  const startedAt = call.clock.now();
  try {
    const { data, headers } = await request(call, {
      route: 'GET chat/{token}',
      fields: {
        token: query.token,
        threadId: query.threadId,
        ...fields,
        ...(dialect.chat === 'modern' && quietly(dialect)),
      },
      effect: 'read',
      doing: query.doing,
      timeoutMs: Math.max(10_000, query.wait * 1000 + graceMs),
    });
    const last = Number(headers['x-chat-last-given']);
    return { messages: chatMessages(data), ...(last > 0 && { last }) };
  } catch (error) {
    const cut = error instanceof GatewayError && (error.code === 'vendor_timeout' || error.vendorCode === '504');
    const nearlyOver = call.clock.now() - startedAt >= query.wait * 900;
    if (cut && query.wait > 1 && nearlyOver && !call.signal.aborted) return { messages: [] };
    throw error;
  }
}

/** No effects that a person would notice: not online, not read, notifications left alone. */
function quietly(dialect: Dialect): Record<string, number> {
  const quiet = { setReadMarker: 0, noStatusUpdate: 1 };
  return dialect.has('chat-keep-notifications') ? { ...quiet, markNotificationsAsRead: 0 } : quiet;
}

/** Reads in the server's dialect. The chat's address never changed: an upgraded server answers chat v1 with 500. */
async function inDialect<T>(call: TalkCall, read: (dialect: Dialect) => Promise<T>): Promise<T> {
  const session = await sessionFor(call);
  const dialect = dialectOf(session);
  try {
    return await read(dialect);
  } catch (error) {
    const puzzled = error instanceof GatewayError && error.vendorCode === '500' && dialect.chat === 'offset';
    if (!puzzled) throw error;
    const now = dialectOf(await refreshSession(call, session));
    if (now.chat === dialect.chat) throw error;
    return read(now);
  }
}

function tooFar({ token }: ChatPoll): GatewayError {
  return new GatewayError(
    'invalid_input',
    `There are more than ${maxPages * longestPage} messages of room ${token} in between. Use a later notOlderThanTimestamp, or continue with the cursor.`,
    { errors: [{ pointer: '/notOlderThanTimestamp', message: 'is too far in the past' }] },
  );
}
