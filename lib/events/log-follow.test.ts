import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type processOf, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import { keys } from '../store/items.ts';
import type { Query, Table } from '../store/table.ts';
import { listEvents } from './list.ts';
import { appendEvents, type EventItem, type NewEvent } from './log.ts';
import { type LogEntry, settleEvents } from './settle.ts';

let services: ReturnType<typeof processOf>;
let counter = 0;

withTestServices(new TestClock(), (made) => {
  services = made;
});

const found = (connection: string): NewEvent => ({
  vendor: 'talk',
  connection,
  type: 'talk.message.created',
  readBy: 'getChatMessages',
  id: `m${++counter}`,
  timestamp: '2026-01-05T02:11:09Z',
  data: {},
});
const stored = async (ids: string[]) =>
  (await services.table.getMany<EventItem>(ids.map(keys.event))).filter((item) => item !== undefined);

/** A table as a reader may find it on AWS: items of one transaction appear one after the other, and transactions conflict. */
function unruly(table: Table, random: () => number): Table {
  const hidden = new Map<string, number>();
  return new Proxy(table, {
    get(target, name) {
      if (name === 'query') {
        return async (query: Query) => {
          const page = await target.query<LogEntry>(query);
          const items = page.items.filter((item) => {
            const left = hidden.get(item.sk) ?? Math.floor(random() * 3);
            hidden.set(item.sk, left - 1);
            return left <= 0;
          });
          return { ...page, items };
        };
      }
      if (name === 'transact') {
        return async (...given: Parameters<Table['transact']>) => {
          if (random() < 0.2) {
            throw new TransactionCanceledException({
              message: 'injected',
              $metadata: {},
              CancellationReasons: [{ Code: 'TransactionConflict' }],
            });
          }
          return target.transact(...given);
        };
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a reader that follows with `after` misses nothing and sees nothing twice, whatever happens concurrently', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 2, max: 24 }), async (seed, count) => {
      let state = seed;
      const random = () => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return state / 0x7fffffff;
      };
      const shaken = { ...services, table: unruly(services.table, random) };
      const start = (await appendEvents(services, [found('start')])).ids;
      await settleEvents(services, await stored(start));
      const connection = `run${seed}`;
      const written: string[] = [];
      const pause = async () => {
        for (let turns = random() * 8; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      };

      const writer = async () => {
        for (let at = 0; at < count / 2; at++) {
          await pause();
          const { ids } = await appendEvents(services, [found(connection)]);
          written.push(...ids);
        }
      };
      let writing = true;
      const settler = async () => {
        while (writing || (await stored(written)).some(({ position }) => position === undefined)) {
          await pause();
          const batch = written.filter(() => random() < 0.5);
          // As on AWS, a failed batch is delivered again.
          await settleEvents(shaken, await stored(batch)).catch(() => undefined);
        }
      };
      const seen: string[] = [];
      const follow = async () => {
        const page = await listEvents(shaken, {
          scopes: ['*/*/*'],
          limit: 1 + Math.floor(random() * 9),
          after: seen.at(-1) ?? start[0],
        });
        seen.push(...page.map(({ id }) => id));
        return page.length;
      };
      const settlers = [settler(), settler()];
      const follower = (async () => {
        while (writing) {
          await pause();
          await follow();
        }
      })();
      await Promise.all([writer(), writer()]);
      writing = false;
      await Promise.all([...settlers, follower]);
      for (let quiet = 0; quiet < 5; ) quiet = (await follow()) === 0 ? quiet + 1 : 0;

      expect(new Set(seen).size).toBe(seen.length);
      expect([...seen].sort()).toEqual([...written].sort());
    }),
    { numRuns: 10, endOnFailure: true },
  );
});
