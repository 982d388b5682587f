import type { FoundEvent } from '../../../core/event-type.ts';
import type { ChatPosition } from '../chat/position.ts';
import { recordOf } from '../wire/protocol.ts';

/** A room as a poll sees it in the list. */
export interface ListedRoom {
  token: string;
  name: string;
  /** `lastActivity`; undefined on servers that do not report it (Talk 3). */
  activity: number | undefined;
  /** Id of the last message that counts; reactions and some lines of calls do not. */
  last: number | undefined;
  lastMessage: { id: number; timestamp: number } | undefined;
  /** User ids, on servers that list them with the room. */
  people: string[] | undefined;
  call: boolean;
  /** The account itself owns the room. */
  isOwner: boolean;
}

/** How far a room was read, and its state in the list at that time. Times are seconds of the server's clock. */
export interface RoomState {
  id: number;
  at: number;
  seen?: readonly number[] | undefined;
  /** `lastActivity` and the last message of the list; -1 for a room that has not been read yet. */
  activity?: number | undefined;
  last?: number | undefined;
  /** Who was in the room and whether it had a call, for servers that report it only in the list. */
  people?: readonly string[] | undefined;
  call?: boolean | undefined;
  /** The end of the chat is known only from the list: some lines that the list omits may be history. */
  listed?: true | undefined;
  /** For the event that reports the room's removal. */
  name?: string | undefined;
}

/** The state that one poll passes to the next: plain JSON, at most 100 kB. */
export interface RoomsCursor {
  /** Anything earlier is history. */
  since: number;
  /** The last poll. */
  at: number;
  polls: number;
  /** The token from which the scan of rooms without signs of movement continues. */
  turn: string;
  rooms: Record<string, RoomState>;
  /** The last poll without a listener for quiet events. */
  deafUntil?: number | undefined;
  /** Removed reactions whose emoji a bot's push may still name, with the time at which they are reported without it. */
  removals?: readonly { event: FoundEvent; until: number }[] | undefined;
}

/** Rooms beyond this number are dropped, the quietest first; they return when they move. */
const maxRooms = 1_000;
const maxPeople = 100;
/** Removed reactions beyond this number are reported without waiting for a push. */
export const maxRemovals = 50;
/** The maximum size of the cursor in characters. */
const maxCursorLength = 95_000;

/** The state of a room as the list shows it now, read up to a position. */
export function stateOf(room: ListedRoom, position: ChatPosition): RoomState {
  const { activity, last, people, call, name } = room;
  return {
    ...position,
    activity,
    last,
    call,
    name: name.slice(0, 100),
    people: people && people.length <= maxPeople ? people : undefined,
  };
}

export function positionOf({ id, at, seen }: RoomState): ChatPosition {
  return seen === undefined ? { id, at } : { id, at, seen };
}

/** A stored cursor; undefined for the first poll. */
export function readCursor(stored: unknown): RoomsCursor | undefined {
  // Only `storedCursor` writes it.
  return recordOf(stored)?.rooms === undefined ? undefined : (stored as RoomsCursor);
}

/** A cursor that is small enough to store, without state that can be determined again. */
export function storedCursor(cursor: RoomsCursor, listed: readonly ListedRoom[]): RoomsCursor {
  const byActivity = [...listed].sort((a, b) => (b.activity ?? 0) - (a.activity ?? 0));
  let kept = byActivity.slice(0, maxRooms).map(({ token }) => [token, cursor.rooms[token]] as const);
  for (;;) {
    const rooms = Object.fromEntries(kept.flatMap(([token, state]) => (state === undefined ? [] : [[token, state]])));
    const small = { ...cursor, rooms };
    if (kept.length < 2 || JSON.stringify(small).length <= maxCursorLength) return small;
    kept = kept.slice(0, Math.floor(kept.length * 0.9));
  }
}

/** The state of a room for which only the list shows where its chat ends. */
export function listedState(room: ListedRoom, now: number): RoomState {
  return { ...stateOf(room, listedEnd(room, now)), listed: true };
}

/** After the last message in the list; without one, the present. */
export function listedEnd({ lastMessage }: ListedRoom, now: number): ChatPosition {
  return lastMessage ? { id: lastMessage.id, at: lastMessage.timestamp } : { id: 0, at: now, seen: [] };
}
