import type { FoundEvent } from '../../../core/event-type.ts';
import type { Viewer } from './chat-line.ts';
import type { ListedRoom, RoomsCursor } from './cursor.ts';
import type { TalkEventType } from './event-types.ts';
import { roomId } from './line.ts';

const nobody = { actorType: '', actorId: '', actorDisplayName: '' };

/**
 * Rooms that are no longer in the list: deleted, or the account was removed from them. The server reports neither which, nor who
 * did it.
 */
export function goneRooms(
  rooms: readonly ListedRoom[],
  known: RoomsCursor,
  viewer: Viewer,
  timestamp: string,
): { token: string; event: FoundEvent }[] {
  const listed = new Set(rooms.map(({ token }) => token));
  const gone = Object.entries(known.rooms).filter(([token]) => !listed.has(token));
  return gone.map(([token, { name = '' }]) => ({
    token,
    event: {
      type: 'talk.room.gone' satisfies TalkEventType,
      // A room that the account rejoins may disappear again.
      id: `${roomId(viewer, token)}/gone/${known.polls}`,
      timestamp,
      data: { token, roomName: name, ...nobody },
    },
  }));
}

/**
 * The events of the room list on servers without system messages (Talk 3): new rooms, who is in them, whether they have a call.
 * The server does not report the actor, but a room's owner created it. Ids contain the number of the poll, so that a repeated
 * poll gives the same.
 */
export function changesOf(
  rooms: readonly ListedRoom[],
  known: RoomsCursor,
  viewer: Viewer,
  timestamp: string,
  self: string,
): FoundEvent[] {
  return rooms.flatMap((room) => {
    const { token, name: roomName, people, call } = room;
    const found = (type: TalkEventType, id: string, data: object): FoundEvent => ({
      type,
      id,
      timestamp,
      data: { token, roomName, ...data, ...nobody },
    });
    const before = known.rooms[token];
    if (before === undefined) {
      const created = found('talk.room.created', roomId(viewer, token), {});
      return [room.isOwner ? { ...created, by: self } : created];
    }
    const change = (what: string) => `${roomId(viewer, token)}/${what}/${known.polls}`;
    const events: FoundEvent[] = [];
    if (people && before.people) {
      const person = (id: string) => ({ participant: { type: 'user', id, name: id } });
      const was = new Set(before.people);
      const is = new Set(people);
      for (const id of is.difference(was)) events.push(found('talk.participant.joined', change(id), person(id)));
      for (const id of was.difference(is)) events.push(found('talk.participant.left', change(id), person(id)));
    }
    if (before.call !== undefined && before.call !== call) {
      const text = call ? 'A call started' : 'The call ended';
      events.push(found(call ? 'talk.call.started' : 'talk.call.ended', change('call'), { text }));
    }
    return events;
  });
}
