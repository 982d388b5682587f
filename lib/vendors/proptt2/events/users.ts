import * as z from 'zod/mini';
import type { EventSource, FoundEvent } from '../../../core/event-type.ts';
import { parseTime } from '../../../core/zone-time.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import { user } from '../fields.ts';
import type { Proptt2Session } from '../session.ts';
import { changes, readList } from './lists.ts';

/** Last known date of each user's position by id; an empty text where there is none. */
type Cursor = Record<string, string>;

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

/** New positions, new users and users that are gone: one read of the user list a minute. */
export const userSource: EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  types: {
    'proptt2.user.located': {
      summary: 'A user has a newer position',
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
      summary: 'There is a new user',
      data: person,
      sample: { userId: 8, strId: 'lee@company.ptt', name: 'Lee', type: 50 },
    },
    'proptt2.user.deleted': {
      summary: 'A user is gone',
      data: () => z.looseObject({ userId: z.int() }),
      sample: { userId: 8 },
    },
  },
  poll: {
    every: 60_000,
    async poll(cursor, call) {
      const zone = call.connection.settings.timeZone ?? 'UTC';
      const list = z.array(user()).parse(await readList(call, '/users', 'users'));
      const users = new Map(list.map((each) => [each.id, each]));
      const next: Cursor = Object.fromEntries(list.map((each) => [each.id, each.locationDate ?? '']));
      if (cursor === undefined) return { events: [], cursor: next };
      const before = cursor as Cursor;
      if (users.size === 0 && Object.keys(before).length > 0) return { events: [], cursor: before };

      const now = new Date(call.clock.now()).toISOString();
      const found: FoundEvent[] = [];
      const { created, deleted } = changes(new Set(Object.keys(before).map(Number)), users);
      for (const { id, strId, name, type } of created) {
        found.push({
          type: 'proptt2.user.created',
          id: String(id),
          timestamp: now,
          data: { userId: id, strId, name, type },
        });
      }
      for (const id of deleted)
        found.push({ type: 'proptt2.user.deleted', id: String(id), timestamp: now, data: { userId: id } });
      for (const each of list) {
        const { id, strId, name, latitude, longitude, locationDate } = each;
        const last = before[String(id)];
        // Any other date is news: when clocks go back, a newer one is the smaller text.
        const moved = locationDate !== undefined && locationDate !== '' && locationDate !== last;
        if (!moved || latitude == null || longitude == null) continue;
        const at = parseTime(locationDate, zone, call.clock.now());
        found.push({
          type: 'proptt2.user.located',
          id: `${id}-${locationDate}`,
          timestamp: at === undefined ? now : new Date(at).toISOString(),
          data: { userId: id, strId, name, latitude, longitude, locationDate },
        });
      }
      return { events: found, cursor: next };
    },
  },
};
