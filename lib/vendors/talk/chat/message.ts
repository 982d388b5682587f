import { recordOf, textOf } from '../wire/protocol.ts';

/** A chat line in one shape for all server versions; other fields of the server remain beside these. */
export interface ChatMessage extends Record<string, unknown> {
  id: number;
  token: string;
  actorType: string;
  actorId: string;
  actorDisplayName: string;
  /** Seconds since the epoch, UTC. */
  timestamp: number;
  /** With `{placeholders}` for named objects. */
  message: string;
  /** The objects behind the placeholders. */
  messageParameters: Record<string, unknown>;
  /** The readable message. */
  text: string;
  /** The name of a system message; empty for a user's message. */
  systemMessage: string;
  referenceId: string;
  reactions: Record<string, unknown>;
}

/** The lines of a response; none if it is not a list. */
export function chatMessages(data: unknown): ChatMessage[] {
  return Array.isArray(data) ? data.map(chatMessage) : [];
}

/** One line in our shape: ids as numbers, PHP's `[]` as the empty map that it means, no nulls. */
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
    // For a parent that was deleted permanently, only the id is known.
    ...(parent && { parent: parent.message === undefined ? parent : chatMessage(parent) }),
  };
}

/** A readable message: names instead of placeholders, with an @ before mentions. */
export function renderText(message: string, parameters: Readonly<Record<string, unknown>>): string {
  return message.replace(/\{([\w-]+)\}/g, (placeholder, key: string) => {
    const named = Object.hasOwn(parameters, key) ? recordOf(parameters[key]) : undefined;
    const name = textOf(named?.name) || textOf(named?.id);
    if (named === undefined || name === '') return placeholder;
    return key.startsWith('mention-') ? `@${name}` : name;
  });
}
