import { createHash } from 'node:crypto';
import type { FoundEvent, PollResult } from '../../../core/event-type.ts';
import type { ChatMessage } from '../chat/message.ts';
import { placeOf, type TalkCall } from '../connection.ts';
import { dialectOf } from '../wire/dialect.ts';
import { sessionFor } from '../wire/exchange.ts';
import { recordOf } from '../wire/protocol.ts';
import { request } from '../wire/send.ts';
import { chooseRooms, type ListedRoom, listedRoom } from './choose.ts';
import { listedEnd, positionOf, type RoomsCursor, readCursor, stateOf, storedCursor } from './cursor.ts';
import { eventOf, type Line, type Viewer } from './line.ts';
import { findEnd, readRoom } from './read-room.ts';
import { changesOf } from './room-changes.ts';

/** Milliseconds after which a look begins no other room. */
const readingTime = 12_000;
/** Events after which a look begins no other room. */
const manyEvents = 400;
/** A room that shows for the first time is read from this many seconds before the last look: the list is older than its answer. */
const margin = 2;

/** One look over all rooms of the account: which have moved since the last, and what happened there. */
export async function poll(stored: unknown, call: TalkCall): Promise<PollResult> {
  // A guest has no list of rooms.
  if (call.connection.settings.guest) return { events: [], cursor: null, nextIn: 24 * 60 * 60_000 };
  const { rooms, now } = await listRooms(call);
  const known = readCursor(stored);
  return known === undefined ? firstPoll(call, rooms, now) : nextPoll(call, rooms, now, known);
}

/** Every room stands at its end; nothing is told. The latest rooms are asked where that is, the list tells it of the others. */
async function firstPoll(call: TalkCall, rooms: readonly ListedRoom[], now: number): Promise<PollResult> {
  const startedAt = call.clock.now();
  const cursor: RoomsCursor = { since: now, at: now, looks: 1, turn: '', rooms: {}, reactions: [] };
  for (const room of [...rooms].sort((a, b) => (b.activity ?? 0) - (a.activity ?? 0))) {
    const inTime = call.clock.now() - startedAt < readingTime;
    const end = (inTime ? await findEnd(call, room.token, now) : undefined) ?? listedEnd(room, now);
    cursor.rooms[room.token] = stateOf(room, end);
  }
  return { events: [], cursor: storedCursor(cursor, rooms) };
}

async function nextPoll(
  call: TalkCall,
  rooms: readonly ListedRoom[],
  now: number,
  known: RoomsCursor,
): Promise<PollResult> {
  const session = await sessionFor(call);
  const viewer: Viewer = { place: placeOf(call.connection.settings), self: session.userId };
  const startedAt = call.clock.now();
  const { wanted, turn } = chooseRooms(rooms, { ...known, at: known.at - margin });
  const next: RoomsCursor = {
    ...known,
    at: now,
    looks: known.looks + 1,
    turn,
    rooms: {},
    reactions: [...known.reactions],
  };
  for (const room of rooms) {
    const before = known.rooms[room.token];
    // Until it has been read, a room looks as it did before, so that it still counts as moved.
    next.rooms[room.token] = before
      ? { ...stateOf(room, positionOf(before)), activity: before.activity, last: before.last }
      : { ...stateOf(room, { id: 0, at: known.at - margin, seen: [] }), activity: -1 };
  }
  const time = new Date(now * 1000).toISOString();
  const events = dialectOf(session).systemMessages ? [] : changesOf(rooms, known, viewer, time);
  let more = false;
  for (const room of wanted) {
    const before = next.rooms[room.token];
    if (before === undefined) continue;
    if (call.clock.now() - startedAt > readingTime || events.length > manyEvents) {
      more = true;
      break;
    }
    const read = await readRoom(call, room, positionOf(before));
    next.rooms[room.token] = { ...stateOf(room, read.position), ...(read.full && { activity: -1 }) };
    more ||= read.full;
    for (const message of read.messages) {
      const event = message.timestamp < known.since ? undefined : eventOf(lineOf(message, room), viewer);
      if (event !== undefined) events.push(distinct(event, message, next));
    }
  }
  events.sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp));
  return { events, cursor: storedCursor(next, rooms), ...(more && { more }) };
}

async function listRooms(call: TalkCall): Promise<{ rooms: ListedRoom[]; now: number }> {
  const doing = 'a look at the rooms';
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
    referenceId: message.referenceId,
    deleted: message.messageType === 'comment_deleted',
  };
}

/** A reaction that was taken back and given again is another fact, though a push could not tell it from the first. */
function distinct(event: FoundEvent, message: ChatMessage, cursor: RoomsCursor): FoundEvent {
  if (event.type !== 'talk.reaction.added') return event;
  const key = createHash('sha256').update(event.id).digest('base64url').slice(0, 10);
  if (cursor.reactions.includes(key)) return { ...event, id: `${event.id}/${message.id}` };
  cursor.reactions.push(key);
  return event;
}
