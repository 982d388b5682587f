import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { operation, participant, token } from '../fields.ts';
import { callParticipants, done } from '../shapes.ts';

const readOnly = {
  400: 'The server asks for consent to a recording',
  403: 'The room is read-only, or calls are not allowed',
};

const notModerator = { 403: 'The account is no moderator of the room' };

/** Calls. The gateway keeps a connection's place in a call; it does not handle audio or video. */
export const callOperations = {
  getCallParticipants: operation({
    summary: 'List who takes part in the call of a room',
    effect: 'read',
    call: 'GET call/{token}',
    errors: readOnly,
    input: () => ({ token: token() }),
    output: callParticipants,
  }),
  joinCall: operation({
    summary: 'Start or join the call of a room that was joined',
    effect: 'write',
    call: 'POST call/{token}',
    errors: { ...readOnly, '400 consent': 'The server asks for consent to a recording: give recordingConsent' },
    input: () => ({
      token: token(),
      flags: z.optional(
        field(integer(1, 15), {
          description: 'Sum of 1 in the call, 2 with sound, 4 with pictures, 8 by telephone. Default 1.',
        }),
      ),
      silent: z.optional(field(z.boolean(), { description: 'Nobody is notified. Talk 15 and newer.' })),
      recordingConsent: z.optional(
        field(z.boolean(), { description: 'Agrees to a recording, where the server asks for it. Talk 18 and newer.' }),
      ),
    }),
    output: done,
  }),
  pingCall: operation({
    summary: 'Keep the seat in a call',
    description: 'Every 20 seconds or so: after 30 without it the others see the seat empty, after 100 it is gone.',
    effect: 'write',
    call: 'POST call/{token}/ping',
    errors: {
      400: 'A signaling server (HPB) keeps the calls here, which needs a websocket client',
      409: 'The session was ended elsewhere',
    },
    input: () => ({ token: token() }),
    output: done,
  }),
  leaveCall: operation({
    summary: 'Leave the call but stay in the room',
    effect: 'write',
    call: 'DELETE call/{token}',
    errors: { 403: 'The room is read-only' },
    input: () => ({
      token: token(),
      all: z.optional(
        field(z.boolean(), {
          description: 'A moderator ends the call for everybody; anybody else just leaves it. Talk 13 and newer.',
        }),
      ),
    }),
    output: done,
  }),
  ringParticipant: operation({
    summary: 'Ring somebody who is not in the call yet',
    description: 'The connection must be in the call itself.',
    effect: 'write',
    since: '15',
    call: 'POST call/{token}/ring/{attendeeId}',
    errors: { 400: 'The connection is not in the call, or the participant is in it already' },
    input: () => ({ token: token(), participant: participant() }),
    output: done,
  }),
  startRecording: operation({
    summary: 'Record the call of a room',
    effect: 'write',
    since: '16',
    call: 'POST recording/{token}',
    errors: {
      ...notModerator,
      400: 'The call cannot be recorded',
      '400 call': 'There is no call in the room',
      '400 config': 'The server has no recording backend',
      '400 recording': 'It is recorded already',
    },
    input: () => ({
      token: token(),
      kind: field(
        z.pipe(
          z.enum(['video', 'audio']),
          z.transform((kind: 'video' | 'audio') => (kind === 'video' ? 1 : 2)),
        ),
        { wire: 'status' },
      ),
    }),
    output: done,
    example: { token: 'vebpramj', kind: 'audio' },
  }),
  stopRecording: operation({
    summary: 'Stop the recording of a call',
    effect: 'write',
    since: '16',
    call: 'DELETE recording/{token}',
    errors: notModerator,
    input: () => ({ token: token() }),
    output: done,
  }),
};
