import type { EventSource, Push } from '../../../core/event-type.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import type { Proptt2Session } from '../session.ts';
import { callback, callbackTypes } from './callback.ts';
import { channelSource } from './channels.ts';
import { recordSource } from './records.ts';
import { userSource } from './users.ts';

/** The event sources of ProPTT2, by name: three polled lists, and the vendor's callback. */
export const events: Readonly<Record<string, EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session>>> = {
  users: userSource,
  channels: channelSource,
  records: recordSource,
  callback: { types: callbackTypes },
};

/** The vendor's callback, received by hooks of the kind `proptt2-callback`. */
export const pushes: Readonly<Record<string, Push<Proptt2Settings, Proptt2Credentials>>> = {
  'proptt2-callback': callback,
};
