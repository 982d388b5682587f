import type { Vendor } from '../../core/vendor.ts';
import { check } from './check.ts';
import { credentials, type Proptt2Credentials, type Proptt2Settings, settings, supports } from './connection.ts';
import { events, pushes } from './events/index.ts';
import { channels } from './operations/channels.ts';
import { organizations } from './operations/organizations.ts';
import { records } from './operations/records.ts';
import { sessionOperations } from './operations/session.ts';
import { users } from './operations/users.ts';
import { matchRaw, sendRaw } from './raw.ts';
import { send } from './send.ts';
import { type Proptt2Session, session } from './session.ts';

const operations = { ...sessionOperations, ...channels, ...users, ...organizations, ...records };

/** ProPTT2, push-to-talk over cellular, through its OpenAPI 1. */
export const proptt2: Vendor<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  name: 'proptt2',
  title: 'ProPTT2',
  documentation: 'https://dev.proptt2.com/sdk-server-reference.html',
  operations,
  connection: {
    settings,
    credentials,
    addresses: ({ cloudUrl }) => [cloudUrl],
    supports: ({ serverVersion }, since) => supports(serverVersion, since),
  },
  session,
  send,
  matchRaw: (request) => matchRaw(request, operations),
  sendRaw,
  check,
  events,
  pushes,
};
