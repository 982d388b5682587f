import type { Key } from '../store/table.ts';

/** A subscription as stored in the table. Times are epoch milliseconds. */
export interface SubscriptionItem extends Key {
  id: string;
  url: string;
  /** Types, `talk.*`, `*`. */
  types: string[];
  /** A connection's slug, or `vendor/slug`. */
  connection?: string;
  /** JSONata over `event`; an event is delivered only if it is true. */
  filter?: string;
  description?: string;
  /**
   * `disabled` (after prolonged failure) and `gone` (after a 410) are set by Trunkline, with a reason. `removed`: kept only for
   * its deliveries.
   */
  state: 'active' | 'paused' | 'disabled' | 'gone' | 'removed';
  reason?: string;
  /** The key that created it; its scopes limit what is delivered. */
  keyId: string;
  scopes: string[];
  /** The version of the secrets; a cached secret with another version is read again. */
  secretVersion: number;
  /** Since when the target has accepted nothing. */
  failingSince?: number;
  /** Why the filter could not be evaluated the last time. */
  filterProblem?: string;
  createdAt: number;
  updatedAt: number;
  expiresAt?: number;
}
