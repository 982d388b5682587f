import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { operation, threadId, token, words } from '../fields.ts';
import { thread, threads } from '../shapes.ts';

/** Threads. `sendChatMessage` starts one with `threadTitle`, and replies in one with `threadId`. */
export const threadOperations = {
  getThreads: operation({
    summary: 'List the threads of a room, newest first',
    effect: 'read',
    since: '22',
    call: 'GET chat/{token}/threads/recent',
    input: () => ({
      token: token(),
      limit: field(z.optional(integer(1, 100)), { description: 'The server returns 25 by default.' }),
    }),
    output: threads,
  }),
  getThread: operation({
    summary: 'Get a thread',
    description: 'Its messages are returned by `getChatMessages` with `threadId`.',
    effect: 'read',
    since: '22',
    call: 'GET chat/{token}/threads/{threadId}',
    errors: { 404: 'No such room or thread' },
    input: () => ({ token: token(), threadId: threadId() }),
    output: thread,
  }),
  renameThread: operation({
    summary: 'Rename a thread',
    effect: 'write',
    since: '22',
    call: 'PUT chat/{token}/threads/{threadId}',
    errors: { '400 title': 'The title is not valid', 403: 'Neither the author of the thread nor a moderator' },
    input: () => ({ token: token(), threadId: threadId(), threadTitle: words(200) }),
    output: thread,
    example: { token: 'vebpramj', threadId: 121, threadTitle: 'Incident 7' },
  }),
};
