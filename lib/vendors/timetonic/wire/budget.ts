import type { TimetonicLogin } from '../connection.ts';

/** Calls of this month that are not noted yet, and the sum as it was noted last. */
interface Count {
  month: string;
  pending: number;
  sum: number;
  noted: boolean;
}

/** Calls are noted in lots of this many, so that not every call costs a write; a process that ends forgets fewer. */
const lot = 10;
const keptSeconds = 62 * 24 * 60 * 60;

/** Share of the month's calls from which on events are polled less often. */
const sparingShare = 0.8;
/** Share from which on what remains is kept for calls that matter: no polls and no writes of low priority. */
export const reservedShare = 0.95;

/** Counts one call against the month's budget; nothing where the connection names none. */
export async function spend(call: TimetonicLogin): Promise<void> {
  if (call.connection.settings.monthlyCalls === undefined) return;
  const count = countOf(call);
  count.pending++;
  if (count.pending >= lot || !count.noted) await note(call, count);
}

/** How much of the month's budget is used, or undefined where the connection names none. */
export async function budgetOf(call: TimetonicLogin): Promise<{ used: number; limit: number } | undefined> {
  const { monthlyCalls } = call.connection.settings;
  if (monthlyCalls === undefined) return undefined;
  const count = countOf(call);
  await note(call, count);
  return { used: count.sum, limit: monthlyCalls };
}

/**
 * Milliseconds until the next poll: `every` while calls abound; from 80 % on so long that polls use up no more than half of what
 * is left below 95 %; from 95 % on, until the month is over.
 */
export function pauseFor(
  budget: { used: number; limit: number },
  every: number,
  callsPerPoll: number,
  now: number,
): number {
  const { used, limit } = budget;
  if (used < limit * sparingShare) return every;
  const left = monthEnd(now) - now;
  const calls = limit * reservedShare - used;
  return calls <= 0 ? left : Math.min(left, Math.max(every, (left * callsPerPoll * 2) / calls));
}

function countOf(call: TimetonicLogin): Count {
  const month = new Date(call.clock.now()).toISOString().slice(0, 7);
  const known = call.memory.get('calls') as Count | undefined;
  if (known?.month === month) return known;
  const fresh: Count = { month, pending: 0, sum: 0, noted: false };
  call.memory.set('calls', fresh);
  return fresh;
}

async function note(call: TimetonicLogin, count: Count): Promise<void> {
  const { pending } = count;
  count.pending = 0;
  count.noted = true;
  count.sum = await call.notes.add(`calls ${count.month}`, pending, keptSeconds);
}

function monthEnd(now: number): number {
  const at = new Date(now);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}
