import { documentedAt } from '../../core/operation.ts';
import type { Vendor } from '../../core/vendor.ts';
import { choices } from './choices.ts';
import {
  credentials,
  rootOf,
  settings,
  type TalkCredentials,
  type TalkSession,
  type TalkSettings,
  title,
  validate,
} from './connection.ts';
import { errorCodes } from './error-codes.ts';
import { login } from './login.ts';
import { botOperations } from './operations/bots.ts';
import { callOperations } from './operations/calls.ts';
import { chatOperations } from './operations/chat.ts';
import { messageOperations } from './operations/messages.ts';
import { participantOperations } from './operations/participants.ts';
import { pollOperations } from './operations/polls.ts';
import { roomOperations } from './operations/rooms.ts';
import { scheduledOperations } from './operations/scheduled.ts';
import { serverOperations } from './operations/server.ts';
import { threadOperations } from './operations/threads.ts';
import { session } from './session.ts';
import { send } from './wire/send.ts';

const documentation = 'https://nextcloud-talk.readthedocs.io/';
const page = (name: string) => `${documentation}en/latest/${name}/`;

const { addReaction, removeReaction, ...otherMessageOperations } = messageOperations;
const operations = {
  ...documentedAt(page('conversation'), roomOperations),
  ...documentedAt(page('participant'), participantOperations),
  ...documentedAt(page('call'), callOperations),
  ...documentedAt(page('chat'), chatOperations),
  ...threadOperations,
  ...documentedAt(page('chat'), otherMessageOperations),
  ...documentedAt(page('reaction'), { addReaction, removeReaction }),
  ...scheduledOperations,
  ...documentedAt(page('poll'), pollOperations),
  ...documentedAt(page('bots'), botOperations),
  ...documentedAt(page('capabilities'), serverOperations),
};

/** Nextcloud Talk, chat and calls, on every server since 2018. */
export const talk: Vendor<TalkSettings, TalkCredentials, TalkSession> = {
  name: 'talk',
  title,
  documentation,
  errorCodes: Object.values(errorCodes),
  operations,
  // A Talk server answers the polls of one account sequentially; a second poll makes both wait. Messages to a room keep their
  // order.
  concurrency: { polls: 1, stepItems: 1 },
  choices,
  connection: {
    settings,
    credentials,
    pushCredentials: ['botSecret'],
    validate,
    addresses: (given) => [rootOf(given)],
    login,
  },
  session,
  send,
  takesAnyBody: true,
  // Loaded on demand: raw requests are rare, and only the control function runs the check.
  matchRaw: async (request) => (await import('./raw.ts')).matchRaw(request, operations),
  sendRaw: async (request, call) => (await import('./raw.ts')).sendRaw(request, call),
  check: async (call) => (await import('./check.ts')).check(call),
};
