import { operation, token } from '../fields.ts';
import { callParticipants, done } from '../shapes.ts';

const readOnly = {
  400: 'The server asks for consent to a recording',
  403: 'The room is read-only, or calls are not allowed',
};

/** Calls. The gateway keeps the seat of a connection in a call; sound and pictures are not its business. */
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
    errors: readOnly,
    input: () => ({ token: token() }),
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
    input: () => ({ token: token() }),
    output: done,
  }),
};
