import * as z from 'zod/mini';
import { field, integer, text } from '../../core/field.ts';
import { operationsOf } from '../../core/operation.ts';
import type { TalkCall } from './connection.ts';
import type { TalkRoute } from './wire/dialect.ts';

/** A declaration of Talk: its call is a route of the dialect table, or a function of several of them. */
export const operation = operationsOf<TalkRoute, TalkCall>();

/** The token of a room, as in its URL. */
export const token = () =>
  field(z.string().check(z.regex(/^[a-zA-Z0-9]{4,64}$/, 'must be a room token: 4 to 64 letters and digits')), {
    description: 'The token at the end of the URL of the room: …/call/{token}.',
    examples: ['vebpramj'],
    choices: { kind: 'rooms' },
  });

/** Text that is not blank. */
export const words = (most: number) => text(most).check(z.regex(/\S/, 'must not be blank'));

/** The text of a message. The server's own limit (1,000 or 32,000 characters) is checked before anything is sent. */
export const message = () =>
  field(words(100_000), {
    description:
      'Plain text or Markdown; @"user id" mentions. A message that is longer than the server allows is rejected with 413, not split.',
    examples: ['Shift starts in ten minutes'],
  });

export const messageId = () => field(integer(1), { examples: [121] });

/** A thread: the id of the message that started it. */
export const threadId = () =>
  field(integer(1), {
    description: 'The id of the message that started the thread. Talk 22 and newer.',
    examples: [121],
  });

/** A person by user id or, without one, by another name of a participant. */
export const participant = () =>
  field(text(600), {
    description:
      'User id; for a guest the session id; for any row of getParticipants, such as an email guest, `attendees/{attendeeId}`.',
    examples: ['bob'],
    choices: { kind: 'participants', of: ['token'] },
  });

/** The session id of a guest, or `attendees/{attendeeId}`. */
export const guest = () =>
  field(text(600), {
    description: 'Session id of the guest as getParticipants shows it, or `attendees/{attendeeId}`.',
  });

/** A single emoji. */
export const reaction = () => field(text(64), { description: 'One emoji.', examples: ['👍'] });

/** A switch that is sent as 0 or 1. */
export const flag = () =>
  z.pipe(
    z.boolean(),
    z.transform((on: boolean) => Number(on)),
  );

/** The same where servers call it `state`. */
export const state = () => field(flag(), { wire: 'state' });

/** A time that is sent as seconds since the epoch. */
export const time = (wire: string) =>
  field(
    z.pipe(
      z.iso.datetime({ offset: true }),
      z.transform((given: string) => Math.floor(Date.parse(given) / 1000)),
    ),
    { wire, description: 'ISO 8601 with an offset or Z.', examples: ['2026-01-05T08:00:00Z'] },
  );
