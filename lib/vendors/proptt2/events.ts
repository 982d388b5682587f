import type { EventSource } from '../../core/event-type.ts';
import type { Proptt2Credentials, Proptt2Settings } from './connection.ts';
import type { Proptt2Session } from './session.ts';

/** The event sources of ProPTT2, by name. */
export const events: Readonly<Record<string, EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session>>> = {};
