import { describe, expect, test } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import { everyStep } from '../steps.ts';
import { operationsOf, operationsPerItem } from './durable-operations.ts';
import { definitionOfRun } from './runs.ts';

const stage = engineStage();
const say = (name: string, more: object = {}) => ({ name, call: 'chat/demo/say', input: { text: 'x' }, ...more });
const definitionOf = (wanted: object) => {
  const item = stage.automation({ ...wanted });
  return definitionOfRun({ definition: item.definition } as never);
};

describe('the durable operations of a run', () => {
  test('are counted as the engine takes them', async () => {
    const wanted = {
      cancelOn: { event: 'test.answered' },
      do: [
        say('one'),
        { name: 'plan', set: 1 },
        { name: 'keep', remember: { key: 'k', value: 1 } },
        { name: 'pause', wait: { seconds: 5 } },
        { name: 'answer', waitFor: { event: 'test.other', seconds: 5 } },
        { name: 'both', parallel: [[say('left')], [say('right'), { wait: { seconds: 5 } }]] },
        { name: 'again', repeat: { do: [say('beat')], until: '{% item = 3 %}', max: 3, everySeconds: 5 } },
        say('list', { forEach: '{% [1, 2] %}' }),
        { name: 'people', forEach: '{% [1, 2, 3] %}', do: [say('line'), { name: 'rest', wait: { seconds: 5 } }] },
      ],
    };
    const id = await stage.start(stage.automation(wanted));
    await stage.finish(id);
    expect((await stage.read(id)).state).toBe('succeeded');
    const definition = definitionOf(wanted);
    const lists: Record<string, number> = { list: 2, people: 3 };
    const items = everyStep(definition.do).reduce(
      (sum, each) => sum + (lists[each.name] ?? 0) * operationsPerItem(each),
      0,
    );
    // The stage counts a wait as one operation, and AWS as three: 3 waits, 2 pauses between rounds, 3 in the list, the watch for `cancelOn`.
    const waits = 3 + 2 + 3 + 1;
    // Whether the watch has ended is not decided when the run ends.
    const watchEnd = 1;
    expect(stage.execution(id).names.length + 2 * waits + watchEnd).toBe(operationsOf(definition) + items);
  });

  describe('beyond what one execution may have', () => {
    const small = { maxOperations: 260 };
    const run = async (steps: object[]) => {
      const id = await stage.start(stage.automation({ do: steps }));
      await stage.finish(id, undefined, small);
      return stage.read(id);
    };
    /** As AWS counts them: the stage counts a wait as one operation. */
    const operationsIn = (name: string, waits: RegExp) => {
      const { names } = stage.execution(name);
      return names.length + 2 * names.filter((each) => waits.test(each)).length;
    };

    test('are taken by further executions, with every item of a list once and in order', async () => {
      const read = await run([
        { name: 'greeting', set: 'hello', secret: true },
        {
          name: 'all',
          forEach: '{% [1..8] %}',
          do: [
            say('line', { input: { text: '{% steps.greeting.output & " " & item %}' } }),
            { name: 'rest', wait: { seconds: 5 } },
          ],
        },
        say('more', { forEach: '{% [9..60] %}', concurrency: 1, input: { text: '{% "hello " & item %}' } }),
        { name: 'others', start: 'Other', forEach: '{% [1..20] %}', onError: 'continue' },
        say('last', { input: { text: '{% $string($count(steps.all.output)) & $count(steps.others.errors) %}' } }),
      ]);
      expect(read).toMatchObject({ state: 'partial', reason: expect.stringContaining('no automation') });
      const texts = stage.sent.map(({ input }) => input.text);
      expect(texts).toEqual([...Array.from({ length: 60 }, (_, n) => `hello ${n + 1}`), '820']);
      const executions = stage.executionsOf(read.id);
      expect(executions.length).toBeGreaterThan(3);
      for (const name of executions) expect(operationsIn(name, /^rest\[\d+\]$/)).toBeLessThanOrEqual(260);
      expect(executions.map((name) => stage.execution(name).kept).join()).not.toContain('"hello"');
    });

    test('are not taken by the retries of a list whose vendor is down', async () => {
      stage.when('chat', () => trouble.down());
      const read = await run([say('line', { forEach: '{% [1..6] %}', onError: 'continue', concurrency: 4 })]);
      expect(read).toMatchObject({ state: 'failed', reason: expect.stringContaining('(and 5 more)') });
      expect(Object.values(read.steps).map(({ attempts }) => attempts)).toEqual(Array.from({ length: 6 }, () => 6));
      const executions = stage.executionsOf(read.id);
      expect(executions.length).toBeGreaterThan(2);
      for (const name of executions) expect(operationsIn(name, / pause /)).toBeLessThanOrEqual(260);
    });

    test('are not taken by the parts of a list, of whose items each may take as many as an execution', async () => {
      stage.when('chat', () => trouble.down());
      const often = { onError: 'continue', retry: { attempts: 8, seconds: 1 } };
      const read = await run([say('line', { forEach: '{% [1..70] %}', ...often })]);
      expect(read).toMatchObject({ state: 'failed', reason: expect.stringContaining('(and 69 more)') });
      expect(Object.values(read.steps).map(({ attempts }) => attempts)).toEqual(Array.from({ length: 70 }, () => 8));
      const executions = stage.executionsOf(read.id);
      expect(executions.length).toBeGreaterThan(60);
      for (const name of executions) expect(operationsIn(name, / pause | part \d+$/)).toBeLessThanOrEqual(260);
    });

    test('are exceeded by no item but one that is carried out alone', async () => {
      const often = { retry: { attempts: 20, seconds: 1 } };
      const read = await run([
        { name: 'all', forEach: '{% [1..5] %}', concurrency: 3, do: [say('line', often), say('again', often)] },
      ]);
      expect(read.state).toBe('succeeded');
      expect(stage.sent).toHaveLength(10);
    });

    test('are needed for as many items as there are, or for the parts', async () => {
      const states = async (left: number, items: number) => {
        const id = await stage.start(stage.automation({ do: [say('line', { forEach: `{% [1..${items}] %}` })] }));
        // A run with one list begins, ends, and finds its items; 200 operations are reserved.
        await stage.finish(id, undefined, { maxOperations: 203 + left });
        return (await stage.read(id)).state;
      };
      expect(await states(3, 3)).toBe('succeeded');
      expect(await states(3, 4)).toBe('failed');
      expect(await states(4, 5)).toBe('succeeded');
    });

    test('are left for the retries of the calls beside a list', async () => {
      stage.when('table', () => trouble.down());
      const others = Array.from({ length: 12 }, (_, n) => ({
        name: `other${n}`,
        call: 'table/demo/say',
        onError: 'continue',
      }));
      const read = await run([...others, say('line', { forEach: '{% [1..40] %}', concurrency: 1 })]);
      expect(read.state).toBe('partial');
      expect(stage.calls()).toEqual(Array.from({ length: 40 }, () => 'chat/say'));
      for (const name of stage.executionsOf(read.id))
        expect(operationsIn(name, / pause | part \d+$/)).toBeLessThanOrEqual(260);
    });

    test('do not continue a list after an item that ends it', async () => {
      stage.when('chat', ({ input }) => (input.text === '61' ? trouble.refused() : { ok: true }));
      const read = await run([
        say('line', { forEach: '{% [1..80] %}', concurrency: 1, input: { text: '{% $string(item) %}' } }),
      ]);
      expect(read).toMatchObject({ state: 'failed', reason: 'Step line: No such channel.' });
      expect(stage.sent).toHaveLength(60);
    });

    test('end the run if they cannot be taken', async () => {
      const id = await stage.start(stage.automation({ do: [say('line', { forEach: '{% [1..80] %}' })] }));
      const { files } = stage.services();
      const unreadable = { ...files, get: () => Promise.reject(new Error('No disk.')) };
      await expect(stage.finish(id, undefined, { ...small, files: unreadable })).rejects.toThrow('No disk.');
      expect(await stage.read(id)).toMatchObject({ state: 'failed', reason: 'The run could not continue: No disk.' });
      // The execution that waits for it ends as well.
      await expect(stage.finish(id, undefined, small)).rejects.toThrow('has ended early');
    });

    test('are shared by the lists that run at the same time', async () => {
      const list = (name: string) =>
        say(name, {
          forEach: '{% [1..20] %}',
          onError: 'continue',
          concurrency: 1,
          retry: { attempts: 1, seconds: 1 },
        });
      const read = await run([list('one'), list('two'), list('three')]);
      expect(read.state).toBe('succeeded');
      expect(stage.sent).toHaveLength(60);
      for (const name of stage.executionsOf(read.id))
        expect(stage.execution(name).names.length).toBeLessThanOrEqual(260);
    });

    test('are not available to a list if the other steps may take them all', async () => {
      const often = { name: 'often', repeat: { do: [say('one'), say('two')], until: '{% true %}', max: 40 } };
      const read = await run([often, say('line', { forEach: '{% [1..10] %}', input: { text: 'too many' } })]);
      expect(read).toMatchObject({
        state: 'failed',
        reason: expect.stringContaining('leave this run no capacity for them'),
      });
      expect(stage.sent.map(({ input }) => input.text)).toEqual(['x', 'x']);
    });
  });
});
