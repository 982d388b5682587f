import type { Clock } from '../../core/clock.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Table } from '../../store/table.ts';

/** Runs of an automation that may act in a minute where it does not say and raises no alarm. */
export const defaultPerMinute = 60;

/** Runs that may begin for each that may act: many find only at their condition that they are not meant. */
export const beginningsPerRun = 10;

/** Counts one run of an automation in this minute, among those that begin or those that act, and answers how many there are. */
export async function countRun(
  { table, clock }: { table: Table; clock: Clock },
  automation: string,
  what: 'begun' | 'acting',
): Promise<number> {
  const minute = Math.floor(clock.now() / 60_000);
  const counted = await table.update<{ begun?: number; acting?: number }>(
    keys.flood(automation, minute),
    `SET #expiresAt = :expiresAt ADD #${what} :one`,
    { one: 1, expiresAt: expiry((minute + 60) * 60_000) },
  );
  return counted.done ? (counted.item[what] ?? 0) : 0;
}

/** Why a run of too many does nothing. */
export const tooMany = (max: number): string => `More than ${max} runs within a minute (maxPerMinute).`;
