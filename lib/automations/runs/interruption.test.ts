import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';

const stage = engineStage();
const { calls, sent, clock } = stage;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
const chat = { name: 'chat', call: 'chat/demo/say', input: { text: 'alarm' } };
const key = { key: '{% event.data.zone %}', seconds: 300 };

describe('an interrupted run', () => {
  const steps = (startedId: string) => [
    { name: 'channels', call: 'radio/demo/read', onError: 'continue' },
    { ...siren, input: { id: '{% steps.channels.output.ok ? 1 : 2 %}' }, onError: 'continue' },
    { name: 'keep', remember: { key: 'last', value: '{% run.id %}' } },
    {
      parallel: [
        [chat],
        [
          { name: 'plan', set: 1 },
          { name: 'row', call: 'table/demo/say', input: { text: 'row' } },
        ],
      ],
    },
    { name: 'pause', wait: { seconds: 60 } },
    { name: 'answer', waitFor: { event: 'test.answered', seconds: 60 } },
    {
      name: 'people',
      forEach: '{% [1, 2] %}',
      do: [{ name: 'line', call: 'chat/demo/say', input: { id: '{% item %}' } }],
    },
    {
      name: 'again',
      repeat: {
        do: [{ name: 'beat', call: 'table/demo/say', input: { text: '{% "beat " & item %}' } }],
        until: '{% item = 2 %}',
        max: 3,
        everySeconds: 10,
      },
    },
    { name: 'more', start: startedId, forEach: '{% ["a", "b"] %}', input: { n: '{% item %}' } },
    { name: 'last', call: 'table/demo/say', input: { text: 'last' }, after: ['siren'] },
  ];
  const other = async () => {
    const item = stage.automation({ when: { event: 'trunkline.automation.started' }, do: [{ name: 'plan', set: 1 }] });
    await stage.table().put({ ...item });
    return item;
  };

  /** Carries a run out that dies at some boundaries of its steps, each time at another. */
  async function cutAt(boundaries: readonly number[]) {
    sent.length = 0;
    const started = await other();
    const item = stage.automation({ dedupe: key, do: steps(started.id) });
    const id = await stage.start(item, { zone: 'Z1' });
    const execution = stage.execution(id);
    const left = [...boundaries];
    const handler = stage.handlerOf(id);
    for (;;) {
      execution.cutAt = left[0];
      const end = await execution.invoke(handler);
      if (end.done) break;
      if (execution.cutAt !== undefined && execution.boundaries >= execution.cutAt) left.shift();
      const next = execution.nextAt();
      if (next !== undefined) clock.time = Math.max(clock.now(), next);
    }
    const { boundaries: passed } = execution;
    return { run: await stage.read(id), boundaries: passed, item, started: await stage.runs(started.id) };
  }

  test('at any boundary of its steps ends, loses no alarm, and repeats no write except an SOS', async () => {
    const { run: whole, boundaries } = await cutAt([]);
    expect(whole.state).toBe('succeeded');
    const writes = () =>
      sent
        .filter(({ call }) => !call.endsWith('/read') && call !== 'radio/siren')
        .map(({ call, input }) => `${call} ${JSON.stringify(input)}`);
    const all = writes().toSorted();
    expect(new Set(all).size).toBe(7);
    const complete = { writes: all, started: 2, keep: true };
    const succeeded: object[] = [];
    for (let boundary = 1; boundary <= boundaries; boundary++) {
      const { run, started, item } = await cutAt([boundary]);
      const where = `cut at ${boundary}`;
      // No write is made twice.
      expect(new Set(writes()).size, where).toBe(writes().length);
      // A missing one is reported: by a step that is unknown, and by the run.
      const unknown = Object.values(run.steps).filter(({ state }) => state === 'unknown').length;
      expect(['succeeded', 'partial', 'failed'], where).toContain(run.state);
      expect(run.state === 'succeeded', where).toBe(unknown === 0);
      const keep = isDeepStrictEqual(run.steps.keep?.output, { written: true, value: run.id });
      if (run.state === 'succeeded') succeeded.push({ writes: writes().toSorted(), started: started.length, keep });
      const sirens = calls().filter((call) => call === 'radio/siren').length;
      expect(sirens, where).toBeGreaterThanOrEqual(1);
      expect(sirens, where).toBeLessThanOrEqual(2);
      expect(await stage.runs(item.id), where).toHaveLength(1);
    }
    expect(new Set(succeeded.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(complete)]));
  });

  test('several times ends as well', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 70 }), { minLength: 2, maxLength: 4 }),
        async (list) => {
          const { run } = await cutAt(list.sort((one, other) => one - other));
          expect(run.state).not.toBe('running');
          expect(calls().filter((call) => call === 'radio/siren').length).toBeGreaterThanOrEqual(1);
          const lines = sent.filter(({ call }) => call === 'chat/say').map(({ input }) => JSON.stringify(input));
          expect(new Set(lines).size).toBe(lines.length);
        },
      ),
      { numRuns: 15 },
    );
  });
});
