import type { FoundEvent, PollContext, PollResult } from '../../../core/event-type.ts';
import { type ChatMessage, chatMessage } from '../chat/message.ts';
import { accountAt, placeOf, type TalkCall } from '../connection.ts';
import { dialectOf } from '../wire/dialect.ts';
import { recordOf } from '../wire/protocol.ts';
import { hasLeft, request } from '../wire/send.ts';
import { sessionFor } from '../wire/session-request.ts';
import type { Line, Viewer } from './chat-line.ts';
import { chooseRooms, listedRoom } from './choose.ts';
import {
  type ListedRoom,
  listedState,
  maxRemovals,
  positionOf,
  type RoomsCursor,
  readCursor,
  stateOf,
  storedCursor,
} from './cursor.ts';
import type { TalkEventType } from './event-types.ts';
import { eventOf } from './line.ts';
import { awaitingPush, pushWindowSeconds } from './reactions.ts';
import { findEnd, readRoom } from './read-room.ts';
import { changesOf, goneRooms } from './room-changes.ts';

/** The time after which a poll reads no further room, in milliseconds. */
const readingTimeMs = 12_000;
/** The number of events after which a poll reads no further room. */
const manyEvents = 400;
/** Event types that do not move a room in the server's list: found only if quiet rooms are read, too. */
const quietTypes: readonly string[] = [
  'talk.reaction.added',
  'talk.reaction.removed',
  'talk.message.edited',
  'talk.message.deleted',
  'talk.call.started',
  'talk.call.ended',
] satisfies TalkEventType[];
/**
 * A room that appears for the first time is read from this many seconds before the last poll: the list is older than its
 * response.
 */
const marginSeconds = 2;

/**
 * One poll over all rooms of the account: which have moved since the last poll, and what happened there. The first poll reports
 * what happened since the connection was created, if that time is given.
 */
export async function poll(stored: unknown, call: TalkCall, around: PollContext = {}): Promise<PollResult> {
  // A guest has no list of rooms.
  if (call.connection.settings.guest) return { events: [], cursor: null, nextIn: 24 * 60 * 60_000 };
  const { rooms, now } = await listRooms(call);
  const { since } = around;
  const known = readCursor(stored) ?? (since === undefined ? undefined : startedAtConnection(call, rooms, now, since));
  if (known === undefined) return firstPoll(call, rooms, now);
  return nextPoll(call, rooms, now, known, (await around.hasListener?.(quietTypes)) ?? true);
}

/** A cursor at the time when the connection was created, in seconds of the server's clock; every room is at its end as of then. */
function startedAtConnection(call: TalkCall, rooms: readonly ListedRoom[], now: number, since: number): RoomsCursor {
  const at = Math.floor((since - (call.clock.now() - now * 1000)) / 1000) + 1;
  const cursor: RoomsCursor = { since: at, at: at + marginSeconds, polls: 0, turn: '', rooms: {} };
  for (const room of rooms) {
    // Talk 3 does not report activity: its rooms are known, and read from that time on.
    if (room.activity === undefined) cursor.rooms[room.token] = stateOf(room, { id: 0, at, seen: [] });
    else if (room.activity < at) cursor.rooms[room.token] = listedState(room, at);
  }
  return cursor;
}

/**
 * Every room is at its end; no events are reported. The latest rooms are queried for that position; for the others, the list
 * shows it.
 */
async function firstPoll(call: TalkCall, rooms: readonly ListedRoom[], now: number): Promise<PollResult> {
  const startedAt = call.clock.now();
  const cursor: RoomsCursor = { since: now, at: now, polls: 1, turn: '', rooms: {} };
  for (const room of [...rooms].sort((a, b) => (b.activity ?? 0) - (a.activity ?? 0))) {
    const inTime = call.clock.now() - startedAt < readingTimeMs;
    const end = inTime ? await findEnd(call, room.token, now) : undefined;
    cursor.rooms[room.token] = end ? stateOf(room, end) : listedState(room, now);
  }
  return { events: [], cursor: storedCursor(cursor, rooms) };
}

