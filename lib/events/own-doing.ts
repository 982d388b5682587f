import type { EventType, FoundEvent } from '../core/event-type.ts';
import type { Connection } from '../core/vendor.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';

/**
 * Marks what an account of this installation did with `own: true`, whichever connection receives it, so that automations do not
 * respond to themselves. For types that report only what others did, the connection's own actions are dropped.
 */
export async function markOwn(
  table: Table,
  types: Readonly<Record<string, EventType>>,
  { vendor, name }: Pick<Connection, 'vendor' | 'name'>,
  found: readonly FoundEvent[],
): Promise<(FoundEvent & { own?: true })[]> {
  const accounts = new Set(found.flatMap(({ by }) => by ?? []));
  const connections = new Map<string, string[]>();
  for (const account of accounts) connections.set(account, await connectionsOf(table, vendor, account));
  return found.flatMap((event) => {
    const actors = (event.by !== undefined && connections.get(event.by)) || [];
    if (actors.length === 0) return [event];
    if (types[event.type]?.ofOthers && actors.includes(name)) return [];
    return [{ ...event, data: { ...event.data, own: true }, own: true as const }];
  });
}

/** The names of the connections that act as an account. */
async function connectionsOf(table: Table, vendor: string, account: string): Promise<string[]> {
  const prefix = keys.accountPrefix(account);
  const items = await table.queryAll({ pk: keys.accounts(vendor), prefix, consistent: true });
  return items.map(({ sk }) => sk.slice(prefix.length));
}
