import * as z from 'zod/mini';
import { field, integer } from '../../../core/field.ts';
import { operation, token, words } from '../fields.ts';
import { poll } from '../shapes.ts';

const options = () => z.array(words(1000)).check(z.minLength(2), z.maxLength(100));
const resultMode = () => field(integer(0, 1), { description: '0 shows the votes while it runs, 1 only at the end.' });
const maxVotes = () => field(integer(0, 100), { description: 'Votes that one person has; 0 for any number.' });

/** Polls. */
export const pollOperations = {
  createPoll: operation({
    summary: 'Ask a question with answers to choose from',
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
};
