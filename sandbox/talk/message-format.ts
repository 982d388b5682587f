import { findMessage, renderMentions } from './messages.ts';
import type { Attendee, Message, Room } from './state.ts';
import { actorObject, systemText } from './system-text.ts';
import { currentEra, isTalk, serverUrl, type Talk } from './talk.ts';

/** A line as a server of that version shows it to that attendee; `parent` false omits the quoted line. */
export function formatMessage(
  talk: Talk,
  room: Room,
  message: Message,
  reader: Attendee | undefined,
  parent = true,
): Record<string, unknown> {
  const era = currentEra(talk);
  const base = {
    token: room.token,
    actorType: message.actorType,
    actorId: message.actorId,
    actorDisplayName: displayNameOf(talk, room, message),
    timestamp: message.timestamp,
  };
  if (era === 'A') {
    const name = message.actorType === 'users' ? base.actorDisplayName : null;
    return { id: String(message.id), ...base, actorDisplayName: name, message: message.text };
  }

  const shown = richText(talk, room, message, reader);
  const listed = Object.keys(shown.parameters).length === 0 ? [] : shown.parameters;
  const system = message.verb === 'system' || message.verb.startsWith('reaction');
  const known = { id: message.id, ...base, message: shown.message, messageParameters: listed };
  const name = system ? (message.verb === 'system' ? (shown.name ?? message.text) : message.verb) : '';
  if (era === 'C') {
    const replies = isTalk(talk, '8') ? { isReplyable: message.verb === 'comment' } : {};
    const answered = parent && message.parent !== 0 ? findMessage(talk, room, message.parent) : undefined;
    const quote = answered ? { parent: formatMessage(talk, room, answered, reader, false) } : {};
    return { ...known, systemMessage: name, ...replies, ...quote };
  }

  const formatted: Record<string, unknown> = {
    ...known,
    systemMessage: name,
    messageType: system ? 'system' : message.verb === 'comment_deleted' ? 'comment_deleted' : 'comment',
    isReplyable: message.verb === 'comment' || message.verb === 'object_shared',
    referenceId: message.referenceId,
    reactions: message.verb === 'comment_deleted' ? {} : reactionCounts(message),
    expirationTimestamp: 0,
  };
  if (isTalk(talk, '17.1')) formatted.markdown = !system && message.verb !== 'object_shared';
  if (isTalk(talk, '19') && message.silent) formatted.silent = true;
  if (message.edited && message.verb !== 'comment_deleted') {
    formatted.lastEditActorType = message.edited.actorType;
    formatted.lastEditActorId = message.edited.actorId;
    formatted.lastEditActorDisplayName = message.edited.actorName;
    formatted.lastEditTimestamp = message.edited.timestamp;
  }
  if (message.verb === 'comment_deleted') formatted.deleted = true;
  if (isTalk(talk, '22')) Object.assign(formatted, threadFields(talk, message));
  const quoted = parent && message.parent !== 0 ? findMessage(talk, room, message.parent) : undefined;
  if (quoted) formatted.parent = formatMessage(talk, room, quoted, reader, false);
  const own = message.verb === 'comment_deleted' ? [] : ownReactions(message, reader);
  if (own.length > 0) formatted.reactionsSelf = own;
  return formatted;
}

/** Every line belongs to a thread by id; one that was started with a title is shown as such. */
function threadFields(talk: Talk, message: Message): Record<string, unknown> {
  const thread = talk.state.threads.find(({ id }) => id === message.thread);
  if (!thread) return { threadId: message.parent || message.id };
  const replies = talk.state.messages.filter((each) => each.thread === thread.id && each.id !== thread.id).length;
  return { threadId: thread.id, isThread: true, threadTitle: thread.title, threadReplies: replies };
}

/** Text with placeholders and the objects that they stand for, for the chat and for bots. */
export function richText(
  talk: Talk,
  room: Room,
  message: Message,
  reader: Attendee | undefined,
): { message: string; parameters: object; name?: string } {
  switch (message.verb) {
    case 'system':
      return systemText(talk, room, message, reader);
    case 'reaction':
      return { message: message.text, parameters: {} };
    case 'reaction_deleted':
      return { message: 'Reaction deleted by author', parameters: {} };
    case 'object_shared':
      if (message.params.type === 'file') {
        const actor = actorObject(talk, room, message.actorType, message.actorId);
        return { message: message.text, parameters: { actor, file: message.params } };
      }
      return {
        message: '{object}',
        parameters: { actor: actorObject(talk, room, message.actorType, message.actorId), object: message.params },
      };
    case 'comment_deleted': {
      const by = message.deletedBy ?? message;
      const actor = actorObject(talk, room, by.actorType, by.actorId);
      const isAuthor = by.actorType === message.actorType && by.actorId === message.actorId;
      const isReader = reader?.actorType === by.actorType && reader.actorId === by.actorId;
      const who = isReader ? 'you' : isAuthor ? 'author' : '{actor}';
      return { message: `Message deleted by ${who}`, parameters: { actor } };
    }
    default: {
      const rendered = renderMentions(talk, room, message.text);
      const icon = `${serverUrl(talk)}/ocs/v2.php/apps/spreed/api/v1/room/${room.token}/avatar`;
      for (const [key, target] of Object.entries(rendered.parameters)) {
        if (isTalk(talk, '17') && target.type === 'call') target['icon-url'] = icon;
        if (isTalk(talk, '19')) target['mention-id'] = target.type === 'call' ? 'all' : target.id;
        if (target.type === 'call' && target.name === '') target.name = key;
      }
      return rendered;
    }
  }
}

/** The author's name beside a line: the current name of an account; bots are marked as such. */
export function displayNameOf(talk: Talk, room: Room, message: Message): string {
  if (message.actorType === 'users') return talk.state.users[message.actorId]?.displayName ?? '';
  if (message.actorType === 'bots') {
    const bot = talk.state.bots.find((one) => `bot-${one.urlHash}` === message.actorId);
    return bot ? `${bot.name} (Bot)` : message.actorName;
  }
  const here = room.attendees.find((one) => one.actorType === message.actorType && one.actorId === message.actorId);
  return here?.displayName || message.actorName;
}

/** How often each emoji was used on a line. Unlike elsewhere, the server sends an empty map as an object here. */
function reactionCounts(message: Message): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const reaction of message.reactions) counts[reaction.emoji] = (counts[reaction.emoji] ?? 0) + 1;
  return counts;
}

function ownReactions(message: Message, reader: Attendee | undefined): string[] {
  return message.reactions
    .filter((one) => one.actorType === reader?.actorType && one.actorId === reader.actorId)
    .map((one) => one.emoji);
}
