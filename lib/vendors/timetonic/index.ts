import type { Vendor } from '../../core/vendor.ts';
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
import { events } from './events/index.ts';
import { exchangeLogin } from './keys.ts';
import { bookOperations } from './operations/books.ts';
import { fileOperations } from './operations/files.ts';
import { keyOperations } from './operations/keys.ts';
import { messageOperations } from './operations/messages.ts';
import { socketOperations } from './operations/socket.ts';
import { tableOperations } from './operations/tables.ts';
import { matchRaw, sendRaw } from './raw.ts';
import { send } from './send.ts';
import { session } from './session.ts';

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
  connection: { settings, credentials, validate, addresses, exchange: exchangeLogin },
  session,
  send,
  matchRaw: (request) => matchRaw(request, operations),
  sendRaw,
  // Loaded on use, as it is asked for rarely and by the control function alone.
  check: async (call) => (await import('./check.ts')).check(call),
  events,
};
