import * as z from 'zod/mini';
import { field, text } from '../../../core/field.ts';
import { guest, operation, participant, token } from '../fields.ts';
import { done, joined, participants } from '../shapes.ts';

const notModerator = { 403: 'The account is not a moderator of the room' };
/** The server gives no reason; it never lets an account change its own role. */
const ownRole = 'An account cannot change its own role';
const notOwn = { ...notModerator, '403 self': ownRole, '412 self': ownRole };

/** The participants of a room and their roles. */
export const participantOperations = {
  getParticipants: operation({
    summary: 'List the participants of a room',
    effect: 'read',
    call: 'GET room/{token}/participants',
    errors: { 403: 'Guests may not see the participants' },
    input: () => ({ token: token() }),
    output: participants,
  }),
  addParticipant: operation({
    summary: 'Add a participant to a room',
    description:
      'Adding a user who is already in the room succeeds. Talk 3 and 4 turn a one-to-one room into a group; newer versions refuse.',
    effect: 'write',
    call: 'POST room/{token}/participants',
    errors: {
      ...notModerator,
      400: 'Participants cannot be added to a one-to-one room',
      '400 source': 'This kind of participant cannot be added to this room',
      '400 moderator': 'Only moderators can add participants',
      '400 room-type': 'Participants cannot be added to a room of this type',
    },
    input: () => ({
      token: token(),
      newParticipant: field(text(255), { examples: ['bob'] }),
      source: field(z.optional(z.enum(['users', 'groups', 'emails', 'circles', 'federated_users', 'phones'])), {
        description: 'The kind of `newParticipant`; users by default. An email guest makes the room public.',
      }),
    }),
    output: done,
  }),
  removeParticipant: operation({
    summary: 'Remove a participant from a room',
    effect: 'write',
    call: 'DELETE room/{token}/participants',
    errors: { 400: 'The last moderator cannot be removed', 403: 'Not a moderator, or the participant is the owner' },
    input: () => ({ token: token(), participant: participant() }),
    output: done,
  }),
  removeGuest: operation({
    summary: 'Remove a guest from a room',
    effect: 'write',
    call: 'DELETE room/{token}/participants/guests',
    errors: { 400: 'The participant is not a guest', 403: 'Not a moderator, or the participant is not a guest' },
    input: () => ({ token: token(), participant: guest() }),
    output: done,
  }),
  removeSelf: operation({
    summary: 'Leave a room permanently',
    effect: 'write',
    call: 'DELETE room/{token}/participants/self',
    errors: { 400: 'The last moderator cannot leave: promote another participant, or delete the room' },
    input: () => ({ token: token() }),
    output: done,
  }),
  joinRoom: operation({
    summary: 'Join a room to take part in its calls',
    description: 'The session belongs to this connection; joinCall, pingCall, leaveCall and leaveRoom use it.',
    effect: 'write',
    call: 'POST room/{token}/participants/active',
    errors: { 403: 'The password is wrong' },
    input: () => ({ token: token(), password: field(z.optional(text(200)), { writeOnly: true }) }),
    output: joined,
  }),
  leaveRoom: operation({
    summary: 'End the session that joinRoom started',
    effect: 'write',
    call: 'DELETE room/{token}/participants/active',
    input: () => ({ token: token() }),
    output: done,
  }),
  promoteToModerator: operation({
    summary: 'Promote a participant to moderator',
    effect: 'write',
    call: 'POST room/{token}/moderators',
    errors: { ...notOwn, 400: 'Not a plain participant', 412: 'Not a plain participant' },
    input: () => ({ token: token(), participant: participant() }),
    output: done,
  }),
  demoteModerator: operation({
    summary: 'Demote a moderator to a plain participant',
    effect: 'write',
    call: 'DELETE room/{token}/moderators',
    errors: { ...notOwn, 400: 'Not a moderator', 412: 'Not a moderator' },
    input: () => ({ token: token(), participant: participant() }),
    output: done,
  }),
  resendInvitations: operation({
    summary: 'Resend the email invitations of a room',
    effect: 'write',
    since: '12',
    call: 'POST room/{token}/participants/resend-invitations',
    errors: notModerator,
    input: () => ({
      token: token(),
      participant: field(z.optional(participant()), { description: 'If omitted, everyone who was invited by email.' }),
    }),
    output: done,
  }),
};
