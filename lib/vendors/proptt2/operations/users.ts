import * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import { named, text } from '../../../core/field.ts';
import {
  created,
  done,
  message,
  messageId,
  operation,
  password,
  recordsIn,
  user,
  userId,
  userType,
} from '../fields.ts';

const email = () => z.optional(z.string());
const description = () => z.optional(z.string());
/** Users as lists answer them. */
export const userList = () => named('UserList', z.looseObject({ users: z.array(user()) }));

const createUserErrors = {
  400: 'A parameter of the user is not valid',
  406: 'The licence allows no more users',
  412: 'There is a user with this strId already',
};
const newUser = () => ({
  strId: text(200),
  password: password(),
  name: text(200),
  type: userType(),
  email: email(),
  description: description(),
  ensure: z.optional(z.boolean()),
});
const userChange = () => ({
  userId: userId(),
  name: text(200),
  type: z.optional(userType()),
  email: email(),
  description: description(),
  authToken: z.optional(text(500)),
  merge: z.optional(z.boolean()),
});

/** Users of the company. */
export const users = {
  getUserList: operation({
    summary: 'List the users with their last positions',
    effect: 'read',
    call: 'GET /users',
    input: () => ({}),
    output: userList,
  }),
  createUser: operation({
    summary: 'Create a user',
    description:
      "With `ensure: true`, an id that is taken already returns the existing user's id and `existing: true`.",
    effect: 'write',
    errors: createUserErrors,
    input: newUser,
    output: created,
    rawRoute: 'POST /users',
    call: async ({ ensure, ...fields }, sendRequest) => {
      try {
        return createdBody(await sendRequest('POST /users', fields));
      } catch (error) {
        if (!ensure || !(error instanceof GatewayError) || error.vendorCode !== '412') throw error;
        const users = recordsIn(await sendRequest('GET /users', {}), 'users');
        const named = (each: Record<string, unknown>) => String(each.strId ?? '');
        const existing =
          users.find((each) => named(each) === fields.strId) ??
          users.find((each) => named(each).split('@')[0] === fields.strId);
        if (existing?.id === undefined) throw error;
        return { ...createdBody({ id: existing.id }), existing: true };
      }
    },
    example: { strId: 'kim@company.ptt', password: 'a long password', name: 'Kim', type: 50 },
  }),
  getUser: operation({
    summary: 'Get a user',
    effect: 'read',
    call: 'GET /users/{userId}',
    input: () => ({ userId: userId() }),
    output: user,
  }),
  updateUser: operation({
    summary: 'Change a user',
    description:
      'The vendor may clear fields that you omit; `merge: true` reads the user first and sends all of its fields.',
    effect: 'write',
    input: userChange,
    output: done,
    rawRoute: 'PUT /users/{userId}',
    call: async ({ merge, ...fields }, sendRequest) => {
      const known = merge ? await sendRequest('GET /users/{userId}', { userId: fields.userId }) : {};
      const { type: knownType, email, description } = known as Record<string, unknown>;
      // Types 20 and 21 are devices: the vendor returns them but does not accept them as input.
      const type = Number(knownType) >= 50 ? Number(knownType) : undefined;
      const body = { type, email, description, ...fields };
      return (await sendRequest('PUT /users/{userId}', body)) as { code: string };
    },
  }),
  deleteUser: operation({
    summary: 'Delete a user',
    effect: 'destructive',
    call: 'DELETE /users/{userId}',
    input: () => ({ userId: userId() }),
    output: done,
  }),
  sendMessageToUser: operation({
    summary: 'Send a text message to a user',
    effect: 'write',
    since: '1.2',
    call: 'POST /users/{userId}/sendMessage',
    input: () => ({ userId: userId(), messageId: messageId(), message: message() }),
    output: done,
    example: { userId: 1, message: 'JOB 117829 Leak, B2' },
  }),
};

/** The output schema normalises the vendor's body; here it only passes through. */
const createdBody = (body: unknown) => body as { id: number };
