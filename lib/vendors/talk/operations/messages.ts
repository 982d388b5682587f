import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { newestToMark } from '../chat/history.ts';
import { messageId, operation, reaction, message as saidMessage, time, token } from '../fields.ts';
import { changedMessage, done, reactions, reminder } from '../shapes.ts';

const notMine = {
  400: 'The message is too old, or not of a kind that can be changed',
  '400 age': 'The message is too old',
  403: "Neither the account's own message nor a moderator",
  405: 'Not a message that can be changed',
};

const notModerator = { 403: 'The account is not a moderator of the room' };

/** Changes to existing messages. */
export const messageOperations = {
  editChatMessage: operation({
    summary: 'Edit a message',
    effect: 'write',
    since: '19',
    call: 'PUT chat/{token}/{messageId}',
    errors: notMine,
    input: () => ({ token: token(), messageId: messageId(), message: saidMessage() }),
    output: changedMessage,
  }),
  deleteChatMessage: operation({
    summary: 'Delete a message',
    effect: 'write',
    since: '11.1',
    call: 'DELETE chat/{token}/{messageId}',
    errors: notMine,
    input: () => ({ token: token(), messageId: messageId() }),
    output: changedMessage,
  }),
  addReaction: operation({
    summary: 'React to a message',
    effect: 'write',
    creates: true,
    since: '14',
    call: 'POST reaction/{token}/{messageId}',
    errors: { 400: 'Not a single emoji, or the message does not allow reactions', 403: 'The room is read-only' },
    input: () => ({ token: token(), messageId: messageId(), reaction: reaction() }),
    output: reactions,
  }),
  removeReaction: operation({
    summary: 'Remove a reaction',
    effect: 'write',
    since: '14',
    call: 'DELETE reaction/{token}/{messageId}',
    errors: { 403: 'The room is read-only' },
    input: () => ({ token: token(), messageId: messageId(), reaction: reaction() }),
    output: reactions,
  }),
  markChatRead: operation({
    summary: 'Mark the chat of a room as read',
    effect: 'write',
    since: '7',
    input: () => ({
      token: token(),
      messageId: field(z.optional(integer(1)), {
        wire: 'lastReadMessage',
        description: 'Up to this message; if omitted, all messages.',
      }),
    }),
    output: done,
    rawRoute: 'POST chat/{token}/read',
    call: async ({ token, messageId }, sendRequest, call) =>
      sendRequest('POST chat/{token}/read', { token, messageId: messageId ?? (await newestToMark(call, token)) }),
  }),
  setReminder: operation({
    summary: 'Set a reminder for a message',
    effect: 'write',
    creates: true,
    since: '17.1',
    call: 'POST chat/{token}/{messageId}/reminder',
    input: () => ({ token: token(), messageId: messageId(), at: time('timestamp') }),
    output: reminder,
    example: { token: 'vebpramj', messageId: 121, at: '2026-01-05T08:00:00Z' },
  }),
  deleteReminder: operation({
    summary: 'Delete the reminder of a message',
    effect: 'write',
    since: '17.1',
    call: 'DELETE chat/{token}/{messageId}/reminder',
    input: () => ({ token: token(), messageId: messageId() }),
    output: done,
  }),
  pinMessage: operation({
    summary: 'Pin a message to the top of its room',
    effect: 'write',
    since: '23',
    call: 'POST chat/{token}/{messageId}/pin',
    errors: { ...notModerator, '400 until': 'The time has passed', '400 message': 'Not a message that can be pinned' },
    input: () => ({ token: token(), messageId: messageId(), until: z.optional(time('pinUntil')) }),
    output: done,
    example: { token: 'vebpramj', messageId: 121, until: '2026-01-05T08:00:00Z' },
  }),
  unpinMessage: operation({
    summary: 'Unpin a message',
    effect: 'write',
    since: '23',
    call: 'DELETE chat/{token}/{messageId}/pin',
    errors: notModerator,
    input: () => ({ token: token(), messageId: messageId() }),
    output: done,
  }),
};
