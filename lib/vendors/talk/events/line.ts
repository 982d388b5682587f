import type { FoundEvent } from '../../../core/event-type.ts';
import { defined } from '../../../core/record.ts';
import { accountAt } from '../connection.ts';
import { recordOf, textOf } from '../wire/protocol.ts';
import type { Line, Viewer } from './chat-line.ts';
import type { TalkEventType } from './event-types.ts';
import { reactionEvent } from './reactions.ts';

/** System messages about another message, which the source must identify. */
const aboutMessage = new Set(['message_edited', 'message_deleted', 'reaction', 'reaction_deleted', 'reaction_revoked']);

/** System messages that are reported with their text. */
const textEvents: Readonly<Record<string, TalkEventType>> = {
  call_started: 'talk.call.started',
  call_ended: 'talk.call.ended',
  call_ended_everyone: 'talk.call.ended',
  call_missed: 'talk.call.ended',
  call_tried: 'talk.call.ended',
  conversation_renamed: 'talk.room.renamed',
  read_only: 'talk.room.closed',
  read_only_off: 'talk.room.reopened',
};

/** The event for a line, if any. Ids are derived from the server's own, so that every source produces the same id. */
export function eventOf(line: Line, viewer: Viewer): FoundEvent | undefined {
  // Bot messages are ignored: bots would otherwise reply to each other endlessly.
  if (line.actorType === 'bots') return undefined;
  const found = line.systemMessage === '' ? messageEvent(line, viewer) : systemEvent(line, viewer);
  return found && { ...found, by: actorOf(line, viewer) };
}

/** The acting account, in the form that connections use; none for guests and for the server itself. */
export function actorOf({ actorType, actorId }: Pick<Line, 'actorType' | 'actorId'>, { place }: Viewer) {
  return actorType === 'users' ? accountAt(place, actorId) : undefined;
}

/** The server's reports about a room. */
function systemEvent(line: Line, viewer: Viewer): FoundEvent | undefined {
  const { systemMessage, parentId, parent, token, roomName, messageParameters } = line;
  const found = (type: TalkEventType, data: object, id = lineId(line, viewer)): FoundEvent => ({
    type,
    id,
    timestamp: line.time,
    data: { token, roomName, ...data, ...whoOf(line) },
  });
  if (aboutMessage.has(systemMessage)) {
    if (parentId === undefined) return undefined;
    const on = { ...line, messageId: parentId };
    switch (systemMessage) {
      case 'message_deleted':
        return found('talk.message.deleted', { messageId: parentId });
      case 'message_edited': {
        if (parent === undefined) return undefined;
        const { message, text, messageParameters: named } = parent;
        return found('talk.message.edited', { messageId: parentId, message, text, messageParameters: named });
      }
      case 'reaction':
        return reactionEvent(viewer, on, { added: true, emoji: line.message, line: line.id });
      case 'reaction_deleted':
        return reactionEvent(viewer, on, { added: true, line: line.id });
      default:
        return reactionEvent(viewer, on, { added: false, line: line.id });
    }
  }
  const type = Object.hasOwn(textEvents, systemMessage) ? textEvents[systemMessage] : undefined;
  if (type !== undefined) return found(type, { text: line.text });
  switch (systemMessage) {
    case 'conversation_created':
      return found('talk.room.created', {}, roomId(viewer, token));
    case 'thread_created': {
      const title = recordOf(messageParameters.title);
      const threadId = Number(/^thread\/(\d+)$/.exec(textOf(title?.id))?.[1] ?? parentId);
      return Number.isNaN(threadId)
        ? undefined
        : found('talk.thread.created', { threadId, threadTitle: textOf(title?.name) });
    }
    case 'poll_voted':
    case 'poll_closed': {
      const poll = recordOf(messageParameters.poll);
      if (poll === undefined) return undefined;
      const data = { pollId: Number(poll.id), question: textOf(poll.name) };
      return found(systemMessage === 'poll_voted' ? 'talk.poll.voted' : 'talk.poll.closed', data);
    }
    default: {
      const [, kind = '', change] = /^(\w+)_(added|removed)$/.exec(systemMessage) ?? [];
      const named = recordOf(messageParameters[kind]);
      if (change === undefined || named === undefined) return undefined;
      const participant = { type: textOf(named.type), id: String(named.id), name: textOf(named.name) };
      return found(change === 'added' ? 'talk.participant.joined' : 'talk.participant.left', { participant });
    }
  }
}

/** A user's message. */
function messageEvent(line: Line, viewer: Viewer): FoundEvent | undefined {
  if (line.deleted) return undefined;
  return {
    type: 'talk.message.created' satisfies TalkEventType,
    id: lineId(line, viewer),
    timestamp: line.time,
    data: {
      token: line.token,
      roomName: line.roomName,
      messageId: line.id,
      message: line.message,
      text: line.text,
      messageParameters: line.messageParameters,
      ...whoOf(line),
      ...defined({ replyTo: line.parentId, threadId: line.threadId }),
    },
  };
}

function whoOf({ actorType, actorId, actorDisplayName }: Line) {
  return { actorType, actorId, actorDisplayName };
}

function lineId({ token, id }: Line, { place }: Viewer): string {
  return `${place}/${token}/${id}`;
}

/** The id of a room's creation: it is the same from every source. */
export function roomId({ place }: Viewer, token: string): string {
  return `${place}/${token}`;
}
