import type { TrunklineEvent } from '../core/event-type.ts';
import type { Key } from '../store/table.ts';
import type { Subject } from './reading.ts';

/** An event as stored in the table. Times are epoch milliseconds. */
export interface EventItem extends Key, Omit<TrunklineEvent, 'data'> {
  /** JSON, because the table cannot store every JSON value. */
  data?: string;
  /** Where the data is stored when it is too long for the table. */
  dataFile?: string;
  /** Absent in events of earlier versions. */
  readBy?: string;
  about?: Subject;
  hook?: string;
  own?: true;
  partial?: true;
  happenedAt?: number;
  appendedAt: number;
  /** Its index among the events that were appended together. */
  order: number;
  /** Its position in the order of all events, gapless from 1; absent until `settleEvents` has assigned it. */
  position?: number;
  /** When another source last added to its data; the event is then routed again. */
  completedAt?: number;
  expiresAt: number;
  /** While it is not routed: when the sweep routes it. */
  duePk?: string;
  dueAt?: number;
}
