import { type Connections, connectionOf } from '../connections/connections.ts';
import { forEachLimited } from '../core/limit.ts';
import type { Connection, EventCatalogue, EventfulVendor, VendorName } from '../core/vendor.ts';
import { due } from '../store/due.ts';
import { keys } from '../store/items.ts';
import type { Leased } from '../store/lease.ts';
import type { Key, Table } from '../store/table.ts';

/** One source of events at one connection, as it lies in the table. Times are epoch milliseconds. */
export interface PollItem extends Key, Leased {
  vendor: VendorName;
  connection: string;
  source: string;
  /** JSON; absent until the first look. It stays while polling is switched off, so that nothing of the meantime is missed. */
  cursor?: string;
  /** When it was first planned: what happened before is history. */
  since?: number;
  lookedAt?: number;
  /** Looks in a row that failed, and why the last one did. */
  failures?: number;
  problem?: string;
  duePk?: string;
  dueAt?: number;
}

/**
 * Puts the sources of a connection under the clock, or takes them from it when `pollEvents` is off. `wake`: look now, since
 * the connection was changed; otherwise what is planned stays as planned.
 */
export async function planPolls(
  table: Table,
  vendor: EventfulVendor,
  connection: Connection,
  now: number,
  wake: boolean,
): Promise<void> {
  const sources = Object.entries(vendor.events).flatMap(([name, { poll }]) => (poll ? [name] : []));
  await Promise.all(
    sources.map(async (source) => {
      const key = keys.poll(vendor.name, connection.name, source);
      if (connection.settings.pollEvents === false) {
        await table.update(key, 'REMOVE #duePk, #dueAt', {}, 'attribute_exists(#duePk)');
        return;
      }
      await table.update<PollItem>(
        key,
        'SET #vendor = :vendor, #connection = :connection, #source = :source, #since = if_not_exists(#since, :since), #duePk = :duePk, #dueAt = :dueAt',
        {
          vendor: vendor.name,
          connection: connection.name,
          source,
          since: now,
          ...due('poll', `${vendor.name}/${connection.name}`, now),
        },
        wake ? undefined : 'attribute_not_exists(#duePk)',
      );
    }),
  );
}

/** How the looks at a connection's events go, source by source, in the words that operators read. Times are ISO 8601. */
export async function pollingStatus(table: Table, vendor: string, connection: string) {
  const items = await table.queryAll<Partial<PollItem>>({ pk: keys.polls(vendor, connection) });
  const at = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
  return items.flatMap(({ source, lookedAt, dueAt, failures = 0, problem }) =>
    source === undefined
      ? []
      : [{ source, lookedAt: at(lookedAt), nextLookAt: at(dueAt), failures, ...(failures > 0 && { problem }) }],
  );
}

/** Forgets a connection's sources with their cursors: one made anew under the name starts without history. */
export async function forgetPolls(table: Table, vendor: string, connection: string): Promise<void> {
  const items = await table.queryAll<Key>({ pk: keys.polls(vendor, connection) });
  await Promise.all(items.map(({ pk, sk }) => table.delete({ pk, sk })));
}

/** Plans every source of every connection that is not planned: those of a new release, and what a crash left out. */
export async function planAllPolls(
  services: { table: Table; connections: Connections },
  vendors: EventCatalogue,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  for (const vendor of Object.values(vendors)) {
    const items = await services.connections.list(vendor.name);
    await forEachLimited(items, 16, async (item) => {
      if (!signal.aborted) await planPolls(services.table, vendor, connectionOf(item), now, false);
    });
  }
}
