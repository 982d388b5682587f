import * as z from 'zod/mini';
import type { EventSource, FoundEvent } from '../../../core/event-type.ts';
import { parseTime } from '../../../core/zone-time.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import { user } from '../fields.ts';
import type { Proptt2Session } from '../session.ts';
import { changesOf, integerIn, itemsById, type ListCursor, type ListItem, readList, textIn } from './lists.ts';

/** The date of each user's last position; empty where there is none. */
type Cursor = ListCursor<string>;

const located = () =>
  z.looseObject({
    userId: z.int(),
    strId: z.string(),
    name: z.string(),
    latitude: z.number(),
    longitude: z.number(),
    locationDate: z.string(),
  });
const person = () => z.looseObject({ userId: z.int(), strId: z.string(), name: z.string(), type: z.optional(z.int()) });

/** New positions, and new and deleted users: one read of the user list a minute. */
export const userSource: EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  types: {
    'proptt2.user.located': {
      summary: 'A user sent a newer position',
      readBy: 'getUserList',
      data: located,
      sample: {
        userId: 7,
        strId: 'kim@company.ptt',
        name: 'Kim',
        latitude: 37.4898,
        longitude: 127.033,
        locationDate: '2026-01-05 02:11:09',
      },
    },
    'proptt2.user.created': {
      summary: 'A user was created',
      readBy: 'getUserList',
      data: person,
      sample: { userId: 8, strId: 'lee@company.ptt', name: 'Lee', type: 50 },
    },
    'proptt2.user.deleted': {
      summary: 'A user was deleted',
      readBy: 'getUserList',
      data: () => z.looseObject({ userId: z.int() }),
      sample: { userId: 8 },
    },
  },
  poll: {
    every: 60_000,
    async poll(given, call) {
      const zone = call.connection.settings.timeZone ?? 'UTC';
      const users = itemsById(await readList(call, '/users', 'users'), user());
      const items = Object.fromEntries([...users.values()].map((user) => [user.id, textIn(user, 'locationDate')]));
      if (given === undefined) return { events: [], cursor: { items, turns: 0 } satisfies Cursor };
      const before = given as Cursor;
      if (users.size === 0) return { events: [], cursor: before };

      const now = new Date(call.clock.now()).toISOString();
      const { created, deleted, pending, turns } = await changesOf(call, '/users', before, users);
      for (const id of pending) items[id] = before.items[id] ?? '';
      const found: FoundEvent[] = [
        ...created.map((user) => {
          const type = integerIn(user, 'type');
          return {
            type: 'proptt2.user.created',
            id: `${user.id}-${turns}`,
            timestamp: now,
            data: { ...personOf(user), ...(type !== undefined && { type }) },
          };
        }),
        ...deleted.map((userId) => ({
          type: 'proptt2.user.deleted',
          id: `${userId}-${turns}`,
          timestamp: now,
          data: { userId },
        })),
      ];
      for (const user of users.values()) {
        const { id, latitude, longitude } = user;
        const locationDate = textIn(user, 'locationDate');
        // Any other date is new: when clocks are set back, a newer one is the smaller text.
        const moved = locationDate !== '' && locationDate !== before.items[id];
        if (!moved || typeof latitude !== 'number' || typeof longitude !== 'number') continue;
        const at = parseTime(locationDate, zone, call.clock.now());
        found.push({
          type: 'proptt2.user.located',
          id: `${id}-${locationDate}`,
          timestamp: at === undefined ? now : new Date(at).toISOString(),
          data: { ...personOf(user), latitude, longitude, locationDate },
        });
      }
      return { events: found, cursor: { items, turns } satisfies Cursor };
    },
  },
};

function personOf(user: ListItem): { userId: number; strId: string; name: string } {
  return { userId: user.id, strId: textIn(user, 'strId'), name: textIn(user, 'name') };
}
