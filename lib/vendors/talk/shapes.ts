import * as z from 'zod/mini';
import { named } from '../../core/field.ts';
import { chatMessage } from './chat/message.ts';
import { recordOf, textOf } from './wire/protocol.ts';

/** A schema that first normalises the responses of all server versions to one shape. */
function shaped<S extends z.ZodMiniType>(into: (value: unknown) => unknown, schema: S) {
  return z.pipe(z.transform(into), schema);
}

const listOf = <S extends z.ZodMiniType>(item: S) => shaped((value) => value ?? [], z.array(item));

/** The response of a server without content: `[]` or null, or since Talk 21 the current room. */
export const done = () => shaped((value) => recordOf(value) ?? {}, z.looseObject({}));

/** The reactions to a message: a list of actors for each emoji. */
export const reactions = () =>
  shaped(
    (value) => recordOf(value) ?? {},
    z.record(z.string(), z.array(named('Reaction', z.looseObject({ actorType: z.string(), actorId: z.string() })))),
  );

/** A created room. Old servers return only its token, which is then also its id. */
export const newRoom = () =>
  shaped(
    (value) => {
      const made = recordOf(value);
      return made?.participantType === undefined ? made && { id: made.token, ...made } : roomOf(value);
    },
    named('Token', z.looseObject({ token: z.string() })),
  );

/** A room: the fields that every server returns, in one form. */
export const room = () =>
  shaped(
    roomOf,
    named(
      'Room',
      z.looseObject({
        token: z.string(),
        type: z.int(),
        name: z.string(),
        displayName: z.string(),
        description: z.string(),
        participantType: z.int(),
        participantInCall: z.boolean(),
        participantFlags: z.int(),
        lastPing: z.int(),
        lastActivity: z.int(),
        sessionId: z.string(),
        hasPassword: z.boolean(),
        hasCall: z.boolean(),
        readOnly: z.int(),
        lobbyState: z.int(),
        lastMessage: z.nullable(z.looseObject({})),
      }),
    ),
  );

export const rooms = () => listOf(room());

/** The result of a join: the session, and since Talk 7 the room. */
export const joined = () =>
  shaped(
    (value) => (recordOf(value)?.token ? roomOf(value) : value),
    named('SessionId', z.looseObject({ sessionId: z.string() })),
  );

/** A participant: `userId` is empty for everybody except accounts, `sessionId` is '0' for participants who are not connected. */
export const participants = () =>
  listOf(
    shaped(
      participantOf,
      named(
        'Participant',
        z.looseObject({
          attendeeId: z.nullable(z.int()),
          actorType: z.string(),
          actorId: z.string(),
          userId: z.string(),
          displayName: z.string(),
          participantType: z.int(),
          inCall: z.int(),
          lastPing: z.int(),
          sessionId: z.string(),
          sessionIds: z.array(z.string()),
        }),
      ),
    ),
  );

/** The participants of a call. */
export const callParticipants = () =>
  listOf(
    shaped(
      personOf,
      named(
        'CallParticipant',
        z.looseObject({
          actorType: z.string(),
          actorId: z.string(),
          userId: z.string(),
          displayName: z.string(),
          lastPing: z.int(),
          sessionId: z.string(),
          // Before v4 the list has no token.
          token: z.optional(z.string()),
        }),
      ),
    ),
  );

/** The result of a post: chat v1 returns nothing about the new message, so its id is null there. */
export const posted = () =>
  z.looseObject({
    id: z.nullable(z.int()),
    token: z.string(),
    message: z.string(),
    text: z.string(),
    referenceId: z.string(),
  });

/** A changed message: servers return the line that reports the change, with the message inside. */
export const changedMessage = () => shaped((value) => recordOf(value)?.parent ?? value, message());

/** A chat line; `text` is the message with its placeholders replaced. */
export const message = () =>
  shaped(
    chatMessage,
    named(
      'Message',
      z.looseObject({
        id: z.int(),
        token: z.string(),
        actorType: z.string(),
        actorId: z.string(),
        actorDisplayName: z.string(),
        timestamp: z.int(),
        message: z.string(),
        messageParameters: z.record(z.string(), z.unknown()),
        text: z.string(),
        systemMessage: z.string(),
        referenceId: z.string(),
        reactions: z.record(z.string(), z.unknown()),
      }),
    ),
  );

