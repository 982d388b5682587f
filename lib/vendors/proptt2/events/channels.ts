import * as z from 'zod/mini';
import type { EventSource } from '../../../core/event-type.ts';
import type { Proptt2Credentials, Proptt2Settings } from '../connection.ts';
import { id, no } from '../fields.ts';
import type { Proptt2Session } from '../session.ts';
import { changes, readList } from './lists.ts';

const listed = () => z.looseObject({ id: id(), no: no(), name: z.string() });

/** New channels and channels that are gone: one read of the channel list every five minutes. */
export const channelSource: EventSource<Proptt2Settings, Proptt2Credentials, Proptt2Session> = {
  types: {
    'proptt2.channel.created': {
      summary: 'There is a new channel',
      data: () => z.looseObject({ channelId: z.int(), no: z.string(), name: z.string() }),
      sample: { channelId: 12, no: '942', name: 'INC-42' },
    },
    'proptt2.channel.deleted': {
      summary: 'A channel is gone',
      data: () => z.looseObject({ channelId: z.int() }),
      sample: { channelId: 12 },
    },
  },
  poll: {
    every: 5 * 60_000,
    async poll(cursor, call) {
      const list = z.array(listed()).parse(await readList(call, '/channels', 'channels'));
      const channels = new Map(list.map((each) => [each.id, each]));
      const ids = [...channels.keys()];
      if (cursor === undefined) return { events: [], cursor: ids };
      const before = new Set(cursor as number[]);
      if (channels.size === 0 && before.size > 0) return { events: [], cursor };
      const timestamp = new Date(call.clock.now()).toISOString();
      const { created, deleted } = changes(before, channels);
      return {
        events: [
          ...created.map((each) => ({
            type: 'proptt2.channel.created',
            id: String(each.id),
            timestamp,
            data: { channelId: each.id, no: each.no, name: each.name },
          })),
          ...deleted.map((channelId) => ({
            type: 'proptt2.channel.deleted',
            id: String(channelId),
            timestamp,
            data: { channelId },
          })),
        ],
        cursor: ids,
      };
    },
  },
};
