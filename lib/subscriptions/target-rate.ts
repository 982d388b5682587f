import { expiry, keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';

/** Milliseconds between two requests to one target: 25 per second, below the 30 that hook receivers allow. */
const spacing = 40;

/** Reserves the next turn at a target across all processes; returns its time in epoch milliseconds. */
export async function reserveTurn(table: Table, url: string, now: number): Promise<number> {
  const key = keys.targetRate(url);
  const expiresAt = expiry(now + 24 * 60 * 60_000);
  for (;;) {
    const queued = await table.update<{ next: number }>(
      key,
      'SET #next = #next + :spacing, #expiresAt = :expiresAt',
      { spacing, now, expiresAt },
      '#next > :now',
    );
    if (queued.done) return queued.item.next - spacing;
    const fresh = await table.update(
      key,
      'SET #next = :next, #expiresAt = :expiresAt',
      { next: now + spacing, now, expiresAt },
      'attribute_not_exists(#next) OR #next <= :now',
    );
    if (fresh.done) return now;
  }
}
