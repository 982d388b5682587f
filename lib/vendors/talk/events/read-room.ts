import { type ErrorCode, GatewayError } from '../../../core/errors.ts';
import { longestPage, readAfter, readNewest, readSince } from '../chat/history.ts';
import type { ChatMessage } from '../chat/message.ts';
import type { ChatPosition } from '../chat/position.ts';
import type { TalkCall } from '../connection.ts';
import { errorCodes } from '../error-codes.ts';
import { dialectOf } from '../wire/dialect.ts';
import { sessionFor } from '../wire/session-request.ts';
import type { ListedRoom } from './cursor.ts';
import { listedEnd } from './cursor.ts';

const maxPages = 5;
const doing = 'reading the chat';
/** Refusals that concern only one room: gone, in the lobby, closed. */
const ofOneRoom: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  errorCodes.room_not_found.code,
  errorCodes.not_participant.code,
  'vendor_not_found',
  errorCodes.vendor_lobby.code,
  'vendor_forbidden',
]);

/** The lines of a room since a position, at most 1,000 messages; `full` means that there may be more. */
export async function readRoom(
  call: TalkCall,
  room: ListedRoom,
  from: ChatPosition,
): Promise<{ messages: ChatMessage[]; position: ChatPosition; full: boolean }> {
  const query = { token: room.token, limit: longestPage, wait: 0, doing };
  const { chat } = dialectOf(await sessionFor(call));
  const messages: ChatMessage[] = [];
  let position = from;
  let full = true;
  try {
    for (let pages = 0; full && pages < maxPages; pages++) {
      // Message 0 would be the start of a potentially long history.
      const byTime = chat === 'modern' && position.id === 0;
      const page = await (byTime ? readSince(call, query, position.at) : readAfter(call, query, position));
      messages.push(...page.messages);
      ({ position, full } = page);
    }
    return { messages, position, full };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (ofOneRoom.has(error.code)) return { messages, position, full: false };
    // Too much for one poll since the room appeared: it continues from the current end.
    if (error.code === 'invalid_input') return { messages, position: listedEnd(room, position.at), full: false };
    throw error;
  }
}

/** The current end of a room's chat; undefined if the account may not see it. */
export async function findEnd(call: TalkCall, token: string, now: number): Promise<ChatPosition | undefined> {
  const { chat } = dialectOf(await sessionFor(call));
  const query = { token, wait: 0, doing };
  const here = { id: 0, at: now, seen: [] };
  try {
    if (chat === 'offset') return (await readAfter(call, { ...query, limit: longestPage }, here)).position;
    const { position } = await readNewest(call, { ...query, limit: 1 });
    return position.id === 0 ? here : position;
  } catch (error) {
    if (error instanceof GatewayError && ofOneRoom.has(error.code)) return undefined;
    throw error;
  }
}
