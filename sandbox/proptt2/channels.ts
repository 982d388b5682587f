import { done, errorPage } from './answers.ts';
import { type Endpoints, endpoint, findChannel, findUser, notFound, ok } from './endpoint.ts';

const string = { type: 'string' } as const;
const name = { type: 'string', mandatory: true, pattern: /\S/ } as const;

/** Channels and who is in them. */
export const channelEndpoints: Endpoints = {
  'GET channels': endpoint({
    answer: ({ data }) => ok({ channels: Object.values(data.channels).map(({ id, no, name }) => ({ id, no, name })) }),
  }),
  'POST channels': endpoint({
    body: {
      no: { type: 'string', mandatory: true, pattern: /\S/ },
      name,
      description: string,
      notification: string,
      TOT: { type: 'number' },
      recordable: { type: 'boolean' },
      encrypted: { type: 'boolean', since: '2.2.8' },
      shareLocations: { type: 'boolean', since: '3.3.0' },
    },
    answer: ({ data }, body) => {
      const id = data.nextId.channel++;
      data.channels[id] = {
        id,
        no: body.no,
        name: body.name,
        description: body.description ?? '',
        notification: body.notification ?? '',
        TOT: body.TOT ?? 30,
        recordable: body.recordable ?? true,
        encrypted: body.encrypted ?? false,
        shareLocations: body.shareLocations ?? false,
        leader: 1,
        members: {},
      };
      return ok({ id });
    },
  }),
  'GET channels/{}': endpoint({
    answer: (call) => {
      const channel = findChannel(call);
      if (!channel) return notFound();
      const { name, description, notification, TOT, recordable, encrypted, shareLocations, leader } = channel;
      return ok({
        no: call.settings.answerTypes === 'example' ? numberIfDigits(channel.no) : channel.no,
        name,
        description,
        notification,
        TOT,
        recordable,
        ...(call.since('2.2.8') ? { encrypted } : {}),
        ...(call.since('3.3.0') ? { shareLocations } : {}),
        leader,
      });
    },
  }),
  'PUT channels/{}': endpoint({
    body: { name, description: string, notification: string },
    answer: (call, body) => {
      const channel = findChannel(call);
      if (!channel) return notFound();
      const omitted = call.settings.putClearsOmitted ? { description: '', notification: '' } : {};
      Object.assign(channel, omitted, body);
      return done();
    },
  }),
  'DELETE channels/{}': endpoint({
    answer: (call) => {
      const channel = findChannel(call);
      if (!channel) return notFound();
      delete call.data.channels[channel.id];
      return done();
    },
  }),
  'POST channels/{}/users/{}': endpoint({
    body: { role: { type: 'number', allow: [10, 20, 90], since: '3.2.0' } },
    answer: (call, { role = 10 }) => {
      const channel = findChannel(call);
      const user = findUser(call, 1);
      if (!channel || !user) return notFound();
      if (channel.members[user.id] !== undefined) return errorPage(409, 'Already linked user');
      channel.members[user.id] = role;
      return done();
    },
  }),
  'DELETE channels/{}/users/{}': endpoint({
    answer: (call) => {
      const channel = findChannel(call);
      const user = findUser(call, 1);
      if (!channel || !user || channel.members[user.id] === undefined) return notFound();
      delete channel.members[user.id];
      return done();
    },
  }),
  'GET channels/{}/users': endpoint({
    answer: (call) => {
      const channel = findChannel(call);
      if (!channel) return notFound();
      const users = Object.entries(channel.members).flatMap(([id, role]) => {
        const user = call.data.users[id];
        if (!user) return [];
        const { strId, name, type } = user;
        return {
          id: user.id,
          strId,
          name,
          ...(call.since('3.0.1') ? { type } : {}),
          ...(call.since('3.2.0') ? { role } : {}),
        };
      });
      return ok({ users });
    },
  }),
};

/** A channel number as the examples show it: as a number if it is numeric. */
export function numberIfDigits(no: string): string | number {
  return /^\d{1,15}$/.test(no) ? Number(no) : no;
}
