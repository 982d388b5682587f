import * as z from 'zod/mini';
import { text } from '../../../core/field.ts';
import { messageId, operation, message as saidMessage, threadId, time, token } from '../fields.ts';
import { done, scheduledMessage, scheduledMessages } from '../shapes.ts';

/** Messages that the server sends later. */
export const scheduledOperations = {
  scheduleMessage: operation({
    summary: 'Schedule a message',
    effect: 'write',
    creates: true,
    since: '23',
    call: 'POST chat/{token}/schedule',
    errors: {
      400: 'The message is not valid',
      '400 send-at': 'The time has passed',
      '400 reply-to': 'The message that it replies to does not exist',
      403: 'The room is read-only, or the account may not write in it',
    },
    input: () => ({
      token: token(),
      message: saidMessage(),
      sendAt: time('sendAt'),
      replyTo: z.optional(messageId()),
      silent: z.optional(z.boolean()),
      threadId: z.optional(threadId()),
    }),
    output: scheduledMessage,
    example: { token: 'vebpramj', message: 'Shift starts', sendAt: '2026-01-05T08:00:00Z' },
  }),
  getScheduledMessages: operation({
    summary: 'List the scheduled messages of the account in a room',
    effect: 'read',
    since: '23',
    call: 'GET chat/{token}/schedule',
    input: () => ({ token: token() }),
    output: scheduledMessages,
  }),
  deleteScheduledMessage: operation({
    summary: 'Delete a scheduled message',
    effect: 'write',
    since: '23',
    call: 'DELETE chat/{token}/schedule/{messageId}',
    errors: { 404: 'No such room or scheduled message' },
    input: () => ({ token: token(), messageId: text(64) }),
    output: done,
  }),
};
