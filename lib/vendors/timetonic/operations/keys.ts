import * as z from 'zod/mini';
import { field, text } from '../../../core/field.ts';
import { bookCode, bookOwner, operation, sstamp } from '../fields.ts';
import {
  dropAllSessions,
  makeAppkey,
  makeOauthkey,
  registerGateway,
  unregisterGateway,
} from '../keys/key-operations.ts';
import { done, sessionState, userInfo } from '../shapes.ts';

const phoneNumber = () =>
  field(z.string().check(z.regex(/^\+?\d{6,15}$/, 'must be a telephone number')), {
    wire: 'o_u',
    examples: ['+33134455666'],
  });
const appname = () => field(text(100), { description: 'Name of the application.', examples: ['trunkline'] });
const deviceType = () => z.enum(['gcm_rid', 'gcm_nk', 'ios_dt', 'ios_dt_v2', 'bb_dt', 'win_uri']);

/** The chain of keys, for operators: every call creates the keys that it needs by itself. */
export const keyOperations = {
  createAppkey: operation({
    summary: 'Create and store a new application key',
    description: 'Later oauthkeys are created with it. The key itself is never returned.',
    effect: 'session',
    input: () => ({ appname: z.optional(appname()) }),
    output: done,
    rawRoute: 'req=createAppkey',
    call: (input, _send, call) => makeAppkey(call, input.appname),
  }),
  createOauthkey: operation({
    summary: 'Log in with login and password, and store the oauthkey',
    description: 'Login and password are used once and not stored. A new session is created at once.',
    effect: 'session',
    input: () => ({ login: text(300), password: field(text(500), { wire: 'pwd', writeOnly: true }) }),
    output: sessionState,
    rawRoute: 'req=createOauthkey',
    call: (input, _send, call) => makeOauthkey(call, input.login, input.password),
  }),
  createSesskey: operation({
    summary: 'Create a new session key from the oauthkey',
    description: 'Calls do this automatically when the key has expired. The key itself is never returned.',
    effect: 'session',
    input: () => ({}),
    output: sessionState,
    rawRoute: 'req=createSesskey',
    call: (_input, _send, call) => call.session.renew(),
  }),
  registerSMSGateway: operation({
    summary: 'Register a phone as SMS gateway',
    description: 'Its key is stored with the credentials and never returned; unregisterSMSGateway uses it.',
    effect: 'write',
    input: () => ({
      phoneNumber: phoneNumber(),
      appname: appname(),
      bookOwner: z.optional(bookOwner()),
      bookCode: z.optional(bookCode()),
    }),
    output: done,
    rawRoute: 'req=registerSMSGateway',
    call: (input, _send, call) => registerGateway(call, input),
  }),
  unregisterSMSGateway: operation({
    summary: 'Unregister an SMS gateway that this connection registered',
    effect: 'write',
    input: () => ({ phoneNumber: phoneNumber() }),
    output: done,
    rawRoute: 'req=unregisterSMSGateway',
    call: (input, _send, call) => unregisterGateway(call, input.phoneNumber),
  }),
  dropAllSessions: operation({
    summary: 'End all other sessions of the user, including phones and browsers, and revoke all oauthkeys',
    description:
      'This includes the oauthkey of this connection, which continues with its current session key and reports this in `warning`.',
    effect: 'destructive',
    input: () => ({}),
    output: () => z.looseObject({ status: z.literal('ok'), warning: z.optional(z.string()) }),
    rawRoute: 'req=dropAllSessions',
    call: (_input, _send, call) => dropAllSessions(call),
  }),
  updatePushId: operation({
    summary: 'Register or update a device for push notifications',
    effect: 'write',
    input: () => ({
      deviceID: z.optional(text(100)),
      deviceType: z.optional(deviceType()),
      active: z.optional(z.enum(['TRUE', 'FALSE'])),
      registrationID: z.optional(text(4096)),
      projectID: z.optional(text(100)),
    }),
    output: () => z.looseObject({ status: z.literal('ok'), deviceID: z.optional(z.union([z.number(), z.string()])) }),
    call: 'req=updatePushId',
  }),
  getUserInfo: operation({
    summary: 'Read user, preferences and rights',
    effect: 'read',
    input: () => ({ sstamp: sstamp() }),
    output: userInfo,
    call: 'req=getUserInfo',
  }),
};
