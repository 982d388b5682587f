import { refusedField } from '../../../core/errors.ts';
import type { ChatMessage } from './message.ts';

/**
 * A place in a chat, good for both kinds: behind the message `id`, which was written at `at` (seconds). `seen` are the
 * messages around that time that were given already; chat v1 tells times to the second only.
 */
export interface ChatPosition {
  readonly id: number;
  readonly at: number;
  readonly seen?: readonly number[];
}

/** Before everything. */
export const start: ChatPosition = { id: 0, at: 0, seen: [] };

/** Chat v1 is read from this many seconds before the last message: clocks of several web servers differ a little. */
export const secondsOfOverlap = 2;

/** Whether a message lies behind a position: later or with a higher id, since both orders are met. */
export function isNew({ id, at, seen }: ChatPosition, message: ChatMessage): boolean {
  return !seen?.includes(message.id) && (message.id > id || message.timestamp > at);
}

/** The same where only times count: what was not seen around the position's second is new, too. */
export function isUnseen(position: ChatPosition, message: ChatMessage): boolean {
  if (position.seen === undefined) return isNew(position, message);
  return message.timestamp > position.at - secondsOfOverlap && !position.seen.includes(message.id);
}

/**
 * The position behind the messages that were passed. `known` is all that the server showed, `passed` what of it was given now.
 * `in order`: the server counts on from the last it showed, in its own order.
 */
export function movedTo(
  before: ChatPosition,
  known: readonly ChatMessage[],
  passed: readonly ChatMessage[],
  how: 'by time' | 'in order' = 'by time',
): ChatPosition {
  const last = how === 'in order' ? known.at(-1) : passed.at(-1);
  if (last === undefined) return before;
  const at = how === 'in order' ? last.timestamp : Math.max(before.at, last.timestamp);
  const given = new Set([...(before.seen ?? []), ...passed.map((message) => message.id)]);
  const around = known.filter((message) => message.timestamp >= at - secondsOfOverlap - 1 && given.has(message.id));
  return { id: last.id, at, seen: [...new Set(around.map((message) => message.id))] };
}

/** A position as callers carry it about. */
export function encodePosition({ id, at, seen }: ChatPosition): string {
  return Buffer.from(JSON.stringify([1, id, at, ...(seen ? [seen] : [])])).toString('base64url');
}

/** Whether `encodePosition` made a cursor. */
export const isPosition = (cursor: string): boolean => positionIn(cursor) !== undefined;

/** Throws `invalid_input` for anything that `encodePosition` did not make. */
export function decodePosition(cursor: string): ChatPosition {
  const position = positionIn(cursor);
  if (position) return position;
  throw refusedField('/after', 'is not a cursor of getChatMessages');
}

function positionIn(cursor: string): ChatPosition | undefined {
  try {
    const [version, id, at, seen] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    const whole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
    if (version === 1 && whole(id) && whole(at) && (seen === undefined || (Array.isArray(seen) && seen.every(whole)))) {
      return { id, at, ...(seen !== undefined && { seen }) };
    }
  } catch {
    // Not one of ours.
  }
  return undefined;
}