/** Messages around one of them, oldest first. */
export const messages = () => listOf(message());

/** A sent file: the chat line if the server shows it, otherwise with a null id. */
export const sentFile = () =>
  z.looseObject({
    id: z.nullable(z.int()),
    token: z.string(),
    referenceId: z.string(),
    path: z.string(),
    size: z.int(),
  });

/** A thread with its first and last message, if they still exist. */
export const thread = () =>
  shaped(
    (value) => {
      const given = recordOf(value) ?? {};
      const line = (name: string) => (recordOf(given[name]) ? chatMessage(given[name]) : null);
      return { ...given, first: line('first'), last: line('last') };
    },
    named(
      'Thread',
      z.looseObject({
        thread: z.looseObject({ id: z.int(), title: z.string(), numReplies: z.int() }),
        first: z.nullable(z.looseObject({})),
        last: z.nullable(z.looseObject({})),
      }),
    ),
  );

export const threads = () => listOf(thread());

export const scheduledMessage = () =>
  shaped(
    (value) => ({ ...recordOf(value), id: String(recordOf(value)?.id ?? '') }),
    named('ScheduledMessage', z.looseObject({ id: z.string(), message: z.string(), sendAt: z.int() })),
  );

export const scheduledMessages = () => listOf(scheduledMessage());

export const reminder = () => z.looseObject({ messageId: z.int(), timestamp: z.int(), token: z.string() });

export const bots = () => listOf(named('Bot', z.looseObject({ id: z.int(), name: z.string(), state: z.int() })));

export const poll = () =>
  shaped(
    (value) => ({ ...recordOf(value), votes: recordOf(recordOf(value)?.votes) ?? {} }),
    named(
      'Poll',
      z.looseObject({
        id: z.int(),
        question: z.string(),
        options: z.array(z.string()),
        votes: z.record(z.string(), z.unknown()),
        status: z.int(),
        resultMode: z.int(),
        maxVotes: z.int(),
      }),
    ),
  );

/** A room in one shape: `[]` for empty maps corrected, values of newer fields also under the older names. */
export function roomOf(value: unknown): Record<string, unknown> {
  const given = recordOf(value) ?? {};
  const inCall = given.participantInCall ?? isInCall(given.participantFlags);
  const lastPing = numberOf(given.lastPing);
  return {
    ...given,
    description: textOf(given.description),
    participantInCall: inCall,
    participantFlags: numberOf(given.participantFlags ?? (inCall ? 1 : 0)),
    lastPing,
    // Talk 3 has no activity; its own order was by the last ping.
    lastActivity: numberOf(given.lastActivity ?? lastPing),
    sessionId: String(given.sessionId ?? '0'),
    readOnly: numberOf(given.readOnly),
    lobbyState: numberOf(given.lobbyState),
    lastMessage: recordOf(given.lastMessage) ? chatMessage(given.lastMessage) : null,
    ...(given.participants !== undefined && { participants: recordOf(given.participants) ?? {} }),
  };
}

function participantOf(value: unknown): Record<string, unknown> {
  const given = recordOf(value) ?? {};
  const listed = Array.isArray(given.sessionIds) ? given.sessionIds.map(String) : [];
  const single = String(given.sessionId ?? listed[0] ?? '0');
  return {
    ...personOf(value),
    attendeeId: typeof given.attendeeId === 'number' ? given.attendeeId : null,
    inCall: numberOf(given.inCall),
    sessionId: single,
    sessionIds: listed.length > 0 || single === '0' ? listed : [single],
  };
}

/** Old servers identify accounts by `userId`, empty for guests; v4 identifies actors of any kind. */
function personOf(value: unknown): Record<string, unknown> {
  const given = recordOf(value) ?? {};
  const userId = textOf(given.userId);
  const actorType = textOf(given.actorType) || (userId === '' ? 'guests' : 'users');
  const actorId = textOf(given.actorId) || userId;
  return {
    ...given,
    actorType,
    actorId,
    userId: actorType === 'users' ? actorId : '',
    displayName: textOf(given.displayName),
    lastPing: numberOf(given.lastPing),
  };
}

function isInCall(flags: unknown): boolean {
  return (numberOf(flags) & 1) === 1;
}

function numberOf(value: unknown): number {
  return typeof value === 'boolean' ? Number(value) : Number(value ?? 0);
}
