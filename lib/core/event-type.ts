import type * as z from 'zod/mini';
import type { Connection, VendorName } from './connection.ts';
import type { VendorCall } from './vendor-call.ts';

/** One fact. `id` comes from the vendor's own ids, so that every source produces the same; `timestamp` is ISO 8601. */
export interface TrunklineEvent {
  id: string;
  type: string;
  timestamp: string;
  vendor: VendorName;
  connection: string;
  data: Record<string, unknown>;
}

/** What a source has found: the event without what the log adds. `id` is unique within the connection and type. */
export interface FoundEvent {
  type: string;
  id: string;
  timestamp: string;
  data: Record<string, unknown>;
  /** The account that did it, named as `LiveSession.account` names accounts; absent if the vendor does not report it. */
  by?: string | undefined;
  /** The source knows only part of the fact, or only roughly when it happened. A source with complete data has precedence. */
  partial?: true;
  /** A fact for which the vendor has no id that every source knows: `VendorEvents.identify` gives it one. */
  unidentified?: { subject: string; report: unknown };
}

/** The state of a subject after one more event, and that event with its id. Undefined if the event adds nothing new. */
export interface Identified {
  known: unknown;
  event: FoundEvent | undefined;
}

/** The result of one poll of a vendor: events, oldest first, and the cursor that covers them. */
export interface PollResult {
  events: FoundEvent[];
  /** Plain JSON, at most 300 kB; stored in the same transaction as the last of the events. */
  cursor: unknown;
  /** True if there is more to read: the next poll need not wait for the clock. */
  more?: boolean;
  /**
   * The part of the source that is not read, and why, as a sentence for the operator. It appears in the polling status and, once, as an event.
   * The same problem must be worded the same at each poll.
   */
  problem?: string | undefined;
  /** Milliseconds until the next poll, if the source knows better than its interval (a call budget, an outage). */
  nextIn?: number;
}

/** What a source can use in addition to its cursor. */
export interface PollContext {
  /** When the connection was made, in epoch milliseconds. */
  readonly since?: number | undefined;
  /** Whether an automation, a subscription or a waiting run listens to one of these types. Types without a listener need not be polled. */
  hasListener?(types: readonly string[]): Promise<boolean>;
}

/** A raw inbound push, before any parsing. */
export interface PushRequest {
  headers: Readonly<Record<string, string>>;
  rawBody: Buffer;
  receivedAt: number;
}

/** One dotted event type: its schema, a sample that fits it, and how such events are found. */
export interface EventType {
  readonly summary: string;
  readonly data: () => z.ZodMiniType;
  readonly sample: Readonly<Record<string, unknown>>;
  /** What a key must be able to read to see these events: a read operation of the vendor that returns the same content. */
  readonly readBy: string;
  /** Actions of the connection's own account are not events of this type. */
  readonly ofOthers?: true;
}

/**
 * How events are found at one connection: by a read on the clock, by the vendor's call, or both. One source may feed several
 * types (one poll of a Talk room gives messages, reactions and joins), so types are listed separately from sources.
 */
export interface EventSource<Settings = object, Credentials = object, Session = object> {
  readonly types: Readonly<Record<string, EventType>>;
  readonly poll?: {
    /** Milliseconds between two polls at the least. */
    readonly every: number;
    /** The vendor counts calls, so a reader of the list of all events is not a reason to poll. */
    readonly metered?: true;
    /** The first poll reports what happened since the connection was created. For other sources, the events of the first poll are discarded. */
    readonly tellsSince?: true;
    /**
     * Called with `undefined` on the first poll: it must give a cursor and no history.
     */
    poll(cursor: unknown, call: VendorCall<Settings, Credentials, Session>, around?: PollContext): Promise<PollResult>;
  };
}

/** The result of a vendor's push to a hook. */
export interface PushResult {
  events: FoundEvent[];
  /** The sender's own id of this push. A repeated one gets the same response and adds nothing. */
  nonce?: string;
  /** How long the nonce counts, in seconds; a day when absent. */
  nonceSeconds?: number;
  /** What the sender is answered; 200 when absent, which every vendor takes. */
  status?: 200 | 202;
}

/** How calls of a vendor to a hook are verified and read. Throws `unauthorized` for a sender that is not the vendor. */
export interface Push<Settings = object, Credentials = object> {
  readonly summary: string;
  /** What keeps a connection with these credentials from being called; undefined where nothing does. */
  problem?(credentials: Credentials): string | undefined;
  receive(
    request: PushRequest,
    context: { connection: Connection<Settings>; credentials(): Promise<Credentials> },
  ): Promise<PushResult>;
}
