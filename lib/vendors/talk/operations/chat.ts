import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { longestPage, readAfter, readNewest, readSkipping } from '../chat/history.ts';
import { chatMessage } from '../chat/message.ts';
import { decodePosition, encodePosition, isPosition } from '../chat/position.ts';
import { messageId, operation, message as saidMessage, token } from '../fields.ts';
import { message, posted } from '../shapes.ts';
import { dialectOf } from '../wire/dialect.ts';
import { sessionFor } from '../wire/exchange.ts';
import { alone } from '../wire/long-poll.ts';

const closed = { 400: 'The message is not valid', 403: 'The room is read-only, or the account may not write in it' };
const cursor = () =>
  field(z.string().check(z.maxLength(20_000), z.refine(isPosition, 'is not a cursor of getChatMessages')), {
    description: 'The cursor of the last answer: gives what came after it.',
  });

const wait = () => field(integer(0, 20), { description: 'Seconds to wait when there is nothing new.' });

const referenceId = () =>
  field(z.string().check(z.regex(/^[0-9a-f]{64}$/)), { description: 'SHA-256 in hex; made if left out.' });

/** Reading and writing. */
export const chatOperations = {
  getChatMessages: operation({
    summary: 'Get messages of a room, oldest first',
    description:
      'Without `after` the newest; with the `cursor` of an answer what came since. Marks nothing as read by itself.',
    effect: 'read',
    errors: closed,
    input: () => ({
      token: token(),
      after: z.optional(cursor()),
      limit: z._default(integer(1, longestPage), 100),
      timeout: z._default(wait(), 0),
      markRead: z._default(z.boolean(), false),
      offset: z.optional(integer(0, 4_000)),
      notOlderThanTimestamp: z.optional(integer(0)),
    }),
    output: () => z.looseObject({ messages: z.array(message()), cursor: z.string() }),
    route: 'GET chat/{token}',
    call: async ({ token, after, limit, timeout, markRead, offset, notOlderThanTimestamp = 0 }, send, call) => {
      const page = await alone(call, timeout, (wait) => {
        const look = { token, limit, wait, doing: 'getChatMessages' };
        if (after !== undefined) return readAfter(call, look, decodePosition(after));
        if (offset === undefined && notOlderThanTimestamp === 0) return readNewest(call, look);
        return readSkipping(call, look, offset ?? 0, notOlderThanTimestamp);
      });
      const last = page.messages.at(-1);
      const marks = markRead && last && dialectOf(await sessionFor(call)).has('chat-read-marker');
      if (marks) await send('POST chat/{token}/read', { token, lastReadMessage: last.id });
      return { messages: page.messages, cursor: encodePosition(page.position) };
    },
  }),
  sendChatMessage: operation({
    summary: 'Say something in a room',
    effect: 'write',
    creates: true,
    errors: closed,
    input: () => ({
      token: token(),
      message: saidMessage(),
      replyTo: z.optional(messageId()),
      silent: z.optional(z.boolean()),
      referenceId: z.optional(referenceId()),
    }),
    output: posted,
    route: 'POST chat/{token}',
    call: async ({ referenceId, ...said }, send, call) => {
      const { chat } = dialectOf(await sessionFor(call));
      const reference = chat === 'modern' ? (referenceId ?? call.random.bytes(32).toString('hex')) : undefined;
      const data = await send('POST chat/{token}', { ...said, referenceId: reference });
      const line = chatMessage(data);
      return line.id > 0 ? line : { ...said, id: null, text: said.message, referenceId: '' };
    },
    example: { token: 'vebpramj', message: 'ALARM S12/Z3 Fire' },
  }),
};
