import type { EventSource } from '../../../core/event-type.ts';
import type { TimetonicCredentials, TimetonicSession, TimetonicSettings } from '../connection.ts';
import { bookTypes, socketTypes } from './event-types.ts';

const minute = 60_000;

/**
 * The event sources of TimeTonic, by name: the books, which are polled, and the socket, if a setting enables it. The polling code
 * is loaded on demand: the functions behind HTTP need only the types.
 */
export const events: Readonly<Record<string, EventSource<TimetonicSettings, TimetonicCredentials, TimetonicSession>>> =
  {
    books: {
      types: bookTypes,
      poll: {
        every: minute,
        metered: true,
        poll: async (cursor, call) => (await import('./books.ts')).pollBooks(cursor, call),
      },
    },
    socket: {
      types: socketTypes,
      poll: { every: minute, poll: async (cursor, call) => (await import('./socket.ts')).pollSocket(cursor, call) },
    },
  };
