import * as z from 'zod/mini';
import type { EventSource } from '../../../core/event-type.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import { id, no } from '../fields.ts';
import type { Proptt2Session } from '../session.ts';
import { changesOf, itemsById, type ListCursor, readList, textIn } from './lists.ts';

/** Only the ids. */
type Cursor = ListCursor<number>;

const listed = () => z.looseObject({ id: id(), no: no(), name: z.string() });

/** New and deleted channels: one read of the channel list every five minutes. */
export const channelSource: EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  types: {
    'proptt2.channel.created': {
      summary: 'A channel was created',
      readBy: 'getChannelList',
      data: () => z.looseObject({ channelId: z.int(), no: z.string(), name: z.string() }),
      sample: { channelId: 12, no: '942', name: 'INC-42' },
    },
    'proptt2.channel.deleted': {
      summary: 'A channel was deleted',
      readBy: 'getChannelList',
      data: () => z.looseObject({ channelId: z.int() }),
      sample: { channelId: 12 },
    },
  },
  poll: {
    every: 5 * 60_000,
    async poll(given, call) {
      const channels = itemsById(await readList(call, '/channels', 'channels'), listed());
      const items = Object.fromEntries([...channels.keys()].map((id) => [id, 1]));
      if (given === undefined) return { events: [], cursor: { items, turns: 0 } satisfies Cursor };
      const before = given as Cursor;
      if (channels.size === 0) return { events: [], cursor: before };
      const timestamp = new Date(call.clock.now()).toISOString();
      const { created, deleted, pending, turns } = await changesOf(call, '/channels', before, channels);
      for (const id of pending) items[id] = 1;
      return {
        events: [
          ...created.map((channel) => ({
            type: 'proptt2.channel.created',
            id: `${channel.id}-${turns}`,
            timestamp,
            data: { channelId: channel.id, no: textIn(channel, 'no'), name: textIn(channel, 'name') },
          })),
          ...deleted.map((channelId) => ({
            type: 'proptt2.channel.deleted',
            id: `${channelId}-${turns}`,
            timestamp,
            data: { channelId },
          })),
        ],
        cursor: { items, turns } satisfies Cursor,
      };
    },
  },
};
