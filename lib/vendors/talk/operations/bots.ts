import * as z from 'zod/mini';
import { message, messageId, operation, reaction, token } from '../fields.ts';
import { done } from '../shapes.ts';

const manner = () => ({ replyTo: z.optional(messageId()), silent: z.optional(z.boolean()) });

/** Speaking as a bot that an administrator installed and a moderator enabled in the room. Needs `botSecret`. */
export const botOperations = {
  sendBotMessage: operation({
    summary: 'Say something as a bot',
    description: 'The server tells nothing of the new message, not even its id.',
    effect: 'write',
    creates: true,
    since: '17.1',
    errors: { 400: 'The message is not valid, or what it replies to is not there' },
    input: () => ({ token: token(), message: message(), ...manner() }),
    output: done,
    route: 'POST bot/{token}/message',
    call: (said, send, call) =>
      send('POST bot/{token}/message', { ...said, referenceId: call.random.bytes(32).toString('hex') }),
  }),
  sendBotReaction: operation({
    summary: 'React to a message as a bot',
    effect: 'write',
    creates: true,
    since: '17.1',
    call: 'POST bot/{token}/reaction/{messageId}',
    errors: { 400: 'Not one emoji, or not a message that takes reactions' },
    input: () => ({ token: token(), messageId: messageId(), reaction: reaction() }),
    output: done,
  }),
};
