import type { EventSource } from '../../../core/event-type.ts';
import type { TimetonicCredentials, TimetonicSession, TimetonicSettings } from '../connection.ts';

/** The event sources of TimeTonic, by name. */
export const events: Readonly<Record<string, EventSource<TimetonicSettings, TimetonicCredentials, TimetonicSession>>> =
  {};
