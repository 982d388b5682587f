import * as z from 'zod/mini';
import { type Route, route } from '../../api/route.ts';
import { mayRead } from '../../api/scopes.ts';
import { field, integer, named } from '../../core/field.ts';
import type { Catalogue } from '../../core/vendor.ts';
import type { Connections } from '../connections.ts';
import type { CallServices } from '../vendor-calls.ts';
import { listUsage, type Usage } from './usage.ts';

const monthPattern = /^\d{4}-(0[1-9]|1[0-2])$/;
const rowPattern = /^\d{4}-\d{2}\/[^/]+\/[^/]+$/;

const usage = () =>
  named(
    'Usage',
    z.looseObject({
      id: field(z.string(), { examples: ['2026-11/timetonic/demo'] }),
      vendor: z.string(),
      connection: z.string(),
      month: field(z.string(), { description: 'In UTC.', examples: ['2026-11'] }),
      calls: field(z.int(), { description: 'Requests to the vendor, refused and repeated ones included.' }),
      days: z.array(z.looseObject({ date: z.string(), calls: z.int() })),
      quota: field(
        z.optional(
          z.looseObject({
            limit: z.int(),
            percent: z.number(),
            reserved: field(z.boolean(), {
              description: 'Whether polls, and the calls of automations that raise no alarm, wait for the next month.',
            }),
            resetsAt: z.string(),
          }),
        ),
        { description: 'Of the current month, if the connection sets `monthlyCalls`.' },
      ),
    }),
  );

/** The requests to vendors, for quotas, costs and graphs. */
export function usageRoutes(services: CallServices & { connections: Connections }, vendors: Catalogue): Route[] {
  return [
    route({
      tag: 'Connections',
      area: 'connections',
      call: 'GET /v1/usage',
      operationId: 'listUsage',
      summary: 'List the calls to vendors by connection and month, with those of each day; newest month first',
      input: () => ({
        since: field(z.optional(z.string().check(z.regex(monthPattern, 'must be a month such as 2026-11'))), {
          description: 'The earliest month. Default the current month. Counts are kept for 13 months.',
        }),
        vendor: z.optional(z.enum(Object.keys(vendors))),
        connection: field(z.optional(z.string()), { description: 'The name of a connection.', examples: ['dispatch'] }),
        after: field(
          z.optional(
            z.string().check(z.regex(rowPattern, 'must be the id of an entry, such as 2026-11/timetonic/demo')),
          ),
          {
            description: 'The last entry of the previous page; the list continues after it.',
          },
        ),
        limit: field(z._default(integer(1, 1000), 200), { description: 'Default 200.' }),
      }),
      output: () => z.array(usage()),
      handle: async ({ input: { since, vendor, connection, after, limit }, principal }) => {
        const rows = await listUsage(services, vendor === undefined ? Object.keys(vendors) : [vendor], since);
        const [month = '', ...rest] = after?.split('/') ?? [];
        return rows
          .filter((row) => connection === undefined || row.connection === connection)
          .filter((row) => mayRead(principal.scopes, row.vendor, row.connection))
          .sort(inOrder)
          .filter(
            (row) =>
              after === undefined || inOrder(row, { month, vendor: rest[0] ?? '', connection: rest[1] ?? '' }) > 0,
          )
          .slice(0, limit)
          .map(({ days, ...row }) => ({
            id: `${row.month}/${row.vendor}/${row.connection}`,
            ...row,
            days: Object.entries(days).map(([date, calls]) => ({ date, calls })),
          }));
      },
    }),
  ];
}

type Place = Pick<Usage, 'month' | 'vendor' | 'connection'>;

/** The newest month first, then by vendor and connection. */
function inOrder(one: Place, other: Place): number {
  if (one.month !== other.month) return one.month < other.month ? 1 : -1;
  return compare(one.vendor, other.vendor) || compare(one.connection, other.connection);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
