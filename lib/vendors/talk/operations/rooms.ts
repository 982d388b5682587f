import * as z from 'zod/mini';
import { field, integer, text } from '../../../core/field.ts';
import { flag, operation, state, time, token, words } from '../fields.ts';
import { done, newRoom, room, rooms } from '../shapes.ts';

const notModerator = { 403: 'The account is not a moderator of the room' };
const roomName = () =>
  field(words(255), { description: '1 to 255 characters, 200 before Talk 12.', examples: ['INC-42'] });

/** The settings that Talk applies while it creates a room. */
const atOnce = { description: 'Talk 21.1 and newer.' };
const invitations = () =>
  z.partialRecord(
    z.enum(['users', 'groups', 'emails', 'federated_users', 'phones', 'teams']),
    z.array(text(255)).check(z.maxLength(500)),
  );

/** Rooms (conversations) and their settings. */
export const roomOperations = {
  createRoom: operation({
    summary: 'Create a room',
    description:
      'Type 1 is a one-to-one room with the user in `invite` (200 if it exists), 2 a group, 3 a public room.',
    effect: 'write',
    creates: true,
    call: 'POST room',
    errors: {
      400: 'A value is not valid',
      '400 password': 'This server requires a password for public rooms, by its policy',
      403: 'The account may not create this room',
      '403 permissions': 'The account may not create rooms',
    },
    rule: ({ roomType, roomName, invite }) => {
      if (roomType === 1)
        return invite === undefined ? { pointer: '/invite', message: 'is required for roomType 1' } : undefined;
      const isNamed = roomName !== undefined || (roomType === 2 && invite !== undefined);
      return isNamed ? undefined : { pointer: '/roomName', message: `is required for roomType ${roomType}` };
    },
    input: () => ({
      roomType: z.union([z.literal(1), z.literal(2), z.literal(3)]),
      roomName: z.optional(roomName()),
      invite: field(z.optional(text(255)), { description: 'User id (type 1) or group id (type 2).' }),
      password: field(z.optional(text(200)), {
        description: 'Password of a public room. Talk 21 and newer.',
        writeOnly: true,
      }),
      description: field(z.optional(text(2000)), atOnce),
      participants: field(z.optional(invitations()), {
        description: `The participants from the start. ${atOnce.description}`,
      }),
      objectType: field(z.optional(text(64)), atOnce),
      objectId: field(z.optional(text(64)), atOnce),
      permissions: field(z.optional(integer(0, 255)), {
        description: `Sum of what participants may do by default. ${atOnce.description}`,
      }),
      readOnly: field(z.optional(flag()), atOnce),
      lobby: field(z.optional(flag()), { ...atOnce, wire: 'lobbyState' }),
      listable: field(z.optional(integer(0, 2)), {
        description: `Who can find the room: 0 nobody, 1 users, 2 users and guests. ${atOnce.description}`,
      }),
    }),
    output: newRoom,
    example: { roomType: 2, roomName: 'INC-42' },
  }),
  getRooms: operation({
    summary: 'List the rooms of the account',
    effect: 'read',
    call: 'GET room',
    input: () => ({}),
    output: rooms,
  }),
  getRoom: operation({
    summary: 'Get a room',
    effect: 'read',
    call: 'GET room/{token}',
    input: () => ({ token: token() }),
    output: room,
  }),
  renameRoom: operation({
    summary: 'Rename a room',
    effect: 'write',
    call: 'PUT room/{token}',
    errors: { ...notModerator, 400: 'A one-to-one room has no name', 405: 'A one-to-one room has no name' },
    input: () => ({ token: token(), roomName: roomName() }),
    output: done,
  }),
  setRoomPassword: operation({
    summary: 'Set or clear the password of a public room',
    effect: 'write',
    call: 'PUT room/{token}/password',
    errors: {
      400: 'The password does not meet the policy',
      '400 password': 'The password does not meet the policy',
      '400 type': 'The room is not public',
      '400 breakout-room': 'A breakout room has no password',
      403: 'Not a moderator, or the room is not public',
    },
    input: () => ({
      token: token(),
      password: field(z.string().check(z.maxLength(200)), { description: 'An empty text clears it.', writeOnly: true }),
    }),
    output: done,
  }),
  deleteRoom: operation({
    summary: 'Delete a room with all its messages',
    effect: 'destructive',
    call: 'DELETE room/{token}',
    errors: { ...notModerator, 400: 'A one-to-one room cannot be deleted, only left: use removeSelf' },
    input: () => ({ token: token() }),
    output: done,
  }),
  allowGuests: operation({
    summary: 'Make a room public',
    effect: 'write',
    call: 'POST room/{token}/public',
    errors: {
      ...notModerator,
      '400 password': 'This server requires a password for public rooms, by its policy',
      '400 type': 'A one-to-one room cannot be public',
    },
    input: () => ({
      token: token(),
      password: field(z.optional(text(200)), {
        description: 'For servers that require a password for public rooms. Talk 21 and newer.',
        writeOnly: true,
      }),
    }),
    output: done,
  }),
  disallowGuests: operation({
    summary: 'Make a public room private',
    effect: 'write',
    call: 'DELETE room/{token}/public',
    errors: notModerator,
    input: () => ({ token: token() }),
    output: done,
  }),
  setRoomDescription: operation({
    summary: 'Set the description of a room',
    effect: 'write',
    since: '11',
    call: 'PUT room/{token}/description',
    errors: { ...notModerator, 400: 'The room is one-to-one' },
    input: () => ({
      token: token(),
      description: field(z.string().check(z.maxLength(20_000)), {
        description: 'At most 500 characters before Talk 21; since then the limit of the server, 2,000 by default.',
      }),
    }),
    output: done,
  }),
  setReadOnly: operation({
    summary: 'Make a room read-only, or writable again',
    effect: 'write',
    since: '6',
    call: 'PUT room/{token}/read-only',
    errors: { ...notModerator, 400: 'A one-to-one room cannot be locked' },
    input: () => ({ token: token(), readOnly: state() }),
    output: done,
  }),
  setLobby: operation({
    summary: 'Enable or disable the lobby',
    effect: 'write',
    since: '7',
    call: 'PUT room/{token}/webinar/lobby',
    errors: { ...notModerator, 400: 'The room can have no lobby, or the time is not valid' },
    input: () => ({ token: token(), lobby: state(), until: z.optional(time('timer')) }),
    output: done,
    example: { token: 'vebpramj', lobby: true, until: '2026-01-05T08:00:00Z' },
  }),
  setMessageExpiration: operation({
    summary: 'Set when messages of a room expire',
    effect: 'write',
    since: '15',
    call: 'POST room/{token}/message-expiration',
    errors: { ...notModerator, 400: 'The room can have no expiration' },
    input: () => ({
      token: token(),
      seconds: field(integer(0, 315_360_000), { description: '0 keeps messages forever.' }),
    }),
    output: done,
  }),
  setNotificationLevel: operation({
    summary: 'Set the notification level of a room',
    effect: 'write',
    since: '5',
    call: 'POST room/{token}/notify',
    errors: { 400: 'The level is not valid' },
    input: () => ({
      token: token(),
      level: field(integer(0, 3), { description: '0 server default, 1 always, 2 when mentioned, 3 never.' }),
    }),
    output: done,
  }),
};
