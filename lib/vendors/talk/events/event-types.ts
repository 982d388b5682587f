import * as z from 'zod/mini';
import type { EventType } from '../../../core/event-type.ts';

const room = () => ({ token: z.string(), roomName: z.string() });
const actor = () => ({ actorType: z.string(), actorId: z.string(), actorDisplayName: z.string() });
const byServer = { token: 'vebpramj', roomName: 'Project group' };
const byBob = { ...byServer, actorType: 'users', actorId: 'bob', actorDisplayName: 'Bob' };

const participant = () =>
  z.looseObject({
    ...room(),
    participant: z.looseObject({ type: z.string(), id: z.string(), name: z.string() }),
    ...actor(),
  });
const call = () => z.looseObject({ ...room(), text: z.string(), ...actor() });

/** What can be heard from a Talk connection. */
export const types = {
  'talk.message.created': {
    summary: 'Somebody else wrote in a room of the account',
    data: () =>
      z.looseObject({
        ...room(),
        messageId: z.int(),
        message: z.string(),
        text: z.string(),
        messageParameters: z.record(z.string(), z.unknown()),
        ...actor(),
      }),
    sample: {
      ...byBob,
      messageId: 121,
      message: 'Hi {mention-user1}, pump 2 is dry',
      text: 'Hi @Alice, pump 2 is dry',
      messageParameters: { 'mention-user1': { type: 'user', id: 'alice', name: 'Alice' } },
    },
  },
  'talk.reaction.added': {
    summary: 'Somebody reacted to a message',
    data: () =>
      z.looseObject({ ...room(), messageId: z.nullable(z.int()), reaction: z.nullable(z.string()), ...actor() }),
    sample: { ...byBob, messageId: 121, reaction: '👍' },
  },
  'talk.reaction.removed': {
    summary: 'Somebody took a reaction back; the server does not tell which',
    data: () =>
      z.looseObject({ ...room(), messageId: z.nullable(z.int()), reaction: z.nullable(z.string()), ...actor() }),
    sample: { ...byBob, messageId: 121, reaction: null },
  },
  'talk.room.created': {
    summary: 'A room was made in which the account is',
    data: () => z.looseObject({ ...room(), ...actor() }),
    sample: byBob,
  },
  'talk.participant.joined': {
    summary: 'Somebody was added to a room, or came by oneself',
    data: participant,
    sample: { ...byBob, participant: { type: 'user', id: 'carol', name: 'Carol' } },
  },
  'talk.participant.left': {
    summary: 'Somebody was removed from a room, or left it',
    data: participant,
    sample: { ...byBob, participant: { type: 'user', id: 'carol', name: 'Carol' } },
  },
  'talk.call.started': { summary: 'A call began', data: call, sample: { ...byBob, text: 'Bob started a call' } },
  'talk.call.ended': {
    summary: 'A call ended, or nobody answered it',
    data: call,
    sample: { ...byBob, text: 'Call with Alice and Bob (Duration 0:35)' },
  },
} as const satisfies Record<string, EventType>;

export type TalkEventType = keyof typeof types;
