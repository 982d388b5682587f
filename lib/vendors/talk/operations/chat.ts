import * as z from 'zod/mini';
import { field, integer, named } from '../../../core/field.ts';
import { file, isSlow } from '../../../core/given-file.ts';
import { longestPage, readAfter, readBefore, readNewest, readSkipping } from '../chat/history.ts';
import { chatMessage } from '../chat/message.ts';
import { decodePosition, encodePosition, isPosition } from '../chat/position.ts';
import { sendFile } from '../chat/send-file.ts';
import { sendOnce } from '../chat/settle.ts';
import { messageId, operation, message as saidMessage, threadId, token, words } from '../fields.ts';
import { message, messages, posted, sentFile } from '../shapes.ts';
import { dialectOf } from '../wire/dialect.ts';
import { alone } from '../wire/long-poll.ts';
import { sessionFor } from '../wire/session-request.ts';

const threadMissing = 'There is no such thread';
const closed = { 400: 'The message is not valid', 403: 'The room is read-only, or the account may not write in it' };
const cursor = () =>
  field(z.string().check(z.maxLength(20_000), z.refine(isPosition, 'is not a cursor of getChatMessages')), {
    description: 'The `cursor` of a previous response: returns the messages after it.',
  });

const wait = () => field(integer(0, 20), { description: 'Seconds to wait for new messages.' });

const referenceId = () =>
  field(z.string().check(z.regex(/^[0-9a-f]{64}$/)), { description: 'SHA-256 in hex; generated if omitted.' });

/** Reading and writing. */
export const chatOperations = {
  getChatMessages: operation({
    summary: 'Get messages of a room, oldest first',
    description:
      'Without `after`, the newest messages. With the `cursor` of a response as `after`, the messages since; with its `earlier` as `before`, the messages before. Nothing is marked as read unless you set `markRead`.',
    effect: 'read',
    errors: closed,
    input: () => ({
      token: token(),
      after: z.optional(cursor()),
      before: field(
        z.optional(z.string().check(z.maxLength(20_000), z.refine(isPosition, 'is not a cursor of getChatMessages'))),
        {
          description: 'The `earlier` of a previous response: returns the messages before it. Talk 3.2 and newer.',
        },
      ),
      threadId: z.optional(threadId()),
      limit: z._default(integer(1, longestPage), 100),
      timeout: z._default(wait(), 0),
      markRead: z._default(z.boolean(), false),
      offset: z.optional(integer(0, 4_000)),
      notOlderThanTimestamp: z.optional(integer(0)),
    }),
    rule: ({ after, before }) =>
      after !== undefined && before !== undefined
        ? { pointer: '/before', message: 'cannot be combined with after' }
        : undefined,
    output: () =>
      named(
        'ChatMessages',
        z.looseObject({ messages: z.array(message()), cursor: z.string(), earlier: z.nullable(z.string()) }),
      ),
    rawRoute: 'GET chat/{token}',
    call: async ({ token, after, before, threadId, limit, timeout, markRead, ...counted }, sendRequest, call) => {
      const { offset, notOlderThanTimestamp = 0 } = counted;
      const page = await alone(call, timeout, (wait) => {
        const query = { token, threadId, limit, wait, doing: 'getChatMessages' };
        if (before !== undefined) return readBefore(call, query, decodePosition(before));
        if (after !== undefined) return readAfter(call, query, decodePosition(after));
        if (offset === undefined && notOlderThanTimestamp === 0) return readNewest(call, query);
        return readSkipping(call, query, offset ?? 0, notOlderThanTimestamp);
      });
      const last = page.messages.at(-1);
      const marks = markRead && last && dialectOf(await sessionFor(call)).has('chat-read-marker');
      if (marks) await sendRequest('POST chat/{token}/read', { token, lastReadMessage: last.id });
      const first = page.messages[0];
      const earlier = first ? encodePosition({ id: first.id, at: first.timestamp }) : null;
      return { messages: page.messages, cursor: encodePosition(page.position), earlier };
    },
  }),
  sendChatMessage: operation({
    summary: 'Send a message',
    description:
      'If the response is lost, the newest messages are searched for the `referenceId`. A message that is found is returned; one that is not is sent again.',
    effect: 'write',
    creates: true,
    errors: { ...closed, '400 reply-to': 'The message that it replies to does not exist', '400 thread': threadMissing },
    rule: ({ replyTo, threadTitle }) =>
      replyTo !== undefined && threadTitle !== undefined
        ? { pointer: '/threadTitle', message: 'cannot be combined with replyTo: a reply does not start a thread' }
        : undefined,
    input: () => ({
      token: token(),
      message: saidMessage(),
      replyTo: z.optional(messageId()),
      silent: z.optional(z.boolean()),
      threadId: z.optional(threadId()),
      threadTitle: field(z.optional(words(200)), {
        description: 'Starts a thread with this message. Talk 22 and newer.',
      }),
      referenceId: z.optional(referenceId()),
    }),
    output: posted,
    rawRoute: 'POST chat/{token}',
    call: async ({ referenceId: given, ...said }, sendRequest, call) => {
      const { chat } = dialectOf(await sessionFor(call));
      const { token } = said;
      const post = (referenceId?: string) => sendRequest('POST chat/{token}', { ...said, referenceId });
      if (chat !== 'modern') {
        await post();
        return { ...said, id: null, text: said.message, referenceId: '' };
      }
      const referenceId = given ?? call.random.bytes(32).toString('hex');
      const sent = { token, referenceId, doing: 'sendChatMessage' };
      const line = chatMessage(await sendOnce(call, sent, () => post(referenceId)));
      return line.id > 0 ? line : { ...said, id: null, text: said.message, referenceId };
    },
    example: { token: 'vebpramj', message: 'ALARM S12/Z3 Fire' },
  }),
  sendFile: operation({
    summary: 'Send a file into a room',
    description:
      "Uploads the file into the account's folder for attachments and shares it in the room. `caption`, `replyTo` and `silent` need Talk 18, `threadId` Talk 22.",
    effect: 'write',
    creates: true,
    since: '4',
    errors: {
      403: 'The room is read-only, or files may not be shared',
      404: 'No such room, or the account is not in it',
    },
    slow: ({ file }) => isSlow(file),
    input: () => ({
      token: token(),
      file: file(),
      caption: z.optional(saidMessage()),
      replyTo: z.optional(messageId()),
      silent: z.optional(z.boolean()),
      threadId: z.optional(threadId()),
    }),
    output: sentFile,
    rawRoute: null,
    call: async (input, _send, call) => sendFile(input, call),
    example: {
      token: 'vebpramj',
      file: { base64: 'SGVsbG8=', name: 'gate-4.jpg', type: 'image/jpeg' },
      caption: 'Gate 4',
    },
  }),
  getMessageContext: operation({
    summary: 'Get a message and the messages around it',
    effect: 'read',
    since: '16',
    input: () => ({ token: token(), messageId: messageId(), limit: z.optional(integer(1, 100)) }),
    output: messages,
    call: 'GET chat/{token}/{messageId}/context',
  }),
};
