import { type Connections, connectionOf } from '../connections/connections.ts';
import { forEachLimited } from '../core/limit.ts';
import type { Connection, EventCatalogue, EventfulVendor, VendorName } from '../core/vendor.ts';
import { due } from '../store/due.ts';
import { keys } from '../store/items.ts';
import type { Leased } from '../store/lease.ts';
import type { Key, Table } from '../store/table.ts';
import { isWanted, type Listening } from './listening.ts';

/** One event source at one connection, as stored in the table. Times are epoch milliseconds. */
export interface PollItem extends Key, Leased {
  vendor: VendorName;
  connection: string;
  source: string;
  /** JSON; absent until the first poll. It is kept while the source is idle, so that events in the meantime are found. */
  cursor?: string;
  /** When it was first planned: anything earlier is history. */
  since?: number;
  polledAt?: number;
  /** Its events have no listener, so it is not polled. */
  resting?: true;
  /** The number of consecutive failed polls, and why the last one failed. */
  failures?: number;
  problem?: string;
  /** What of the source is not read, although polls succeed. */
  unread?: string;
  duePk?: string;
  dueAt?: number;
}

/**
 * Plans the polls of a connection's sources, or removes them from the plan when `pollEvents` is off. `wake`: polls now, because
 * the connection was changed; otherwise existing plans are kept. With `listeners`, plans only wanted sources.
 */
export async function planPolls(
  table: Table,
  vendor: EventfulVendor,
  connection: Connection,
  now: number,
  wake: boolean,
  listeners?: readonly Listening[],
): Promise<void> {
  const sources = Object.entries(vendor.events).flatMap(([name, source]) =>
    source.poll && (!listeners || isWanted(listeners, source, connection)) ? [name] : [],
  );
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

/** The polling status of each connection per source, with a sentence for operators. Times are ISO 8601. */
export async function pollingStatus(
  table: Table,
  vendors: EventCatalogue,
  connections: readonly { vendor: VendorName; name: string }[],
  now: number,
) {
  const wanted = connections.map(({ vendor, name }) =>
    Object.entries(vendors[vendor]?.events ?? {}).flatMap(([source, { poll }]) =>
      poll ? [keys.poll(vendor, name, source)] : [],
    ),
  );
  const items = (await table.getMany<PollItem>(wanted.flat())).values();
  return wanted.map((sources) =>
    sources.flatMap(() => {
      const item = items.next().value;
      return item ? [statusOf(item, now)] : [];
    }),
  );
}

function statusOf(item: PollItem, now: number) {
  const { source, polledAt, dueAt, failures = 0 } = item;
  const state = stateOf(item);
  return {
    source,
    state,
    message: messageOf(item, state, now),
    polledAt: isoTime(polledAt),
    nextPollAt: isoTime(dueAt),
    failures,
  };
}

type PollState = 'waiting' | 'polling' | 'failing' | 'resting' | 'off';

function stateOf({ dueAt, resting, failures = 0, polledAt }: PollItem): PollState {
  if (dueAt === undefined) return resting ? 'resting' : 'off';
  if (failures > 0) return 'failing';
  return polledAt === undefined ? 'waiting' : 'polling';
}

function messageOf(
  { polledAt, dueAt, failures = 0, problem, unread }: PollItem,
  state: PollState,
  now: number,
): string {
  const last = polledAt === undefined ? 'never' : `${seconds(now - polledAt)} ago`;
  const next = dueAt === undefined || dueAt <= now ? 'with the next tick' : `in ${seconds(dueAt - now)}`;
  switch (state) {
    case 'resting':
      return `Not polled, because no automation, subscription or recent reader wants its events. Last poll: ${last}. What happens meanwhile is found once somebody listens.`;
    case 'off':
      return 'Not polled: pollEvents is off, or the next tick plans it.';
    case 'failing':
      return `The last ${failures === 1 ? 'poll' : `${failures} polls`} failed: ${problem ?? 'unknown'} Next poll ${next}.`;
    case 'waiting':
      return `Not polled yet. First poll ${next}.${unread === undefined ? '' : ` ${unread}`}`;
    case 'polling':
      return `Polled ${last}. Next poll ${next}.${unread === undefined ? '' : ` ${unread}`}`;
  }
}

function seconds(ms: number): string {
  const whole = Math.round(ms / 1000);
  return whole < 120 ? `${whole} s` : `${Math.round(whole / 60)} min`;
}

function isoTime(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString();
}

/** Deletes a connection's sources with their cursors: a connection recreated under the same name starts without history. */
export async function forgetPolls(table: Table, vendor: string, connection: string): Promise<void> {
  const items = await table.queryAll<Key>({ pk: keys.polls(vendor, connection) });
  await Promise.all(items.map(({ pk, sk }) => table.delete({ pk, sk })));
}

/** Plans every unplanned source of every connection: those of a new release, and those that a crash left out. */
export async function planAllPolls(
  services: { table: Table; connections: Connections },
  vendors: EventCatalogue,
  now: number,
  signal: AbortSignal,
  listeners?: readonly Listening[],
): Promise<void> {
  for (const vendor of Object.values(vendors)) {
    const items = await services.connections.list(vendor.name);
    await forEachLimited(items, 16, async (item) => {
      if (!signal.aborted) await planPolls(services.table, vendor, connectionOf(item), now, false, listeners);
    });
  }
}
