import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { operation, token, words } from '../fields.ts';
import { poll } from '../shapes.ts';

const options = () => z.array(words(1000)).check(z.minLength(2), z.maxLength(100));
const resultMode = () =>
  field(integer(0, 1), { description: '0 shows votes while the poll is open, 1 only after it is closed.' });
const maxVotes = () => field(integer(0, 100), { description: 'Votes per person; 0 for any number.' });

const pollMissing = { 404: 'No such room or poll' };

/** Polls. */
export const pollOperations = {
  createPoll: operation({
    summary: 'Create a poll',
    effect: 'write',
    creates: true,
    since: '15',
    call: 'POST poll/{token}',
    errors: { 400: 'Not a group or public room, or not enough options', 403: 'The account may not write in the room' },
    input: () => ({
      token: token(),
      question: words(32_000),
      options: options(),
      resultMode: z._default(resultMode(), 0),
      maxVotes: z._default(maxVotes(), 0),
    }),
    output: poll,
    example: { token: 'vebpramj', question: 'Who takes the night shift?', options: ['Ada', 'Bob'] },
  }),
  getPoll: operation({
    summary: 'Get a poll with its votes',
    description: 'Votes are visible once the poll is closed or, with resultMode 0, once the account has voted.',
    effect: 'read',
    since: '15',
    call: 'GET poll/{token}/{pollId}',
    errors: pollMissing,
    input: () => ({ token: token(), pollId: integer(1) }),
    output: poll,
  }),
  votePoll: operation({
    summary: 'Vote in a poll',
    effect: 'write',
    since: '15',
    call: 'POST poll/{token}/{pollId}',
    errors: {
      ...pollMissing,
      400: 'An option that does not exist, or more than maxVotes',
      '400 poll': 'The poll is closed',
    },
    input: () => ({
      token: token(),
      pollId: integer(1),
      optionIds: field(z.array(integer(0, 1000)).check(z.maxLength(100)), {
        description:
          'Indexes in the list of options, starting at 0. They replace previous votes; an empty list removes them.',
      }),
    }),
    output: poll,
    example: { token: 'vebpramj', pollId: 7, optionIds: [0] },
  }),
  closePoll: operation({
    summary: 'Close a poll',
    effect: 'write',
    since: '15',
    call: 'DELETE poll/{token}/{pollId}',
    errors: {
      ...pollMissing,
      400: 'The poll is closed already',
      403: 'Neither the author of the poll nor a moderator',
    },
    input: () => ({ token: token(), pollId: integer(1) }),
    output: poll,
  }),
};
