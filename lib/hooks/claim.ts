import { createHash } from 'node:crypto';
import { futureFrom } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { type Appended, appendEvents, type Cover, eventId, type LogServices, type NewEvent } from '../events/log.ts';
import { expiry, keys } from '../store/items.ts';
import type { Item, Key } from '../store/table.ts';

/** How a repeated message is recognised. */
export interface Message {
  /** The owner of the messages: a hook's id, or `vendor/connection`. */
  owner: string;
  by: string;
  value: string;
  /** How long it counts. */
  seconds: number;
  /** Set if the same value with other bytes is an error. */
  fingerprint?: string;
}

interface ClaimItem extends Key {
  eventIds: string[];
  /** Until when it counts, epoch milliseconds. */
  until: number;
  fingerprint?: string;
  expiresAt: number;
}

/** The outcome of a message: its events, and those among them that are new. */
export interface Taken {
  ids: string[];
  items: Appended['items'];
  /** True when the message was taken before: nothing was stored. */
  repeated: boolean;
}

/** How often a claim may disappear between two reads before storing the message fails. */
const attempts = 3;

/** SHA-256 of bytes. */
export function fingerprintOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

/**
 * Stores the events of a message in one transaction with the mark that it was taken; one that was taken before, or is being taken
 * at this very moment, gives the events of the first. Throws `idempotency_key_reused` for other bytes under a used key.
 */
export async function takeMessage(
  services: LogServices,
  events: readonly NewEvent[],
  message: Message | undefined,
): Promise<Taken> {
  const ids = events.map(eventId);
  if (!message || events.length === 0) {
    const { items } = await appendEvents(services, events);
    return { ids, items, repeated: false };
  }
  const key = keys.hookClaim(message.owner, message.by, message.value);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { items, covered } = await appendEvents(services, events, coverOf(services, key, message, ids));
    if (covered) return { ids, items, repeated: false };
    const before = await services.table.get<ClaimItem>(key, true);
    if (!before) continue;
    if (message.fingerprint !== undefined && before.fingerprint !== message.fingerprint) {
      throw new GatewayError(
        'idempotency_key_reused',
        'This Idempotency-Key was used with another body. Use a new key for a new message.',
      );
    }
    return { ids: before.eventIds, items: [], repeated: true };
  }
  throw new GatewayError('unavailable', 'The message could not be stored. Send it again.', { retryAfter: 1 });
}

function coverOf(services: LogServices, key: Key, message: Message, ids: readonly string[]): Cover {
  const now = services.clock.now();
  const until = now + message.seconds * 1000;
  const claim: ClaimItem = {
    ...key,
    eventIds: [...ids],
    until,
    ...(message.fingerprint !== undefined && { fingerprint: message.fingerprint }),
    expiresAt: expiry(until),
  };
  // One that counts for longer than this one was made before the clock was set back.
  const condition = 'attribute_not_exists(#pk) OR #until <= :now OR #until >= :future';
  const values = { now, future: futureFrom(until) };
  return {
    move: { put: { ...claim } satisfies Item, condition, values },
    guard: { check: key, condition, values },
  };
}
