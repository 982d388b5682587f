import type { FoundEvent } from '../../../core/event-type.ts';
import type { ChatMessage } from '../chat/message.ts';
import { recordOf, textOf } from '../wire/protocol.ts';
import type { TalkEventType } from './event-types.ts';

/** A line of a chat, from whichever road: what was written, or what the server tells of the room. */
export interface Line
  extends Pick<
    ChatMessage,
    | 'id'
    | 'token'
    | 'actorType'
    | 'actorId'
    | 'actorDisplayName'
    | 'message'
    | 'messageParameters'
    | 'text'
    | 'systemMessage'
  > {
  roomName: string;
  /** ISO 8601. */
  time: string;
  /** The message that it answers or is about. */
  parentId?: number | undefined;
  referenceId?: string | undefined;
  /** It was taken back before it was seen. */
  deleted?: boolean;
}

/** Whose eyes see the line. */
export interface Viewer {
  /** Host and folder of the server. */
  place: string;
  /** The account's own user id. */
  self: string;
}

/** What a line amounts to, or nothing. Ids come from the server's own, so that a push and a look give the same. */
export function eventOf(line: Line, viewer: Viewer): FoundEvent | undefined {
  const { systemMessage } = line;
  if (systemMessage === '') return writtenOf(line, viewer);
  const id = `${viewer.place}/${line.token}/${line.id}`;
  const who = { actorType: line.actorType, actorId: line.actorId, actorDisplayName: line.actorDisplayName };
  const room = { token: line.token, roomName: line.roomName };
  const found = (type: TalkEventType, own: string, data: object): FoundEvent => ({
    type,
    id: own,
    timestamp: line.time,
    data: { ...room, ...data, ...who },
  });
  switch (systemMessage) {
    case 'conversation_created':
      return found('talk.room.created', roomId(viewer, line.token), {});
    case 'call_started':
      return found('talk.call.started', id, { text: line.text });
    case 'call_ended':
    case 'call_ended_everyone':
    case 'call_missed':
    case 'call_tried':
      return found('talk.call.ended', id, { text: line.text });
    case 'reaction':
      return found('talk.reaction.added', reactionId(viewer, line, line.message), {
        messageId: line.parentId ?? null,
        reaction: line.message,
      });
    case 'reaction_revoked':
      return found('talk.reaction.removed', id, { messageId: line.parentId ?? null, reaction: null });
    default: {
      const [, kind = '', change] = /^(\w+)_(added|removed)$/.exec(systemMessage) ?? [];
      const named = recordOf(line.messageParameters[kind]);
      if (change === undefined || named === undefined) return undefined;
      const participant = { type: textOf(named.type), id: String(named.id), name: textOf(named.name) };
      return found(change === 'added' ? 'talk.participant.joined' : 'talk.participant.left', id, { participant });
    }
  }
}

/** The id of a room's making: there is one of it, however it is heard of. */
export function roomId({ place }: Viewer, token: string): string {
  return `${place}/${token}`;
}

/** The id of a reaction: a push tells the message, who and what, but not the line that the reaction is in the chat. */
export function reactionId(
  { place }: Viewer,
  on: Pick<Line, 'token' | 'parentId' | 'actorType' | 'actorId'>,
  reaction: string,
): string {
  return `${place}/${on.token}/${on.parentId ?? 0}/${on.actorType}/${on.actorId}/${reaction}`;
}

/** What somebody wrote; nothing of the account itself or of bots, which would answer each other for ever. */
function writtenOf(line: Line, viewer: Viewer): FoundEvent | undefined {
  const own = line.actorType === 'users' && line.actorId === viewer.self;
  if (own || line.deleted || line.actorType === 'bots') return undefined;
  return {
    type: 'talk.message.created' satisfies TalkEventType,
    id: `${viewer.place}/${line.token}/${line.id}`,
    timestamp: line.time,
    data: {
      token: line.token,
      roomName: line.roomName,
      messageId: line.id,
      message: line.message,
      text: line.text,
      messageParameters: line.messageParameters,
      actorType: line.actorType,
      actorId: line.actorId,
      actorDisplayName: line.actorDisplayName,
      ...(line.parentId !== undefined && { replyTo: line.parentId }),
      ...(line.referenceId && { referenceId: line.referenceId }),
    },
  };
}
