import * as z from 'zod/mini';
import { field, integer, named, text } from '../../../core/field.ts';
import { book, bookCode, bookOwner, fieldId, id, operation, rowId, sender, uuid } from '../fields.ts';
import { big } from '../shapes.ts';

const updatedAt = () => field(z.optional(integer(0)), { description: 'Seconds since the epoch. Default now.' });
const count = () => z.optional(integer(0, 100));
const systemMessage = () =>
  z.enum(['acceptInvitation', 'clearNotRead', 'logOpenBook', 'updateBookParam', 'updateUserInfo']);
const ack = () =>
  named(
    'SocketAck',
    z.looseObject({ type: z.int(), status: z.string(), smid: z.optional(big()), sstamp: z.optional(big()) }),
  );
const frames = () => z.array(z.looseObject({ type: z.int(), smid: z.optional(big()), sstamp: z.optional(big()) }));
const types = () => z.array(z.union([z.literal(1), z.literal(8), z.literal(11)])).check(z.minLength(1));

/** Loaded on demand: most calls need no socket. */
const socket = () => import('../writes/socket-operations.ts');

/** Each attaches a socket of its own, sends, waits for the ack and closes. */
export const socketOperations = {
  updateTableValueOverSocket: operation({
    summary: 'Write one value over the socket, also on behalf of another user',
    effect: 'write',
    input: () => ({
      ...book(),
      value: z.string(),
      rowId: rowId(),
      fieldId: fieldId(),
      updatedAt: updatedAt(),
      u_c: sender(),
      obo_u: z.optional(text(200)),
      rowUuid: z.optional(text(200)),
      fieldUuid: z.optional(text(200)),
    }),
    output: () => z.looseObject({ ...ack().shape, acknowledged: z.boolean() }),
    rawRoute: null,
    call: async (input, _send, call) => (await socket()).updateTableValue(input, call),
  }),
  sendSocketMessage: operation({
    summary: 'Send, change or delete a message over the socket',
    effect: 'write',
    input: () => ({
      ...book(),
      msg: z.string(),
      uuid: uuid(),
      smid: z.optional(id()),
      del: z.optional(z.boolean()),
      updatedAt: updatedAt(),
      nbMedias: count(),
      nbDocs: count(),
      u_c: sender(),
    }),
    output: ack,
    rawRoute: null,
    call: async (input, _send, call) => (await socket()).sendSocketMessage(input, call),
  }),
  sendPing: operation({
    summary: 'Check whether the socket responds',
    effect: 'write',
    input: () => ({}),
    output: ack,
    rawRoute: null,
    call: async (_input, _send, call) => (await socket()).sendPing(call),
  }),
  sendSystemMessage: operation({
    summary: 'Accept an invitation, mark a book as read or opened, or change a parameter',
    effect: 'write',
    input: () => ({
      msg: systemMessage(),
      bookCode: z.optional(bookCode()),
      bookOwner: z.optional(bookOwner()),
      param: z.optional(text(200)),
      value: z.optional(z.string()),
      uuid: uuid(),
    }),
    output: ack,
    rawRoute: null,
    call: async (input, _send, call) => (await socket()).sendSystemMessage(input, call),
  }),
  listenSocket: operation({
    summary: 'Listen for what TimeTonic sends unprompted: messages (1), book updates (8), system messages (11)',
    effect: 'read',
    input: () => ({ seconds: z.optional(integer(1, 20)), types: z.optional(types()) }),
    output: () => z.looseObject({ frames: frames(), garbage: z.int(), complete: z.boolean() }),
    rawRoute: null,
    call: async (input, _send, call) => (await socket()).listen(call, input.seconds ?? 10, input.types),
  }),
};
