import * as z from 'zod/mini';
import { bigInteger, field, integer, text } from '../../../core/field.ts';
import { file, isSlow } from '../../../core/given-file.ts';
import { book, id, operation, sender, sstamp, uuid } from '../fields.ts';
import { messages, sentMessage, stamped } from '../shapes.ts';
import { sendMessage } from '../writes/message-writes.ts';

const msg = () => field(text(100_000), { description: 'The text of the message.', examples: ['Fire on level 3'] });
const attachments = () =>
  field(z.optional(integer(0, 100)), { description: 'How many you will attach with fileUpload.' });
const event = () =>
  field(
    z.strictObject({
      eventStart: integer(),
      eventEnd: integer(),
      eventTimezone: z.optional(text(60)),
      eventAllDay: z.optional(z.boolean()),
      isBusy: z.optional(z.boolean()),
      eventParticipants: z.optional(z.array(z.strictObject({ id: text(200) }))),
      reminderData: z.optional(
        z.strictObject({
          email: z.optional(z.boolean()),
          sms: z.optional(z.boolean()),
          alarm: z.optional(z.boolean()),
          alarmMobile: z.optional(z.boolean()),
          time: z.optional(integer(0)),
          remindermember: z.optional(integer(0, 1)),
        }),
      ),
    }),
    {
      description: 'A calendar event; times are in seconds since the epoch, the reminder in seconds before the event.',
      examples: [{ eventStart: 1652601600, eventEnd: 1652608800, eventTimezone: 'Europe/Paris' }],
    },
  );

const outgoing = () => ({
  ...book(),
  msg: msg(),
  body: z.optional(text(1_000_000)),
  u_c: sender(),
  msg_id: z.optional(id()),
  uuid: uuid(),
  event: z.optional(event()),
});
const attached = () => ({
  nbMedias: attachments(),
  nbDocs: attachments(),
  files: z.optional(z.array(file()).check(z.minLength(1), z.maxLength(10))),
});

export const messageOperations = {
  getBookMessages: operation({
    summary: 'Read the messages of a book, newest first; with sstamp, those that have changed',
    effect: 'read',
    input: () => ({
      ...book(),
      sstamp: sstamp(),
      smidFirst: z.optional(bigInteger()),
      smidLast: z.optional(bigInteger()),
      nbMax: z.optional(integer(1, 1000)),
      page: z.optional(integer(1)),
      search_string: z.optional(text(500)),
    }),
    output: messages,
    call: 'req=getBookMessages',
  }),
  sendMsg: operation({
    summary: 'Send a message into a book, optionally with files and a calendar event',
    effect: 'write',
    input: () => ({ ...outgoing(), ...attached() }),
    output: sentMessage,
    slow: (input) => input.files?.some(isSlow) ?? false,
    rawRoute: 'req=sendMsg',
    call: (input, sendRequest, call) => sendMessage(input, sendRequest, call),
  }),
  deleteMsg: operation({
    summary: 'Delete a message',
    effect: 'write',
    input: () => ({ ...book(), msg_id: id(), msg: z.optional(msg()), u_c: sender() }),
    output: stamped,
    call: 'req=deleteMsg',
  }),
};
