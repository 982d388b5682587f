import { chatMessage } from '../chat/message.ts';
import { roomOf } from '../shapes.ts';
import { recordOf } from '../wire/protocol.ts';
import type { ListedRoom, RoomsCursor } from './cursor.ts';

/** The rooms without signs of movement that one poll reads anyway: the latest ones, and some of the rest in turn. */
const quietLatest = 10;
const quietInTurn = 10;

export function listedRoom(value: unknown): ListedRoom {
  const given = recordOf(value) ?? {};
  const room = roomOf(given);
  const lastMessage = recordOf(given.lastMessage) ? chatMessage(given.lastMessage) : undefined;
  const people = recordOf(given.participants);
  return {
    token: String(room.token),
    name: String(room.displayName ?? room.name ?? ''),
    activity: typeof given.lastActivity === 'number' ? given.lastActivity : undefined,
    last: lastMessage?.id,
    lastMessage: lastMessage && { id: lastMessage.id, timestamp: lastMessage.timestamp },
    people: people && Object.keys(people).sort(),
    call: room.hasCall === true,
    isOwner: room.participantType === 1,
  };
}

/**
 * The rooms to read in this poll, in order. Rooms that moved come first. Reactions and some call lines move nothing in the list,
 * so some quiet rooms are read, too: all of them if there are at most 20.
 */
export function chooseRooms(
  rooms: readonly ListedRoom[],
  known: RoomsCursor,
): { moved: ListedRoom[]; quiet: ListedRoom[]; turn: string } {
  const hasMoved = (room: ListedRoom) => {
    const before = known.rooms[room.token];
    if (before === undefined) return room.activity === undefined || room.activity >= known.at;
    return room.activity !== undefined && (room.activity !== before.activity || room.last !== before.last);
  };
  const moved = rooms.filter(hasMoved).sort((a, b) => (a.activity ?? 0) - (b.activity ?? 0));
  const quiet = rooms.filter((room) => !hasMoved(room)).sort((a, b) => (b.activity ?? 0) - (a.activity ?? 0));
  const latest = quiet.slice(0, quietLatest);
  const rest = quiet.slice(quietLatest).sort((a, b) => (a.token < b.token ? -1 : 1));
  const from = rest.findIndex(({ token }) => token >= known.turn);
  const turned = from < 0 ? rest : [...rest.slice(from), ...rest.slice(0, from)];
  return { moved, quiet: [...latest, ...turned.slice(0, quietInTurn)], turn: turned[quietInTurn]?.token ?? '' };
}