async function nextPoll(
  call: TalkCall,
  rooms: readonly ListedRoom[],
  now: number,
  known: RoomsCursor,
  hasListener: boolean,
): Promise<PollResult> {
  const session = await sessionFor(call);
  const viewer: Viewer = { place: placeOf(call.connection.settings) };
  const startedAt = call.clock.now();
  const chosen = chooseRooms(rooms, { ...known, at: known.at - marginSeconds });
  const { turn } = chosen;
  // Talk 3 does not say which rooms have moved.
  const isBlind = rooms.some(({ activity }) => activity === undefined);
  const wanted = hasListener || isBlind ? [...chosen.moved, ...chosen.quiet] : chosen.moved;
  // Quiet events from before there was a listener are history to current listeners.
  const deafUntil = hasListener ? known.deafUntil : now;
  const next: RoomsCursor = { ...known, at: now, polls: known.polls + 1, turn, rooms: {}, deafUntil };
  for (const room of rooms) {
    const before = known.rooms[room.token];
    // Until it has been read, a room keeps its previous state, so that it still counts as moved.
    next.rooms[room.token] = before
      ? { ...stateOf(room, positionOf(before)), activity: before.activity, last: before.last, listed: before.listed }
      : { ...stateOf(room, { id: 0, at: known.at - marginSeconds, seen: [] }), activity: -1 };
  }
  const time = new Date(now * 1000).toISOString();
  const self = accountAt(viewer.place, session.userId);
  const found: FoundEvent[][] = [];
  for (const { token, event } of goneRooms(rooms, known, viewer, time))
    found.push([(await hasLeft(call, token)) ? { ...event, by: self } : event]);
  if (!dialectOf(session).systemMessages) found.push(changesOf(rooms, known, viewer, time, self));
  let more = false;
  for (const room of wanted) {
    const before = next.rooms[room.token];
    if (before === undefined) continue;
    const count = found.reduce((sum, { length }) => sum + length, 0);
    if (call.clock.now() - startedAt > readingTimeMs || count > manyEvents) {
      more = true;
      break;
    }
    const read = await readRoom(call, room, positionOf(before));
    next.rooms[room.token] = { ...stateOf(room, read.position), ...(read.full && { activity: -1 }) };
    more ||= read.full;
    const isListed = known.rooms[room.token]?.listed;
    const news = read.messages.filter(({ timestamp }) => !isListed || timestamp >= known.since);
    const events = news.flatMap((message) => eventOf(lineOf(message, room), viewer) ?? []);
    found.push(events.filter(({ type, timestamp }) => isNews(type, timestamp, known)));
  }
  const { events, removals } = await awaitPushes(call, inOrder(found), known, now);
  return { events, cursor: storedCursor({ ...next, removals }, rooms), ...(more && { more }) };
}

/**
 * A chat does not name the emoji of a removed reaction. A bot's push does, but it may arrive after the poll. If a bot may report
 * reactions, a removal becomes an event once its emoji is known, or when no push can arrive any more.
 */
async function awaitPushes(
  call: TalkCall,
  found: readonly FoundEvent[],
  { removals = [] }: RoomsCursor,
  now: number,
): Promise<{ events: FoundEvent[]; removals: RoomsCursor['removals'] }> {
  const waiting = [...removals];
  const { reactionPushes } = dialectOf(await sessionFor(call));
  const hasBot = reactionPushes && (await call.credentials()).botSecret !== undefined;
  const events = found.map((event) => {
    const early = hasBot && waiting.length < maxRemovals ? awaitingPush(event) : undefined;
    if (early) waiting.push({ event, until: now + pushWindowSeconds });
    return early ?? event;
  });
  const over = waiting.filter(({ until }) => until <= now).map(({ event }) => event);
  const left = waiting.filter(({ until }) => until > now);
  return { events: [...over, ...events], removals: left.length > 0 ? left : undefined };
}

/** False for quiet events from before there was a listener. */
function isNews(type: string, timestamp: string, { deafUntil = 0 }: RoomsCursor): boolean {
  return !quietTypes.includes(type) || Date.parse(timestamp) > deafUntil * 1000;
}

/** The events of all rooms by time. Those of one room keep their order, because the clocks of a server's machines differ. */
function inOrder(rooms: readonly FoundEvent[][]): FoundEvent[] {
  const timed = rooms.flatMap((events) => {
    let latest = 0;
    return events.map((event) => {
      latest = Math.max(latest, Date.parse(event.timestamp));
      return { event, at: latest };
    });
  });
  return timed.sort((a, b) => a.at - b.at).map(({ event }) => event);
}

async function listRooms(call: TalkCall): Promise<{ rooms: ListedRoom[]; now: number }> {
  const doing = 'the list of rooms';
  const { data, headers } = await request(call, { route: 'GET room', fields: {}, effect: 'read', doing });
  const served = Date.parse(String(headers.date ?? ''));
  // The server's clock, to which its timestamps belong.
  const now = Math.floor((Number.isNaN(served) ? call.clock.now() : served) / 1000);
  return { rooms: (Array.isArray(data) ? data : []).map(listedRoom), now };
}

function lineOf(message: ChatMessage, room: ListedRoom): Line {
  const parent = recordOf(message.parent);
  return {
    ...message,
    token: room.token,
    roomName: room.name,
    time: new Date(message.timestamp * 1000).toISOString(),
    parentId: typeof parent?.id === 'number' ? parent.id : undefined,
    parent: parent?.message === undefined ? undefined : chatMessage(parent),
    threadId: message.isThread === true && typeof message.threadId === 'number' ? message.threadId : undefined,
    deleted: message.messageType === 'comment_deleted',
  };
}
