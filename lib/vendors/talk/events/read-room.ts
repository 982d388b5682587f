import { GatewayError } from '../../../core/errors.ts';
import { longestPage, readAfter, readNewest, readSince } from '../chat/history.ts';
import type { ChatMessage } from '../chat/message.ts';
import type { ChatPosition } from '../chat/position.ts';
import type { TalkCall } from '../connection.ts';
import { dialectOf } from '../wire/dialect.ts';
import { sessionFor } from '../wire/exchange.ts';
import type { ListedRoom } from './choose.ts';
import { listedEnd } from './cursor.ts';

const maxPages = 5;
const doing = 'reading the chat';
/** Refusals of one room that do not concern the others: gone, in the lobby, closed. */
const ofOneRoom = new Set([
  'room_not_found',
  'not_participant',
  'vendor_not_found',
  'vendor_lobby',
  'vendor_forbidden',
]);

/** What came in a room since a position, at most 1,000 messages; `full` says that there may be more. */
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
      // Message 0 would be the beginning of a history that may be long.
      const byTime = chat === 'modern' && position.id === 0;
      const page = await (byTime ? readSince(call, query, position.at) : readAfter(call, query, position));
      messages.push(...page.messages);
      ({ position, full } = page);
    }
    return { messages, position, full };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (ofOneRoom.has(error.code)) return { messages, position, full: false };
    // Too much for one poll since the room came into view: it goes on from where it stands now.
    if (error.code === 'invalid_input') return { messages, position: listedEnd(room, position.at), full: false };
    throw error;
  }
}

/** Where a room's chat ends now, or undefined where the account may not see it. */
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
