import { expiry, keys, logPosition } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** How long changes of sessions are kept, in milliseconds, and how many are listed. */
const keptMs = 30 * 24 * 60 * 60_000;
export const listedChanges = 100;

/** A login, a failed keepalive or a lock of a connection's session. */
export interface SessionChange {
  kind: 'live' | 'failed' | 'locked';
  /** The number of the session that a login created. */
  generation?: number;
  reason?: string;
}

type ChangeItem = Key & SessionChange & { at: number; expiresAt: number };

/** Records a change for the operator. It must never fail a login, so errors are ignored. */
export async function noteChange(
  table: Table,
  { vendor, name }: { vendor: string; name: string },
  now: number,
  change: SessionChange,
): Promise<void> {
  const item: ChangeItem = {
    ...keys.sessionChange(vendor, name, now),
    ...change,
    at: now,
    expiresAt: expiry(now + keptMs),
  };
  await table.put<ChangeItem>(item).catch(() => undefined);
}

/** The last changes of a connection's session, newest first. */
export async function listChanges(table: Table, vendor: string, name: string, now: number) {
  const { pk, sk } = keys.sessionChange(vendor, name, now);
  const oldest = sk.replace(logPosition(now), logPosition(now - keptMs));
  const { items } = await table.query<ChangeItem>({ pk, from: oldest, to: sk, forward: false, limit: listedChanges });
  return items.map(({ at, kind, generation, reason }) => ({
    at: new Date(at).toISOString(),
    kind,
    generation,
    reason,
  }));
}
