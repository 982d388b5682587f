import { expiry, keys } from '../store/items.ts';
import type { Key, Table } from '../store/table.ts';

/** How many refused posts of a hook are kept, for 30 days. */
export const keptRefusals = 20;
const keptMs = 30 * 24 * 60 * 60_000;

/** A refused post as its hook's owner sees it. */
export interface Refusal {
  /** ISO 8601. */
  at: string;
  status: number;
  /** The reason, worded for the hook's owner. */
  reason: string;
  /** The body as text, redacted and cut. */
  body?: string;
}

type RefusalItem = Key & Refusal & { number: number; expiresAt: number };

/** Keeps a refused post in place of the oldest one. `number` counts the refusals of the hook. */
export async function keepRefusal(table: Table, id: string, number: number, refusal: Refusal): Promise<void> {
  await table.put<RefusalItem>({
    ...keys.hookRefusal(id, number % keptRefusals),
    ...refusal,
    number,
    expiresAt: expiry(Date.parse(refusal.at) + keptMs),
  });
}

/** The last refused posts of a hook, newest first. */
export async function listRefusals(table: Table, id: string, now: number): Promise<Refusal[]> {
  const items = await table.queryAll<RefusalItem>({ pk: keys.hookRefusals(id) });
  return items
    .filter(({ expiresAt }) => expiresAt > expiry(now))
    .sort((one, other) => other.number - one.number)
    .map(({ at, status, reason, body }) => ({ at, status, reason, ...(body !== undefined && { body }) }));
}
