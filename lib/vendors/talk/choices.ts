import { type ChoiceSources, entriesAt } from '../../core/choices.ts';
import { token } from './fields.ts';

const roomTypes: Readonly<Record<number, string>> = { 1: 'one-to-one', 2: 'group', 3: 'public', 4: 'changelog' };

/** The selectable lists. */
export const choices: ChoiceSources = {
  rooms: {
    operation: 'getRooms',
    read: (answer) =>
      entriesAt(answer).map(({ token, displayName, type }) => ({
        id: token,
        name: displayName,
        detail: roomTypes[Number(type)],
      })),
  },
  participants: {
    operation: 'getParticipants',
    of: () => ({ token: token() }),
    read: (answer) =>
      entriesAt(answer).map(({ userId, attendeeId, displayName, actorType }) => ({
        id: userId === '' ? attendeeId !== null && `attendees/${attendeeId}` : userId,
        name: displayName,
        detail: actorType === 'users' ? userId : actorType,
      })),
  },
};
