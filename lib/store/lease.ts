import { futureFrom } from '../core/clock.ts';
import type { Item, Key, Table } from './table.ts';

/** An exclusive right to act, for a limited time. Every holder has a higher fence than the one before, so that a stalled holder can be detected. */
export interface Lease<T> {
  readonly fence: number;
  readonly owner: string;
  /** Epoch milliseconds. */
  readonly until: number;
  /** The item at the time when the lease was taken. */
  readonly item: T;
}

export interface Leased {
  leaseOwner?: string;
  leaseUntil?: number;
  leaseFence?: number;
}

/** Whether `takeLease` may succeed. A lease that ends later than any taken now comes from a clock that has been set back since. */
export function isFree({ leaseUntil = 0 }: Leased, now: number, duration: number): boolean {
  return leaseUntil < now || leaseUntil > futureFrom(now + duration);
}

/** Takes the lease on an item, made if absent, or answers undefined while another holds it. */
export async function takeLease<T extends Leased & object = Item & Leased>(
  table: Table,
  key: Key,
  owner: string,
  now: number,
  duration: number,
): Promise<Lease<T> | undefined> {
  const until = now + duration;
  const taken = await table.update<T>(
    key,
    'SET #leaseOwner = :owner, #leaseUntil = :until ADD #leaseFence :one',
    { owner, until, now, one: 1, tooLate: futureFrom(until) },
    'attribute_not_exists(#leaseUntil) OR #leaseUntil < :now OR #leaseUntil > :tooLate',
  );
  if (!taken.done) return undefined;
  return { fence: taken.item.leaseFence ?? 0, owner, until, item: taken.item };
}

/** Gives a lease back; nothing happens when another has taken it meanwhile. */
export async function releaseLease(table: Table, key: Key, lease: { fence: number }): Promise<void> {
  await table.update(key, 'REMOVE #leaseOwner, #leaseUntil', { fence: lease.fence }, '#leaseFence = :fence');
}
