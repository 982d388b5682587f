import * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import { base64, field, integer, named, text } from '../../../core/field.ts';
import {
  channelId,
  channelNo,
  created,
  done,
  id,
  message,
  messageId,
  no,
  operation,
  paging,
  record,
  recordsIn,
  role,
  userId,
} from '../fields.ts';
import { customFrame } from '../wire/frame.ts';
import { userList } from './users.ts';

const description = () => z.optional(z.string());
const notification = () => z.optional(z.string());

const membership = () => ({ channelId: channelId(), userId: userId() });
const channelChange = () => ({
  channelId: channelId(),
  name: text(200),
  description: description(),
  notification: notification(),
  merge: z.optional(z.boolean()),
});

/** Channels, their members and their messages. */
export const channels = {
  getChannelList: operation({
    summary: 'List the channels',
    effect: 'read',
    call: 'GET /channels',
    input: () => ({}),
    output: () =>
      named(
        'ChannelList',
        z.looseObject({ channels: z.array(z.looseObject({ id: id(), no: no(), name: z.string() })) }),
      ),
  }),
  createChannel: operation({
    summary: 'Create a channel',
    effect: 'write',
    call: 'POST /channels',
    input: () => ({
      no: channelNo(),
      name: text(200),
      description: description(),
      notification: notification(),
      TOT: z.optional(integer(0, 3600)),
      recordable: z.optional(z.boolean()),
      encrypted: z.optional(z.boolean()),
      shareLocations: z.optional(z.boolean()),
    }),
    output: created,
    example: { no: '942', name: 'INC-42', TOT: 30, recordable: true },
  }),
  getChannel: operation({
    summary: 'Get a channel',
    effect: 'read',
    call: 'GET /channels/{channelId}',
    input: () => ({ channelId: channelId() }),
    output: () =>
      named('Channel', z.looseObject({ no: no(), name: z.string(), TOT: z.optional(id()), leader: z.optional(id()) })),
  }),
  updateChannel: operation({
    summary: 'Change name, description or notification of a channel',
    description:
      'The vendor may clear fields that you omit; `merge: true` reads the channel first and sends all of its fields.',
    effect: 'write',
    input: channelChange,
    output: done,
    rawRoute: 'PUT /channels/{channelId}',
    call: async ({ merge, ...fields }, sendRequest) => {
      const known = merge ? await sendRequest('GET /channels/{channelId}', { channelId: fields.channelId }) : {};
      const { description, notification } = known as { description?: string; notification?: string };
      return doneBody(await sendRequest('PUT /channels/{channelId}', { description, notification, ...fields }));
    },
  }),
  deleteChannel: operation({
    summary: 'Delete a channel',
    effect: 'destructive',
    call: 'DELETE /channels/{channelId}',
    input: () => ({ channelId: channelId() }),
    output: done,
  }),
  linkUserToChannel: operation({
    summary: 'Link a user to a channel',
    description:
      'A user who is linked already is 409. With `ensure: true` that is a success, and another role is corrected by unlinking and linking.',
    effect: 'write',
    errors: { 409: 'The user is linked to the channel already' },
    input: () => ({ ...membership(), role: z.optional(role()), ensure: z.optional(z.boolean()) }),
    output: done,
    rawRoute: 'POST /channels/{channelId}/users/{userId}',
    call: async ({ ensure, ...link }, sendRequest) => {
      try {
        return doneBody(await sendRequest('POST /channels/{channelId}/users/{userId}', link));
      } catch (error) {
        if (!ensure || !(error instanceof GatewayError) || error.code !== 'vendor_conflict') throw error;
      }
      const users = recordsIn(
        await sendRequest('GET /channels/{channelId}/users', { channelId: link.channelId }),
        'users',
      );
      const member = users.find((each) => Number(each.id) === link.userId);
      if (link.role === undefined || !member || Number(member.role ?? 10) === link.role)
        return { code: '200', existing: true };
      await sendRequest('DELETE /channels/{channelId}/users/{userId}', {
        channelId: link.channelId,
        userId: link.userId,
      });
      return doneBody(await sendRequest('POST /channels/{channelId}/users/{userId}', link));
    },
  }),
  getUsersOfChannel: operation({
    summary: 'List the members of a channel',
    effect: 'read',
    call: 'GET /channels/{channelId}/users',
    input: () => ({ channelId: channelId() }),
    output: () => userList(),
  }),
  unlinkUserToChannel: operation({
    summary: 'Unlink a user from a channel',
    effect: 'write',
    call: 'DELETE /channels/{channelId}/users/{userId}',
    input: membership,
    output: done,
  }),
  getRecordsOfChannel: operation({
    summary: 'List the recordings of a channel',
    effect: 'read',
    since: '2.2.8',
    call: 'GET /channels/{channelId}/records',
    input: () => ({ channelId: channelId(), ...paging() }),
    output: () => named('RecordList', z.looseObject({ records: z.array(record()) })),
  }),
  sendMessageToChannel: operation({
    summary: 'Send a text message to a channel',
    effect: 'write',
    since: '1.2',
    call: 'POST /channels/{channelId}/sendMessage',
    input: () => ({ channelId: channelId(), messageId: messageId(), message: message() }),
    output: done,
    example: { channelId: 1, message: 'Shift starts in ten minutes' },
  }),
  sendSosToChannel: operation({
    summary: 'Send an SOS to a channel',
    effect: 'write',
    since: '2.0',
    call: 'POST /channels/{channelId}/sendSOS',
    alarm: true,
    repeatWhenLost: { attempts: 3, seconds: 30 },
    input: () => ({ channelId: channelId() }),
    output: done,
  }),
  sendAlertToChannel: operation({
    summary: 'Send an alert to a channel',
    effect: 'write',
    since: '2.0',
    call: 'POST /channels/{channelId}/sendAlert',
    alarm: true,
    input: () => ({
      channelId: channelId(),
      messageId: messageId(),
      messageType: field(z._default(integer(0), 0), { description: '0 general.' }),
      message: message(),
    }),
    output: done,
    example: { channelId: 1, message: 'ALARM S12/Z3 Fire' },
  }),
  sendCustomMessageToChannel: operation({
    summary: 'Send a custom message to a channel',
    description:
      'Text or bytes are put into the frame of the client SDK under `command`; with `raw: true` they are sent unchanged.',
    effect: 'write',
    since: '2.0',
    input: () => ({
      channelId: channelId(),
      messageId: messageId(),
      message: z.optional(text()),
      data: z.optional(base64()),
      command: z.optional(integer(160, 255)),
      raw: z.optional(z.boolean()),
    }),
    output: done,
    rule: ({ message, data }) =>
      message === undefined || data === undefined
        ? undefined
        : { pointer: '/data', message: 'cannot be combined with message' },
    rawRoute: 'POST /channels/{channelId}/sendCustomMessage',
    call: async ({ channelId, messageId = 1, message, data, command = 160, raw }, sendRequest) => {
      const bytes = Buffer.from(message ?? data ?? '', message === undefined ? 'base64' : 'utf8');
      const messageContent = (raw ? bytes : customFrame(command, messageId, bytes)).toString('base64');
      return doneBody(
        await sendRequest('POST /channels/{channelId}/sendCustomMessage', { channelId, messageId, messageContent }),
      );
    },
    example: { channelId: 1, message: 'door=open' },
  }),
};

/** The output schema normalises the vendor's body; here it only passes through. */
const doneBody = (body: unknown) => body as { code: string };
