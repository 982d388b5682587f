import type { Clock } from '../../core/clock.ts';
import type { LogServices } from '../../events/log.ts';
import { appendOwnEvent } from '../../events/own-events.ts';
import { due, newestListed } from '../../store/due.ts';
import { expiry, keys } from '../../store/items.ts';
import type { Key, Table } from '../../store/table.ts';

/** The maximum number of runs of an automation that may act per minute, unless it sets its own limit or raises an alarm. */
export const defaultPerMinute = 60;

/** How many runs may start for each that may act: many find out only from their condition that they do not apply. */
export const startsPerRun = 10;

/** Counts one run of an automation in this minute, among those that start or those that act, and returns the count. */
export async function countRun(
  { table, clock }: { table: Table; clock: Clock },
  automation: string,
  what: 'started' | 'acting',
): Promise<number> {
  const minute = Math.floor(clock.now() / 60_000);
  const counted = await table.update<{ started?: number; acting?: number }>(
    keys.flood(automation, minute),
    `SET #expiresAt = :expiresAt ADD #${what} :one`,
    { one: 1, expiresAt: expiry((minute + 60) * 60_000) },
  );
  return counted.done ? (counted.item[what] ?? 0) : 0;
}

/** A minute in which runs were suppressed; due when it is over. */
interface SuppressedMinute extends Key {
  automationId: string;
  automation: string;
  suppressed: number;
  minuteAt: number;
  duePk: string;
  dueAt: number;
}

/** Counts a run that a cap suppressed; `reportSuppressed` reports the count when the minute is over. */
export async function countSuppressed(
  { table, clock }: { table: Table; clock: Clock },
  { owner, name }: { owner: string; name: string },
): Promise<void> {
  const minute = Math.floor(clock.now() / 60_000);
  const minuteAt = minute * 60_000;
  await table.update(
    keys.flood(owner, minute),
    `SET #expiresAt = :expiresAt, #automationId = :owner, #automation = :name, #minuteAt = :minuteAt,
      #duePk = :duePk, #dueAt = :dueAt ADD #suppressed :one`,
    {
      one: 1,
      owner,
      name,
      minuteAt,
      expiresAt: expiry(minuteAt + 7 * 24 * 60 * 60_000),
      ...due('run-flood', owner, minuteAt + 60_000),
    },
  );
}

/** Emits one event for each automation and minute in which runs were suppressed; returns how many. */
export async function reportSuppressed(services: LogServices): Promise<number> {
  let reported = 0;
  const over = newestListed<SuppressedMinute>(services.table, 'run-flood', 0, services.clock.now(), 100);
  for await (const { pk, sk, automationId, automation, suppressed, minuteAt } of over) {
    const minute = new Date(minuteAt).toISOString();
    await appendOwnEvent(services, {
      type: 'trunkline.runs.suppressed',
      id: `${automationId}/${minute}`,
      data: { automationId, automation, minute, count: suppressed },
    });
    await services.table.update({ pk, sk }, 'REMOVE #duePk, #dueAt');
    reported++;
  }
  return reported;
}

/** The reason recorded for a run that exceeds the cap. */
export const tooMany = (max: number): string => `More than ${max} runs within a minute (maxPerMinute).`;
