import type { EventSource, Push } from '../../../core/event-type.ts';
import type { TalkCredentials, TalkSession, TalkSettings } from '../connection.ts';
import { types } from './event-types.ts';
import { poll } from './poll.ts';
import { botPush } from './push.ts';

/** One poll covers all rooms of an account and all event types; two concurrent polls would slow the server down. */
export const events: Readonly<Record<string, EventSource<TalkSettings, TalkCredentials, TalkSession>>> = {
  rooms: { types, poll: { every: 60_000, tellsSince: true, poll } },
};

export { identifyReaction as identify } from './reactions.ts';

export const pushes: Readonly<Record<string, Push<TalkSettings, TalkCredentials>>> = { 'talk-bot': botPush };
