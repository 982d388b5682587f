import { isReplyable } from './chat.ts';
import { displayNameOf } from './message-format.ts';
import { addMessage, addSystemMessage, authorOf, findMessage } from './messages.ts';
import { type Answer, Stop } from './ocs.ts';
import type { Author, Message, Room } from './state.ts';
import { int, requireSeat, type Talk, type TalkRequest, text } from './talk.ts';

/** `POST`, `DELETE` and `GET /reaction/{token}/{messageId}` of an attendee. */
export function reactionRoute(r: TalkRequest): Answer {
  const reading = r.raw.method === 'GET';
  const { room, attendee } = requireSeat(r, { writable: !reading, pastLobby: true });
  const line = findMessage(r.talk, room, int(r, 'messageId'));
  if (!line) throw new Stop(404);
  if (reading) return { status: 200, data: reactionsOf(r.talk, room, line, text(r, 'reaction')) };
  const react = r.raw.method === 'POST' ? addReaction : removeReaction;
  const status = react(r.talk, room, authorOf(attendee), line, text(r, 'reaction'));
  return { status, data: status < 400 ? reactionsOf(r.talk, room, line) : [] };
}

/** Adds a reaction: 201, or 200 if it was there; 400 for anything but an emoji, and for a line that allows no reactions. */
export function addReaction(talk: Talk, room: Room, author: Author, line: Message, emoji: string): number {
  if (!isEmoji(emoji) || !isReplyable(line)) return 400;
  if (ownReaction(line, author, emoji)) return 200;
  const { actorType, actorId } = author;
  const { timestamp } = addMessage(talk, room, author, { verb: 'reaction', text: emoji, parent: line.id });
  line.reactions.push({ emoji, actorType, actorId, timestamp });
  talk.pushes.reaction(room, author, line, emoji, true);
  return 201;
}

/** Removes a reaction: its line becomes a deleted one, and a system line follows. */
export function removeReaction(talk: Talk, room: Room, author: Author, line: Message, emoji: string): number {
  const own = ownReaction(line, author, emoji);
  if (!own) return 404;
  line.reactions = line.reactions.filter((one) => one !== own);
  const written = talk.state.messages.find(
    (one) =>
      one.verb === 'reaction' &&
      one.parent === line.id &&
      one.text === emoji &&
      one.actorType === author.actorType &&
      one.actorId === author.actorId,
  );
  if (written) written.verb = 'reaction_deleted';
  addSystemMessage(talk, room, author, 'reaction_revoked', {}, line.id);
  talk.pushes.reaction(room, author, line, emoji, false);
  return 200;
}

function ownReaction(line: Message, author: Author, emoji: string) {
  return line.reactions.find(
    (one) => one.emoji === emoji && one.actorType === author.actorType && one.actorId === author.actorId,
  );
}

/** Emoji to who used it; an empty map is `[]`, as PHP encodes it. */
function reactionsOf(talk: Talk, room: Room, line: Message, only = ''): object {
  const map: Record<string, object[]> = {};
  for (const { emoji, actorType, actorId, timestamp } of line.reactions) {
    if (only !== '' && only !== emoji) continue;
    const actorDisplayName = displayNameOf(talk, room, { ...line, actorType, actorId });
    map[emoji] ??= [];
    map[emoji].push({ actorType, actorId, actorDisplayName, timestamp });
  }
  return Object.keys(map).length === 0 ? [] : map;
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

function isEmoji(value: string): boolean {
  return (
    [...segmenter.segment(value)].length === 1 && /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(value)
  );
}
