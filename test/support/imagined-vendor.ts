import * as z from 'zod/mini';
import type { EventSource, FoundEvent, PollResult } from '../../lib/core/event-type.ts';
import type { EventfulVendor, VendorName } from '../../lib/core/vendor.ts';
import { vendors } from '../../lib/vendors/index.ts';

/** A vendor whose event sources return what a test sets, and count their polls. */
export function imaginedVendor() {
  let inFlight = 0;
  const imagined = {
    /** All that has happened; a cursor is how much of it was seen. */
    facts: [] as FoundEvent[],
    /** Replaces the result of a poll. */
    onPoll: async (_cursor: number | undefined): Promise<Partial<PollResult>> => ({}),
    /** The cursors that were given. */
    polls: [] as (number | undefined)[],
    maxInFlight: 0,
    reset: () => {
      [imagined.facts, imagined.polls, imagined.maxInFlight, inFlight] = [[], [], 0, 0];
      imagined.onPoll = async () => ({});
    },
    fact: (connection: string): FoundEvent => ({
      type: 'talk.message.created',
      id: `${connection}-${imagined.facts.length}`,
      timestamp: '2026-01-05T02:11:09Z',
      data: {},
    }),
    happen: (connection: string, count: number) => {
      for (let at = 0; at < count; at++) imagined.facts.push(imagined.fact(connection));
    },
    vendorWith: (name: VendorName, sources: string[]): EventfulVendor => {
      const real = vendors.proptt2;
      if (!real) throw new Error('ProPTT2 is missing');
      const { concurrency } = vendors[name] ?? real;
      return { ...real, name, concurrency, events: Object.fromEntries(sources.map((each) => [each, source(each)])) };
    },
  };

  const source = (name: string): EventSource => ({
    types: { [`test.${name}`]: { summary: '', readBy: 'getAll', data: () => z.looseObject({}), sample: {} } },
    poll: {
      every: 60_000,
      poll: async (given) => {
        // The cursors of these sources are counts.
        const cursor = given as number | undefined;
        imagined.polls.push(cursor);
        imagined.maxInFlight = Math.max(imagined.maxInFlight, ++inFlight);
        try {
          const own = await imagined.onPoll(cursor);
          return { events: imagined.facts.slice(cursor ?? 0), cursor: imagined.facts.length, ...own };
        } finally {
          inFlight--;
        }
      },
    },
  });
  return imagined;
}
