import type { Vendor } from '../../core/vendor.ts';
import { choices } from './choices.ts';
import {
  addresses,
  credentials,
  settings,
  type TimetonicCredentials,
  type TimetonicSession,
  type TimetonicSettings,
  title,
  validate,
} from './connection.ts';
import { exchangeLogin } from './keys/keys.ts';
import { bookOperations } from './operations/books.ts';
import { fileOperations } from './operations/files.ts';
import { keyOperations } from './operations/keys.ts';
import { messageOperations } from './operations/messages.ts';
import { socketOperations } from './operations/socket.ts';
import { tableOperations } from './operations/tables.ts';
import { session } from './session.ts';
import { send } from './wire/send.ts';

const operations = {
  ...keyOperations,
  ...bookOperations,
  ...messageOperations,
  ...fileOperations,
  ...tableOperations,
  ...socketOperations,
};

/** TimeTonic, books of tables, messages and files. */
export const timetonic: Vendor<TimetonicSettings, TimetonicCredentials, TimetonicSession> = {
  name: 'timetonic',
  title,
  documentation: 'https://timetonic.com/live/apidoc/',
  operations,
  concurrency: { polls: 2, stepItems: 2 },
  renewsCredentials: true,
  choices,
  connection: { settings, credentials, alternatives: true, validate, addresses, exchange: exchangeLogin },
  session,
  send,
  // Loaded on demand: raw requests are rare, and only the control function runs the check.
  matchRaw: async (request) => (await import('./raw.ts')).matchRaw(request, operations),
  sendRaw: async (request, call) => (await import('./raw.ts')).sendRaw(request, call),
  check: async (call) => (await import('./check.ts')).check(call),
};
