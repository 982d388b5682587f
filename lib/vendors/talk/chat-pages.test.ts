import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startBackends, TestClock } from '../../../test/support/harness.ts';
import { passTimeWhileHeld, startTalk, type TalkUnderTest } from '../../../test/support/talk-gateway.ts';

let backends: Awaited<ReturnType<typeof startBackends>>;
beforeAll(async () => {
  backends = await startBackends();
});
afterAll(() => backends.stop());

type Era = 'A' | 'C' | 'E';
const steps = (upgrades: readonly Era[]) =>
  fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('post' as const), count: fc.integer({ min: 1, max: 7 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 4 }) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('page' as const), limit: fc.integer({ min: 1, max: 6 }) }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'again' as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
      ...upgrades.map((to) => ({ weight: 1, arbitrary: fc.constant({ kind: 'upgrade' as const, to }) })),
    ),
    { minLength: 1, maxLength: 14 },
  );

interface Message {
  id: number;
  message: string;
  timestamp: number;
  systemMessage: string;
}

describe.each([
  ['A', []],
  ['C', []],
  ['E', []],
  ['A', ['C', 'E']],
] as [Era, Era[]][])('pages of a chat that starts on era %s and is upgraded to %s', (era, upgrades) => {
  let talk: TalkUnderTest;
  beforeEach(async () => {
    const clock = new TestClock();
    talk = await startTalk(backends, { era, changelog: false, now: clock.now }, clock);
    passTimeWhileHeld(talk, clock);
  });
  afterEach(() => talk.stop());

  test('give every message once and in order, whatever comes between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 4 }), steps(upgrades), async (history, plan) => {
        talk.sandbox.setVersion({ era });
        const alice = await talk.connect('alice');
        const { token } = talk.sandbox.createRoom({ name: 'Pumps', owner: 'alice', users: ['bob'] });
        const post = (text: string) => talk.sandbox.postMessage({ token, user: 'bob', message: text });
        for (let at = 0; at < history; at++) post(`history ${at}`);
        let reader = talk.process;
        const read = (input: object) => alice.do('getChatMessages', { token, ...input }, reader);

        const first = await read({});
        const old = (first.messages as Message[]).filter((each) => each.systemMessage === '');
        expect(old.map((each) => each.message)).toEqual(Array.from({ length: history }, (_, at) => `history ${at}`));
        let cursor: string = first.cursor;
        const posted: string[] = [];
        const given: Message[] = [];
        const asked: Message[][] = [];
        const again: Message[][] = [];
        const page = async (limit: number) => {
          const before = cursor;
          const answer = await read({ after: cursor, limit });
          cursor = answer.cursor;
          given.push(...answer.messages);
          return { before, answer };
        };
        for (const step of plan) {
          if (step.kind === 'post') {
            for (let at = 0; at < step.count; at++) posted.push(`m${posted.length}`);
            for (const text of posted.slice(-step.count)) post(text);
          } else if (step.kind === 'pass') talk.sandbox.advance(step.seconds * 1000);
          else if (step.kind === 'page') await page(step.limit);
          else if (step.kind === 'restart') reader = talk.newProcess();
          else if (step.kind === 'upgrade') talk.sandbox.setVersion({ era: step.to });
          else {
            // The same cursor a second time gives the same again: nothing is kept but in the cursor.
            const { before, answer } = await page(3);
            const same = await read({ after: before, limit: 3 });
            asked.push(answer.messages);
            again.push(same.messages);
          }
        }
        for (let last = -1; last !== given.length && given.length < 300; ) {
          last = given.length;
          await page(5);
        }
        const ids = (pages: Message[][]) => pages.map((messages) => messages.map(({ id }) => id));
        expect(ids(again)).toEqual(ids(asked));
        const said = given.filter((each) => each.systemMessage === '');
        expect(said.map((each) => each.message)).toEqual(posted);
        expect(new Set(given.map((each) => each.id)).size).toBe(given.length);
      }),
      { numRuns: 12, endOnFailure: true },
    );
    // An upgrade is discovered by asking in the old way once.
    expect(upgrades.length > 0 || talk.complaints().length === 0).toBe(true);
  });
});
