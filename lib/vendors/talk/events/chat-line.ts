import type { ChatMessage } from '../chat/message.ts';

/** A chat line from any source: a user's message, or the server's report about the room. */
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
  /** The message that it replies to or is about. */
  parentId?: number | undefined;
  /** The current form of that message, if the source shows it. */
  parent?: ChatMessage | undefined;
  threadId?: number | undefined;
  /** It was withdrawn before it was seen. */
  deleted?: boolean;
}

/** The account from whose view the line is read. */
export interface Viewer {
  /** Host and folder of the server. */
  place: string;
}
