import { type Clock, isRecent } from '../../core/clock.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { isReserved, monthEnd, percentOf, type Quota } from '../../core/quota.ts';
import type { Connection, VendorName } from '../../core/vendor.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';
import type { Connections } from '../connections.ts';

/** The requests of one connection in one month, as stored in the table. `day01` to `day31` hold those of each day. */
interface UsageItem extends Key {
  connection: string;
  month: string;
  calls: number;
  expiresAt: number;
  [day: `day${string}`]: number;
}

/** The requests to a vendor over one connection in one month (UTC). */
export interface Usage {
  vendor: VendorName;
  connection: string;
  /** `2026-11` */
  month: string;
  calls: number;
  /** By day, `2026-11-05`; days without requests are absent. */
  days: Record<string, number>;
  /** In the current month, where the connection declares one. */
  quota?: { limit: number; percent: number; reserved: boolean; resetsAt: string };
}

/** What this process has counted for one connection on one day. */
interface Count {
  connection: Pick<Connection, 'vendor' | 'name'>;
  /** `2026-11-05` (UTC) */
  day: string;
  /** When it begins, in epoch milliseconds. */
  dayStart: number;
  /** Requests that are not in the table yet. */
  pending: number;
  /** The month's total as last read from the table; undefined until then. */
  total?: number;
  /** When the table was last written or read, in epoch milliseconds. */
  syncedAt: number;
}

/** A count is written after `minBatch` requests, at most once per `writeEveryMs`, and at the latest after `batchMs`. A process that ends loses what it has not written. */
const minBatch = 10;
const writeEveryMs = 1000;
const batchMs = 5 * 60_000;
/** How long a total that was read may be used: other processes count too. */
const totalMs = 60_000;
/** How many connections a process counts for at once. */
const maxCounts = 20_000;
const dayMs = 24 * 60 * 60_000;
const retentionMs = 400 * dayMs;

/** Counts every request to a vendor, by connection and day, in batches. */
export class UsageCounter {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();
  readonly #writing = new Set<Promise<void>>();

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** The client, with each of its requests counted. Writing a count neither delays nor fails a request. */
  counting(http: HttpClient, connection: Connection, isRoutine = false): HttpClient {
    return {
      request: (options) => {
        this.#add(connection, isRoutine);
        return http.request(options);
      },
      stream: (options) => {
        this.#add(connection, isRoutine);
        return http.stream(options);
      },
    };
  }

  /** The month's quota of a connection; undefined if its settings declare none. */
  async quota(connection: Connection): Promise<Quota | undefined> {
    const { monthlyCalls } = connection.settings;
    if (monthlyCalls === undefined) return undefined;
    const count = this.#countOf(connection);
    if (count.total === undefined || !isRecent(count.syncedAt, totalMs, this.#clock.now())) {
      void this.#write(count);
      // What was counted yesterday may be on its way, too.
      await Promise.all(this.#writing);
      const item = await this.#table.get<UsageItem>(this.#keyOf(count), true);
      count.total = item?.calls ?? 0;
      count.syncedAt = this.#clock.now();
    }
    return { limit: monthlyCalls, used: count.total + count.pending };
  }

  /** Writes what this process has counted. */
  async flush(): Promise<void> {
    for (const count of this.#counts.values()) void this.#write(count);
    await Promise.all(this.#writing);
  }

  #add(connection: Connection, isRoutine: boolean): void {
    const count = this.#countOf(connection);
    // The process of a routine lives on, and one write for each of thousands of keepalives would double their cost.
    if (isRoutine && count.syncedAt === Number.NEGATIVE_INFINITY) count.syncedAt = this.#clock.now();
    count.pending++;
    const waitMs = count.pending >= minBatch ? writeEveryMs : batchMs;
    if (!isRecent(count.syncedAt, waitMs, this.#clock.now())) void this.#write(count);
  }

  #countOf({ vendor, name }: Connection): Count {
    const id = `${vendor}/${name}`;
    const now = this.#clock.now();
    const dayStart = now - (now % dayMs);
    const known = this.#counts.get(id);
    if (known?.dayStart === dayStart) return known;
    if (known) void this.#write(known);
    const fresh: Count = {
      connection: { vendor, name },
      day: new Date(dayStart).toISOString().slice(0, 10),
      dayStart,
      pending: 0,
      syncedAt: Number.NEGATIVE_INFINITY,
    };
    this.#counts.set(id, fresh);
    for (const [oldest, count] of this.#counts) {
      if (this.#counts.size <= maxCounts) break;
      void this.#write(count);
      this.#counts.delete(oldest);
    }
    return fresh;
  }

  #write(count: Count): Promise<void> {
    if (count.pending === 0) return Promise.resolve();
    const writing = this.#store(count).finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
    return writing;
  }

  async #store(count: Count): Promise<void> {
    const { pending, connection, day } = count;
    count.pending = 0;
    count.syncedAt = this.#clock.now();
    try {
      const { item } = await this.#table.update<UsageItem>(
        this.#keyOf(count),
        `SET #connection = :connection, #month = :month, #expiresAt = :expiresAt ADD #calls :pending, #day${day.slice(8)} :pending`,
        {
          connection: connection.name,
          month: day.slice(0, 7),
          expiresAt: expiry(this.#clock.now() + retentionMs),
          pending,
        },
      );
      if (item) count.total = item.calls;
    } catch {
      // The next write adds them.
      count.pending += pending;
    }
  }

  #keyOf({ connection, day }: Count): Key {
    return keys.usage(connection.vendor, day.slice(0, 7), connection.name);
  }
}

/** The usage of all connections since a month; absent: the current month. */
export async function listUsage(
  services: { table: Table; clock: Clock; usage: UsageCounter; connections: Pick<Connections, 'list'> },
  vendors: readonly VendorName[],
  since?: string,
): Promise<Usage[]> {
  const now = services.clock.now();
  const month = new Date(now).toISOString().slice(0, 7);
  await services.usage.flush();
  const listed = vendors.map(async (vendor) => {
    const query = { pk: keys.usages(vendor), from: since ?? month, consistent: true };
    const items = await services.table.queryAll<UsageItem>(query);
    const connections = items.length === 0 ? [] : await services.connections.list(vendor);
    const limits = new Map(connections.map(({ name, settings }) => [name, settings.monthlyCalls]));
    return items.map((item) => {
      const limit = item.month === month ? limits.get(item.connection) : undefined;
      const quota = limit === undefined ? undefined : { limit, used: item.calls };
      return { ...usageOf(vendor, item), ...(quota && { quota: shownQuota(quota, now) }) };
    });
  });
  return (await Promise.all(listed)).flat();
}

function usageOf(vendor: VendorName, { connection, month, calls, ...item }: UsageItem): Usage {
  const days = Object.entries(item)
    .filter(([name]) => /^day\d\d$/.test(name))
    .map(([name, count]) => [`${month}-${name.slice(3)}`, Number(count)] as const)
    .sort(([a], [b]) => a.localeCompare(b));
  return { vendor, connection, month, calls, days: Object.fromEntries(days) };
}

function shownQuota(quota: Quota, now: number): NonNullable<Usage['quota']> {
  return {
    limit: quota.limit,
    percent: percentOf(quota),
    reserved: isReserved(quota),
    resetsAt: new Date(monthEnd(now)).toISOString(),
  };
}
