import type { FoundEvent } from '../../../core/event-type.ts';
import type { ListedRoom } from './choose.ts';
import type { RoomsCursor } from './cursor.ts';
import type { TalkEventType } from './event-types.ts';
import { roomId, type Viewer } from './line.ts';

/**
 * What the list of rooms tells on servers without system messages (Talk 3): rooms that were not there, who is in them, whether
 * they have a call. Nobody says who did it. Ids carry the number of the look, so that a look that is repeated gives the same.
 */
export function changesOf(
  rooms: readonly ListedRoom[],
  known: RoomsCursor,
  viewer: Viewer,
  timestamp: string,
): FoundEvent[] {
  const nobody = { actorType: '', actorId: '', actorDisplayName: '' };
  return rooms.flatMap((room) => {
    const { token, name: roomName, people, call } = room;
    const found = (type: TalkEventType, id: string, data: object): FoundEvent => ({
      type,
      id,
      timestamp,
      data: { token, roomName, ...data, ...nobody },
    });
    const before = known.rooms[token];
    if (before === undefined) return [found('talk.room.created', roomId(viewer, token), {})];
    const change = (what: string) => `${roomId(viewer, token)}/${what}/${known.looks}`;
    const events: FoundEvent[] = [];
    if (people && before.people) {
      const person = (id: string) => ({ participant: { type: 'user', id, name: id } });
      const was = new Set(before.people);
      const is = new Set(people);
      for (const id of is.difference(was)) events.push(found('talk.participant.joined', change(id), person(id)));
      for (const id of was.difference(is)) events.push(found('talk.participant.left', change(id), person(id)));
    }
    if (before.call !== undefined && before.call !== call) {
      const text = call ? 'A call began' : 'The call ended';
      events.push(found(call ? 'talk.call.started' : 'talk.call.ended', change('call'), { text }));
    }
    return events;
  });
}
