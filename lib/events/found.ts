import type { Clock } from '../core/clock.ts';
import type { EventType, FoundEvent } from '../core/event-type.ts';
import type { Connection, EventfulVendor } from '../core/vendor.ts';
import type { Table } from '../store/table.ts';
import { identifyEvents } from './identify.ts';
import type { NewEvent } from './log.ts';
import { markOwn } from './own-doing.ts';
import { everything } from './reading.ts';

/**
 * What a source has found at a connection, ready for the log: every fact under its id, with the installation's own actions
 * marked.
 */
export async function newEvents(
  services: { table: Table; clock: Clock },
  vendor: Pick<EventfulVendor, 'events' | 'identify'>,
  connection: Pick<Connection, 'vendor' | 'name'>,
  found: readonly FoundEvent[],
): Promise<NewEvent[]> {
  if (found.length === 0) return [];
  const identified = await identifyEvents(services, vendor, connection, found);
  const types = typesOf(vendor);
  const marked = await markOwn(services.table, types, connection, identified);
  return marked.map(({ type, id, timestamp, data, partial, own }) => ({
    type,
    id,
    timestamp,
    data,
    readBy: types[type]?.readBy ?? everything,
    vendor: connection.vendor,
    connection: connection.name,
    ...(partial && { partial }),
    ...(own && { own }),
  }));
}

function typesOf({ events }: Pick<EventfulVendor, 'events'>): Record<string, EventType> {
  return Object.assign({}, ...Object.values(events).map(({ types }) => types));
}
