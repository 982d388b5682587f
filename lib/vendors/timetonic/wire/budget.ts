import type { TimetonicLogin } from '../connection.ts';

/** Calls of this month that are not recorded yet, and the total as last recorded. */
interface Count {
  month: string;
  pending: number;
  sum: number;
  noted: boolean;
}

/** Calls are recorded in batches of this size, so that not every call costs a write; a process that ends loses fewer. */
const lot = 10;
const keptSeconds = 62 * 24 * 60 * 60;

/** The share of the month's calls above which events are polled less often. */
const sparingShare = 0.8;
/** The share above which the remainder is reserved for calls that matter: no polls and no low-priority writes. */
export const reservedShare = 0.95;

/** Counts one call against the month's budget; no-op if the connection sets none. */
export async function spend(call: TimetonicLogin): Promise<void> {
  if (call.connection.settings.monthlyCalls === undefined) return;
  const count = countOf(call);
  count.pending++;
  if (count.pending >= lot || !count.noted) await note(call, count);
}

/** The used share of the month's budget; undefined if the connection sets none. */
export async function budgetOf(call: TimetonicLogin): Promise<{ used: number; limit: number } | undefined> {
  const { monthlyCalls } = call.connection.settings;
  if (monthlyCalls === undefined) return undefined;
  const count = countOf(call);
  await note(call, count);
  return { used: count.sum, limit: monthlyCalls };
}

/**
 * Milliseconds until the next poll: `every` while the budget is ample; above 80 %, long enough that polls use at most half of
 * what remains below 95 %; above 95 %, until the end of the month.
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

/** Why nothing is polled above the reserved share, worded the same until the month is over. */
export function spentProblem(now: number): string {
  const until = new Date(monthEnd(now)).toISOString().slice(0, 10);
  return `${reservedShare * 100} % of the monthly calls are used. Events are polled again on ${until}; raise monthlyCalls if your plan has more.`;
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
