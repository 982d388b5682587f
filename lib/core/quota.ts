/** The requests that a vendor allows a connection in the current month, and those that were made. */
export interface Quota {
  readonly limit: number;
  readonly used: number;
}

/** The share of a quota above which events are polled less often. */
const sparingShare = 0.8;
/** The share above which the remainder is reserved for alarms: polls and calls of other automations wait. */
const reservedShare = 0.95;

/** Whether only the reserved part of a quota is left. */
export function isReserved({ limit, used }: Quota): boolean {
  return used >= limit * reservedShare;
}

/** Whether events are polled less often. */
export function isSparing({ limit, used }: Quota): boolean {
  return used >= limit * sparingShare;
}

export function percentOf({ limit, used }: Quota): number {
  return Math.round((used / limit) * 100);
}

/** Why something waits for the next month, worded the same until then. */
export function reservedReason(connection: string, what: string, now: number): string {
  const until = new Date(monthEnd(now)).toISOString().slice(0, 10);
  return `${reservedShare * 100} % of the monthly calls of ${connection} are used. ${what} on ${until}; raise monthlyCalls if your plan has more.`;
}

/**
 * Milliseconds until the next poll: `every` while the quota is ample; above 80 %, long enough that polls use at most half of what
 * remains below 95 %; above 95 %, until the end of the month.
 */
export function pollPause(quota: Quota, every: number, requestsPerPoll: number, now: number): number {
  if (!isSparing(quota)) return every;
  const left = monthEnd(now) - now;
  const requests = quota.limit * reservedShare - quota.used;
  return requests <= 0 ? left : Math.min(left, Math.max(every, (left * requestsPerPoll * 2) / requests));
}

/** The start of the next month in UTC, in epoch milliseconds. */
export function monthEnd(now: number): number {
  const at = new Date(now);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}
