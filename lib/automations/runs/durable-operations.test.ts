import { describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import { everyStep } from '../steps.ts';
import { maxOperations, operationsForItems, operationsOf, operationsPerItem } from './durable-operations.ts';
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

  test('limit how long a list may be, before any of its items begins', async () => {
    const inner = Array.from({ length: 4 }, (_, n) => ({ name: `rest${n}`, wait: { seconds: 5 } }));
    const list = (name: string, count: number, more: object = {}) => ({
      name,
      forEach: `{% [1..${count}] %}`,
      do: [say(`line_${name}`), ...inner.map((each) => ({ ...each, name: `${each.name}_${name}` }))],
      ...more,
    });
    const perItem = 1 + inner.length * 5;
    const left = operationsForItems(definitionOf({ do: [list('all', 1)] }));
    const most = Math.floor(left / perItem);
    expect(most).toBeLessThan(500);
    const run = await stage.go([list('all', most + 1)]);
    expect(run).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(`with ${perItem} operations for each this run has capacity for ${most}`),
    });
    expect(stage.calls()).toEqual([]);
    // What one list takes is not there for the next.
    const second = await stage.go([
      say('first', { forEach: '{% [1..30] %}', if: '{% false %}' }),
      list('all', most, { onError: 'continue' }),
    ]);
    expect(second).toMatchObject({ reason: expect.stringContaining('has capacity for') });
    expect(maxOperations).toBe(3000);
  });
});
