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
const message = () =>
  z.looseObject({
    ...room(),
    messageId: z.int(),
    message: z.string(),
    text: z.string(),
    messageParameters: z.record(z.string(), z.unknown()),
    ...actor(),
  });
const reaction = () =>
  z.looseObject({ ...room(), messageId: z.nullable(z.int()), reaction: z.nullable(z.string()), ...actor() });
const asText = () => z.looseObject({ ...room(), text: z.string(), ...actor() });

const poll = () => z.looseObject({ ...room(), pollId: z.int(), question: z.string(), ...actor() });

/** The events of a Talk connection. */
export const types = {
  'talk.message.created': {
    summary: 'Somebody else sent a message in a room of the account',
    readBy: 'getChatMessages',
    ofOthers: true,
    data: message,
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
    readBy: 'getChatMessages',
    data: reaction,
    sample: { ...byBob, messageId: 121, reaction: '👍' },
  },
  'talk.reaction.removed': {
    summary: 'Somebody removed a reaction; null where the server does not say which',
    readBy: 'getChatMessages',
    data: reaction,
    sample: { ...byBob, messageId: 121, reaction: '👍' },
  },
  'talk.message.edited': {
    summary: 'A message was edited; the data contains its current form',
    readBy: 'getChatMessages',
    data: message,
    sample: { ...byBob, messageId: 121, message: 'Pump 3 is dry', text: 'Pump 3 is dry', messageParameters: {} },
  },
  'talk.message.deleted': {
    summary: 'A message was deleted',
    readBy: 'getChatMessages',
    data: () => z.looseObject({ ...room(), messageId: z.int(), ...actor() }),
    sample: { ...byBob, messageId: 121 },
  },
  'talk.thread.created': {
    summary: 'A thread was started',
    readBy: 'getThreads',
    data: () => z.looseObject({ ...room(), threadId: z.int(), threadTitle: z.string(), ...actor() }),
    sample: { ...byBob, threadId: 121, threadTitle: 'Incident 7' },
  },
  'talk.poll.voted': {
    summary: 'Somebody voted in a poll with public results; the server does not say who',
    readBy: 'getPoll',
    data: poll,
    sample: {
      ...byServer,
      pollId: 7,
      question: 'Who takes the night shift?',
      actorType: 'guests',
      actorId: 'system',
      actorDisplayName: '',
    },
  },
  'talk.poll.closed': {
    summary: 'A poll was closed',
    readBy: 'getPoll',
    data: poll,
    sample: { ...byBob, pollId: 7, question: 'Who takes the night shift?' },
  },
  'talk.room.renamed': {
    summary: 'A room was renamed; `text` contains the old and the new name',
    readBy: 'getRooms',
    data: asText,
    sample: { ...byBob, text: 'Bob renamed the conversation from "Gate" to "Project group"' },
  },
  'talk.room.closed': {
    summary: 'A room became read-only',
    readBy: 'getRooms',
    data: asText,
    sample: { ...byBob, text: 'Bob locked the conversation' },
  },
  'talk.room.reopened': {
    summary: 'A room is no longer read-only',
    readBy: 'getRooms',
    data: asText,
    sample: { ...byBob, text: 'Bob unlocked the conversation' },
  },
  'talk.room.gone': {
    summary: 'A room was deleted, or the account is no longer in it',
    readBy: 'getRooms',
    data: () => z.looseObject({ ...room(), ...actor() }),
    sample: { ...byServer, actorType: '', actorId: '', actorDisplayName: '' },
  },
  'talk.room.created': {
    summary: 'A room that the account is in was created',
    readBy: 'getRooms',
    data: () => z.looseObject({ ...room(), ...actor() }),
    sample: byBob,
  },
  'talk.participant.joined': {
    summary: 'Somebody was added to a room, or joined it',
    readBy: 'getParticipants',
    data: participant,
    sample: { ...byBob, participant: { type: 'user', id: 'carol', name: 'Carol' } },
  },
  'talk.participant.left': {
    summary: 'Somebody was removed from a room, or left it',
    readBy: 'getParticipants',
    data: participant,
    sample: { ...byBob, participant: { type: 'user', id: 'carol', name: 'Carol' } },
  },
  'talk.call.started': {
    summary: 'A call started',
    readBy: 'getRooms',
    data: asText,
    sample: { ...byBob, text: 'Bob started a call' },
  },
  'talk.call.ended': {
    summary: 'A call ended, or nobody answered it',
    readBy: 'getChatMessages',
    data: asText,
    sample: { ...byBob, text: 'Call with Alice and Bob (Duration 0:35)' },
  },
} as const satisfies Record<string, EventType>;

export type TalkEventType = keyof typeof types;
