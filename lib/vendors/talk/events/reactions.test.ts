import { expect, test } from 'vitest';
import { awaitingPush, identifyReaction, reactionEvent } from './reactions.ts';

const on = {
  token: 'addtqiur',
  roomName: 'Reaction case',
  messageId: 854,
  actorType: 'users',
  actorId: 'carol',
  actorDisplayName: 'carol',
  time: '2026-11-26T15:39:48.000Z',
};
const event = (answer: Parameters<typeof reactionEvent>[2]) => reactionEvent({ place: 'cloud' }, on, answer);
const like = (emoji: string, push: string) => event({ added: true, emoji, push });
const undo = (emoji: string, push: string) => event({ added: false, emoji, push });
const added = (line: number, emoji?: string) => event({ added: true, emoji, line });
const revoked = (line: number) => event({ added: false, line });

/** The last segment of each id with what is reported, in order; undefined if nothing is reported. */
function tell(...events: ReturnType<typeof event>[]) {
  let known: unknown;
  return events.map((each) => {
    const next = identifyReaction(known, each);
    // As stored in the table.
    known = JSON.parse(JSON.stringify(next.known));
    return next.event && `${next.event.id.split('/').at(-1)} ${next.event.type} ${next.event.data.reaction}`;
  });
}

const received = ['1 talk.reaction.added 👍', '1 talk.reaction.removed 👍', '2 talk.reaction.added 👍'];
const pushes = () => [like('👍', 'a'), undo('👍', 'b'), like('👍', 'c')];
const lines = () => [added(855), revoked(856), added(857, '👍')];

test('added, removed and added again is three events, whichever source reports them first', () => {
  expect(tell(...pushes())).toEqual(received);
  expect(tell(...pushes(), ...lines()).slice(3)).toEqual([undefined, ...received.slice(1)]);
  expect(tell(...lines())).toEqual([undefined, '1 talk.reaction.removed null', '2 talk.reaction.added 👍']);
  expect(tell(...lines(), ...pushes()).slice(3)).toEqual(received);
});

test('a repeated report is the same event', () => {
  expect(tell(...pushes(), ...pushes()).slice(3)).toEqual(received);
  expect(tell(...lines(), ...lines()).slice(3)).toEqual(tell(...lines()));
});

test('the chat supplies what a lost push would have reported', () => {
  expect(tell(like('👍', 'a'), like('👍', 'c'), ...lines()).slice(2)).toEqual([undefined, ...received.slice(1)]);
  expect(tell(undo('👍', 'b'), like('👍', 'c'), ...lines()).slice(2)).toEqual([undefined, ...received.slice(1)]);
  expect(tell(like('👍', 'a'), undo('👍', 'b'), ...lines()).slice(2)).toEqual([undefined, ...received.slice(1)]);
});

test('a line that was read before its removal names the reaction that is removed later', () => {
  expect(tell(added(855, '👍'), revoked(856))).toEqual(received.slice(0, 2));
  const several = tell(added(855, '👍'), added(856, '🎉'), revoked(857), revoked(858));
  expect(several.slice(2)).toEqual(['3 talk.reaction.removed null', '4 talk.reaction.removed null']);
});

test('many additions and removals keep their ids although the first ones are dropped', () => {
  const many = Array.from({ length: 120 }, (_, at) => [like('👍', `a${at}`), undo('👍', `b${at}`)]).flat();
  const ids = tell(...many);
  expect(new Set(ids).size).toBe(240);
  expect(ids.at(-1)).toBe('120 talk.reaction.removed 👍');
});

test('a removal without an emoji is no event while a push may still name it', () => {
  const [early] = [awaitingPush(revoked(856))];
  if (!early) throw new Error('A removal can await its push');
  expect(tell(added(855), early, undo('👍', 'b'), revoked(856))).toEqual([
    undefined,
    undefined,
    received[1],
    received[1],
  ]);
  expect(tell(added(855), early, revoked(856))).toEqual([undefined, undefined, '1 talk.reaction.removed null']);
  // One whose addition was read alive is known at once.
  expect(tell(added(855, '👍'), early)).toEqual(received.slice(0, 2));
  expect(awaitingPush(added(855, '👍'))).toBeUndefined();
});
