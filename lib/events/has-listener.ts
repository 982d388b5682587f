import type { Clock } from '../core/clock.ts';
import { Recent } from '../core/recent.ts';
import { keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';
import { type TriggerKind, triggersOf } from '../store/triggers.ts';

/** How long a process caches what it has read, in milliseconds. */
const trustMs = 30_000;
const kinds: readonly TriggerKind[] = ['automation', 'subscription'];
const read = new WeakMap<Table, Recent<boolean>>();

/** Whether an automation, a subscription or a waiting run listens to one of these types, at any connection. */
export async function hasListener(
  { table, clock }: { table: Table; clock: Clock },
  types: readonly string[],
): Promise<boolean> {
  const recent = read.get(table) ?? new Recent<boolean>(clock, 1_000);
  read.set(table, recent);
  const partitions = new Set([
    ...types.map((type) => keys.waiters(type)),
    ...types
      .flatMap((type) => triggersOf({ type }))
      .flatMap((trigger) => kinds.map((kind) => keys.triggers(kind, trigger))),
  ]);
  const found = await Promise.all(
    [...partitions].map((pk) =>
      recent.get(pk, async () => {
        const until = clock.now() + trustMs;
        const { items } = await table.query({ pk, limit: 1, consistent: true });
        return { value: items.length > 0, until };
      }),
    ),
  );
  return found.includes(true);
}
