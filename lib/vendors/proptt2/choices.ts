import { type ChoiceSources, entriesAt } from '../../core/choices.ts';
import { channelId } from './fields.ts';

const person = ({ id, name, strId }: Record<string, unknown>) => ({ id, name, detail: strId });

/** The selectable lists. */
export const choices: ChoiceSources = {
  channels: {
    operation: 'getChannelList',
    read: (answer) => entriesAt(answer, 'channels').map(({ id, name, no }) => ({ id, name, detail: no })),
  },
  users: { operation: 'getUserList', read: (answer) => entriesAt(answer, 'users').map(person) },
  organizations: {
    operation: 'getOrganizationList',
    read: (answer) => entriesAt(answer, 'organizations').map(({ id, name }) => ({ id, name })),
  },
  participants: {
    operation: 'getUsersOfChannel',
    of: () => ({ channelId: channelId() }),
    read: (answer) => entriesAt(answer, 'users').map(person),
  },
};
