import fc from 'fast-check';
import { expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import { abandonRun } from './finish.ts';
import { cancelRun } from './pause.ts';

const stage = engineStage();
const { sent, clock } = stage;

const count = 4;
const stepMs = 60_000;
/** Steps that were interrupted are retried after a pause. */
const retriesMs = 30_000;
const say = (name: string, text: string) => ({ name, call: 'chat/demo/say', input: { text } });

/** What happens to a run: it is carried on, it dies at a boundary of its steps and is carried on later, or it ends early. */
const action = fc.record({
  run: fc.nat(count - 1),
  act: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('carry on', 'die') },
    { weight: 1, arbitrary: fc.constantFrom('abandon', 'cancel', 'let a step pass') },
  ),
  boundary: fc.integer({ min: 1, max: 4 }),
});

test('runs that take turns never overlap, and never wait without reason', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 30 }),
      fc.constantFrom('queue', 'restart'),
      fc.boolean(),
      async (actions, mode, isShort) => {
        sent.length = 0;
        const dedupe = { dedupe: { key: '{% "zone" %}', seconds: 1 } };
        const item = stage.automation({
          mode,
          ...(isShort && dedupe),
          do: [
            say('open', '{% event.data.n %}'),
            { wait: { seconds: stepMs / 1000 } },
            say('close', '{% "-" & event.data.n %}'),
          ],
        });
        /** The runs that were started, in order; an ended one is not carried on. */
        const runs: { id: string; hasEnded: boolean }[] = [];
        const carryOn = async (at: number, cut?: number) => {
          const run = runs[at];
          if (!run || run.hasEnded) return;
          const execution = stage.execution(run.id);
          execution.cutAt = cut === undefined ? undefined : execution.boundaries + cut;
          run.hasEnded = (await execution.invoke(stage.handlerOf(run.id))).done;
        };
        const start = async () => {
          clock.advance(1);
          runs.push({ id: await stage.start(item, { n: String(runs.length) }), hasEnded: false });
        };

        for (const { run: chosen, act, boundary } of actions) {
          if (chosen >= runs.length) {
            await start();
            await carryOn(runs.length - 1, act === 'die' ? boundary : undefined);
            continue;
          }
          const run = runs[chosen];
          if (!run || run.hasEnded) continue;
          if (act === 'let a step pass') clock.advance(stepMs);
          else if (act === 'abandon' || act === 'cancel') {
            if (act === 'cancel') await cancelRun(stage.services(), await stage.read(run.id), 'Enough.');
            else {
              await abandonRun(stage.services(), run.id, 'Its execution has ended.');
              run.hasEnded = true;
            }
          } else await carryOn(chosen, act === 'die' ? boundary : undefined);
        }

        // Everything that still runs is carried on to its end; time passes only where all wait.
        const quietSince = clock.now();
        for (let rounds = 0; runs.some(({ hasEnded }) => !hasEnded); rounds++) {
          expect(rounds).toBeLessThan(200);
          for (const at of runs.keys()) await carryOn(at);
          const next = runs.filter(({ hasEnded }) => !hasEnded).map(({ id }) => stage.execution(id).nextAt() ?? 0);
          if (next.length > 0) clock.time = Math.max(clock.now(), Math.min(...next));
        }
        expect(clock.now() - quietSince).toBeLessThanOrEqual(count * stepMs + retriesMs);

        const lines = sent.map(({ input }) => String(input.text));
        // Between the two lines of a run there is none of another.
        const between = lines.flatMap((line, at) => {
          const opened = line.startsWith('-') ? lines.indexOf(line.slice(1)) : -1;
          return opened < 0 ? [] : lines.slice(opened + 1, at);
        });
        expect(between, lines.join(' ')).toEqual([]);
        expect(new Set(lines).size).toBe(lines.length);
      },
    ),
    { numRuns: 60 },
  );
});
