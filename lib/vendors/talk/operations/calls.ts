import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { operation, participant, token } from '../fields.ts';
import { callParticipants, done } from '../shapes.ts';

const readOnly = {
  400: 'The server asks for consent to a recording',
  403: 'The room is read-only, or calls are not allowed',
};

const notModerator = { 403: 'The account is not a moderator of the room' };

/** Calls. The gateway keeps a connection's place in a call; it does not handle audio or video. */
export const callOperations = {
  getCallParticipants: operation({
    summary: 'List the participants of a call',
    effect: 'read',
    call: 'GET call/{token}',
    errors: readOnly,
    input: () => ({ token: token() }),
    output: callParticipants,
  }),
  joinCall: operation({
    summary: 'Start or join the call of a room',
    effect: 'write',
    call: 'POST call/{token}',
    errors: { ...readOnly, '400 consent': 'The server asks for consent to a recording: give recordingConsent' },
    input: () => ({
      token: token(),
      flags: field(z.optional(integer(1, 15)), {
        description: 'Sum of 1 in call, 2 audio, 4 video, 8 phone. Default 1.',
      }),
      silent: field(z.optional(z.boolean()), { description: 'Sends no notifications. Talk 15 and newer.' }),
      recordingConsent: field(z.optional(z.boolean()), {
        description: 'Consents to a recording, if the server requires consent. Talk 18 and newer.',
      }),
    }),
    output: done,
  }),
  pingCall: operation({
    summary: 'Stay in a call',
    description:
      'Call it about every 20 seconds. After 30 seconds without it, others see the participant as gone; after 100 seconds the session ends.',
    effect: 'write',
    call: 'POST call/{token}/ping',
    errors: {
      400: 'A signaling server (HPB) handles the calls here, which needs a websocket client',
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
      all: field(z.optional(z.boolean()), {
        description: 'A moderator ends the call for everybody; anybody else just leaves it. Talk 13 and newer.',
      }),
    }),
    output: done,
  }),
  ringParticipant: operation({
    summary: 'Notify a participant who is not in the call yet',
    description: 'The connection itself must be in the call.',
    effect: 'write',
    since: '15',
    call: 'POST call/{token}/ring/{attendeeId}',
    errors: { 400: 'The connection is not in the call, or the participant is in it already' },
    input: () => ({ token: token(), participant: participant() }),
    output: done,
  }),
  startRecording: operation({
    summary: 'Start recording a call',
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
    summary: 'Stop recording a call',
    effect: 'write',
    since: '16',
    call: 'DELETE recording/{token}',
    errors: notModerator,
    input: () => ({ token: token() }),
    output: done,
  }),
};
