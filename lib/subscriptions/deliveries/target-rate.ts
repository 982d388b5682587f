import { futureFrom } from '../../core/clock.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Table } from '../../store/table.ts';

/** Milliseconds between two requests to one target: 25 per second, below the 30 that hook receivers allow. */
const minSpacingMs = 40;
/** How many requests a target may have open at a time, about: a slower one gets fewer requests. */
const openRequests = 32;

/** What is known of a target, across all processes. */
interface TargetRate {
  /** When the next request to it may go out, in epoch milliseconds. */
  next: number;
  /** When the last turn was given out. */
  reservedAt?: number;
  /** Milliseconds between two requests; absent while it answers quickly. */
  spacing?: number;
}

/** The time of a turn at a target, in epoch milliseconds, and the spacing that led to it. */
export interface Turn {
  at: number;
  spacing: number;
}

/** Reserves the next turn at a target across all processes. */
export async function reserveTurn(table: Table, url: string, now: number): Promise<Turn> {
  const key = keys.targetRate(url);
  // A turn that was given out before the clock was set back says nothing about now.
  const values = { shortest: minSpacingMs, now, future: futureFrom(now), expiresAt: expiry(now + 24 * 60 * 60_000) };
  for (;;) {
    const queued = await table.update<TargetRate>(
      key,
      'SET #next = #next + if_not_exists(#spacing, :shortest), #reservedAt = :now, #expiresAt = :expiresAt',
      values,
      '#next > :now AND (attribute_not_exists(#reservedAt) OR #reservedAt < :future)',
    );
    if (queued.done) {
      const { next, spacing = minSpacingMs } = queued.item;
      return { at: next - spacing, spacing };
    }
    const fresh = await table.update<TargetRate>(
      key,
      'SET #next = :now + if_not_exists(#spacing, :shortest), #reservedAt = :now, #expiresAt = :expiresAt',
      values,
      'attribute_not_exists(#next) OR #next <= :now OR #reservedAt >= :future',
    );
    if (fresh.done) return { at: now, spacing: fresh.item.spacing ?? minSpacingMs };
  }
}

/** How long a target with a spacing may take to answer before it counts as slower, in milliseconds. */
export function slowAfterMs(spacing: number): number {
  return 2 * spacing * openRequests;
}

/**
 * Adjusts a target's spacing to the time that it takes to answer, so that one that hangs keeps only a few processes waiting. Returns
 * the spacing that applies. `known` is the spacing that applied so far; nothing is written while it still fits.
 */
export async function noteAnswerTime(
  table: Table,
  url: string,
  ms: number,
  { known, now }: { known: number; now: number },
): Promise<number> {
  const wanted = Math.max(minSpacingMs, Math.ceil(ms / openRequests));
  if (wanted < known * 2 && wanted > known / 2) return known;
  // A delivery after a recovery need not wait for the turns that were assigned before.
  const turns = wanted < known ? ', #next = :now' : '';
  await table.update(keys.targetRate(url), `SET #spacing = :wanted${turns}`, { wanted, now }, 'attribute_exists(#pk)');
  return wanted;
}
