import type { Vendor } from '../../core/vendor.ts';
import { choices } from './choices.ts';
import { credentials, type Proptt2Credentials, type Proptt2Settings, settings, supports } from './connection.ts';
import { errorCodes } from './error-codes.ts';
import { channels } from './operations/channels.ts';
import { organizations } from './operations/organizations.ts';
import { records } from './operations/records.ts';
import { sessionOperations } from './operations/session.ts';
import { users } from './operations/users.ts';
import { type Proptt2Session, session } from './session.ts';
import { send } from './wire/send.ts';

const operations = { ...sessionOperations, ...channels, ...users, ...organizations, ...records };

/** ProPTT2, push-to-talk over cellular, through its OpenAPI 1. */
export const proptt2: Vendor<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  name: 'proptt2',
  title: 'ProPTT2',
  documentation: 'https://dev.proptt2.com/sdk-server-reference.html',
  errorCodes: Object.values(errorCodes),
  operations,
  concurrency: { polls: 4, stepItems: 4 },
  choices,
  connection: {
    settings,
    credentials,
    addresses: ({ cloudUrl }) => [cloudUrl],
    supports: ({ serverVersion }, since) => supports(serverVersion, since),
  },
  session,
  send,
  // Loaded on demand: raw requests are rare, and only the control function runs the check.
  matchRaw: async (request) => (await import('./raw.ts')).matchRaw(request, operations),
  sendRaw: async (request, call) => (await import('./raw.ts')).sendRaw(request, call),
  check: async (call) => (await import('./check.ts')).check(call),
};
