import { expiry, keys } from '../store/items.ts';
import type { Table } from '../store/table.ts';

/** Milliseconds between two requests to one target: 25 a second, below the 30 that hook receivers allow. */
const spacing = 40;

/** Consecutive turns at a target: when the first is (epoch milliseconds), and how far they lie apart. */
export interface Turns {
  first: number;
  spacing: number;
}

/** Reserves so many consecutive turns at a target, across all processes. */
export async function reserveTurns(table: Table, url: string, count: number, now: number): Promise<Turns> {
  const key = keys.targetRate(url);
  const span = count * spacing;
  const expiresAt = expiry(now + 24 * 60 * 60_000);
  for (;;) {
    const queued = await table.update<{ next: number }>(
      key,
      'SET #next = #next + :span, #expiresAt = :expiresAt',
      { span, now, expiresAt },
      '#next > :now',
    );
    if (queued.done) return { first: queued.item.next - span, spacing };
    const fresh = await table.update(
      key,
      'SET #next = :next, #expiresAt = :expiresAt',
      { next: now + span, now, expiresAt },
      'attribute_not_exists(#next) OR #next <= :now',
    );
    if (fresh.done) return { first: now, spacing };
  }
}
