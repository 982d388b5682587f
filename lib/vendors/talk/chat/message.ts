import { recordOf, textOf } from '../wire/protocol.ts';

/** A line of a chat in one shape, whatever the server's age; what else the server sends stays beside these fields. */
export interface ChatMessage extends Record<string, unknown> {
  id: number;
  token: string;
  actorType: string;
  actorId: string;
  actorDisplayName: string;
  /** Seconds since the epoch, UTC. */
  timestamp: number;
  /** With `{placeholders}` where something is named. */
  message: string;
  /** What stands behind the placeholders. */
  messageParameters: Record<string, unknown>;
  /** The message as people read it. */
  text: string;
  /** The name of a system message, empty for what somebody wrote. */
  systemMessage: string;
  referenceId: string;
  reactions: Record<string, unknown>;
}

/** The lines of an answer; anything but a list is none. */
export function chatMessages(data: unknown): ChatMessage[] {
  return Array.isArray(data) ? data.map(chatMessage) : [];
}

/** One line in our shape: ids as numbers, `[]` of PHP as the empty map that it means, no nulls. */
export function chatMessage(value: unknown): ChatMessage {
  const given = recordOf(value) ?? {};
  const message = textOf(given.message);
  const messageParameters = recordOf(given.messageParameters) ?? {};
  const parent = recordOf(given.parent);
  return {
    ...given,
    id: Number(given.id),
    token: textOf(given.token),
    actorType: textOf(given.actorType),
    actorId: textOf(given.actorId),
    actorDisplayName: textOf(given.actorDisplayName),
    timestamp: Number(given.timestamp),
    message,
    messageParameters,
    text: renderText(message, messageParameters),
    systemMessage: textOf(given.systemMessage),
    referenceId: textOf(given.referenceId),
    reactions: recordOf(given.reactions) ?? {},
    // A parent that was deleted for good is only told by its id.
    ...(parent && { parent: parent.message === undefined ? parent : chatMessage(parent) }),
  };
}

/** A message as people read it: names instead of placeholders, with an @ before those that are mentioned. */
export function renderText(message: string, parameters: Readonly<Record<string, unknown>>): string {
  return message.replace(/\{([\w-]+)\}/g, (placeholder, key: string) => {
    const named = Object.hasOwn(parameters, key) ? recordOf(parameters[key]) : undefined;
    const name = textOf(named?.name) || textOf(named?.id);
    if (named === undefined || name === '') return placeholder;
    return key.startsWith('mention-') ? `@${name}` : name;
  });
}
