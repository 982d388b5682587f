import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { Recent } from '../core/recent.ts';
import type { Connection, VendorName } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** A connection as stored in the table: everything except its credentials. Times are ISO 8601. */
export interface ConnectionItem extends Key {
  vendor: VendorName;
  name: string;
  version: number;
  settings: Connection['settings'];
  /** The set of credentials in the connection's secret that belongs to these settings. */
  credentialsId?: string;
  /** Which credentials are stored, by name. */
  credentials: string[];
  createdAt: string;
  updatedAt: string;
}

/** How long a process may use what it read before, in milliseconds. */
const cacheMs = 10_000;

/** Reads connections, through a ten-second cache. */
export class Connections {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #recent: Recent<Connection>;

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#recent = new Recent(clock, 20_000);
  }

  /** The connection, or a `not_found` that explains how to create one. */
  async find(vendor: VendorName, name: string): Promise<Connection> {
    const found = await this.#recent.get(`${vendor}/${name}`, async () => {
      const until = this.#clock.now() + cacheMs;
      const item = await this.#table.get<ConnectionItem>(keys.connection(vendor, name), true);
      return item && { value: connectionOf(item), until };
    });
    if (found) return found;
    throw new GatewayError(
      'not_found',
      `There is no ${vendor} connection named ${JSON.stringify(name)}. Create it with POST /v1/connections.`,
    );
  }

  async list(vendor: VendorName): Promise<ConnectionItem[]> {
    return this.#table.queryAll<ConnectionItem>({ pk: keys.connections(vendor) });
  }

  forget(vendor: VendorName, name: string): void {
    this.#recent.forget(`${vendor}/${name}`);
  }
}

/** What a vendor's code sees of a connection. */
export function connectionOf(item: ConnectionItem): Connection {
  const { vendor, name, version, settings, credentialsId } = item;
  return { vendor, name, version, settings, ...(credentialsId !== undefined && { credentialsId }) };
}
