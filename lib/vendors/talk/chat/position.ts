import { refusedField } from '../../../core/errors.ts';
import type { ChatMessage } from './message.ts';

/**
 * A position in a chat, valid for both kinds: after the message `id`, which was written at `at` (seconds). `seen` are the
 * messages around that time that were already returned; chat v1 has a time resolution of one second.
 */
export interface ChatPosition {
  readonly id: number;
  readonly at: number;
  readonly seen?: readonly number[];
}

/** Before everything. */
export const start: ChatPosition = { id: 0, at: 0, seen: [] };

/** Chat v1 is read from this many seconds before the last message: clocks of several web servers differ slightly. */
export const overlapSeconds = 2;

/** Whether a message is after a position: later or with a higher id, since both orders occur. */
export function isNew({ id, at, seen }: ChatPosition, message: ChatMessage): boolean {
  return !seen?.includes(message.id) && (message.id > id || message.timestamp > at);
}

/** The same where only times count: messages of the position's second that were not seen are new, too. */
export function isUnseen(position: ChatPosition, message: ChatMessage): boolean {
  if (position.seen === undefined) return isNew(position, message);
  return message.timestamp > position.at - overlapSeconds && !position.seen.includes(message.id);
}

/**
 * The position after the messages that were passed. `known` is everything that the server returned, `passed` the part returned to
 * the caller now. `in order`: the server continues from the last message it returned, in its own order.
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
  const around = known.filter((message) => message.timestamp >= at - overlapSeconds - 1 && given.has(message.id));
  return { id: last.id, at, seen: [...new Set(around.map((message) => message.id))] };
}

/** A position as an opaque cursor. */
export function encodePosition({ id, at, seen }: ChatPosition): string {
  return Buffer.from(JSON.stringify([1, id, at, ...(seen ? [seen] : [])])).toString('base64url');
}

/** Whether `encodePosition` created a cursor. */
export const isPosition = (cursor: string): boolean => positionIn(cursor) !== undefined;

/** Throws `invalid_input` for anything that `encodePosition` did not create. */
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
    // Not one of our cursors.
  }
  return undefined;
}
