import * as z from 'zod/mini';
import { integer } from '../../../core/field.ts';
import { message, messageId, operation, reaction, token } from '../fields.ts';
import { bots, done } from '../shapes.ts';

const manner = () => ({ replyTo: z.optional(messageId()), silent: z.optional(z.boolean()) });

const notModerator = { 403: 'The account is not a moderator of the room' };

/** Bots of a room, and speaking as a bot that an administrator installed and a moderator enabled in the room, which needs `botSecret`. */
export const botOperations = {
  sendBotMessage: operation({
    summary: 'Send a message as a bot',
    description: 'The server returns nothing about the new message, not even its id.',
    effect: 'write',
    creates: true,
    since: '17.1',
    errors: { 400: 'The message is not valid, or the message that it replies to does not exist' },
    input: () => ({ token: token(), message: message(), ...manner() }),
    output: done,
    rawRoute: 'POST bot/{token}/message',
    call: (said, sendRequest, call) =>
      sendRequest('POST bot/{token}/message', { ...said, referenceId: call.random.bytes(32).toString('hex') }),
  }),
  sendBotReaction: operation({
    summary: 'React to a message as a bot',
    effect: 'write',
    creates: true,
    since: '17.1',
    call: 'POST bot/{token}/reaction/{messageId}',
    errors: { 400: 'Not a single emoji, or the message does not allow reactions' },
    input: () => ({ token: token(), messageId: messageId(), reaction: reaction() }),
    output: done,
  }),
  getBots: operation({
    summary: 'List the bots of a room',
    description: '`state` 1: enabled in the room; 2: only an administrator can change it.',
    effect: 'read',
    since: '17.1',
    call: 'GET bot/{token}',
    errors: notModerator,
    input: () => ({ token: token() }),
    output: bots,
  }),
  enableBot: operation({
    summary: 'Enable a bot in a room',
    effect: 'write',
    since: '17.1',
    call: 'POST bot/{token}/{botId}',
    errors: { ...notModerator, 400: 'There is no such bot, or only an administrator can change it' },
    input: () => ({ token: token(), botId: integer(1) }),
    output: done,
  }),
  disableBot: operation({
    summary: 'Disable a bot in a room',
    effect: 'write',
    since: '17.1',
    call: 'DELETE bot/{token}/{botId}',
    errors: { ...notModerator, 400: 'There is no such bot, or only an administrator can change it' },
    input: () => ({ token: token(), botId: integer(1) }),
    output: done,
  }),
};
