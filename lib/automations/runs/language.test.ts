import { beforeEach, describe, expect, test, vi } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import type { AutomationItem } from '../automations.ts';
import { beginRun } from './begin.ts';
import { abandonRun } from './finish.ts';
import { cancelRun } from './pause.ts';
import { endRun, findRun } from './runs.ts';

const stage = engineStage();
const { go, when, calls, sent, clock, publish } = stage;

const say = (name: string, text: string, more: object = {}) => ({
  name,
  call: 'chat/demo/say',
  input: { text },
  ...more,
});
const texts = () => sent.map(({ input }) => input.text);

describe('forEach around several steps', () => {
  const each = (more: object = {}) => ({
    name: 'people',
    forEach: '{% event.data.list %}',
    do: [
      { name: 'make', call: 'radio/demo/read', input: { text: '{% item %}' } },
      say('tell', '{% item & " " & steps.make.output.id %}'),
    ],
    ...more,
  });

  test('runs them for each item in order, and each sees its own results', async () => {
    when('radio/read', ({ input }) => ({ id: `id of ${input.text}` }));
    const run = await go([each(), { name: 'ids', set: '{% steps.people.output.make.output.id %}' }], {
      list: ['a', 'b', 'c'],
    });
    expect(texts()).toEqual(['a', 'a id of a', 'b', 'b id of b', 'c', 'c id of c']);
    expect(run.steps.ids?.output).toEqual(['id of a', 'id of b', 'id of c']);
    expect(run.steps['tell[2]']).toMatchObject({ state: 'succeeded', input: { text: 'c id of c' } });
    expect(run.state).toBe('succeeded');
  });

  test('with `continue`, processes the items after one that fails, and lists each error', async () => {
    when('radio/read', ({ input }) => (input.text === 'b' ? trouble.refused() : { id: 1 }));
    const run = await go([each({ onError: 'continue' }), { name: 'errors', set: '{% steps.people.errors %}' }], {
      list: ['a', 'b', 'c'],
    });
    expect(texts()).toEqual(['a', 'a 1', 'c', 'c 1']);
    expect(run.steps.errors?.output).toMatchObject([null, { code: 'vendor_bad_request' }, null]);
    expect(run).toMatchObject({ state: 'partial', reason: 'Step make: No such channel.' });
  });

  test('without it, starts no further item, and the run stops', async () => {
    when('radio/read', trouble.refused);
    const run = await go([each(), say('never', 'x')], { list: ['a', 'b'] });
    expect(run).toMatchObject({ state: 'failed', reason: 'Step make: No such channel.' });
    expect(run.steps['make[1]'] ?? run.steps.never).toBeUndefined();
  });

  test('ends at an error in `stopOn`, and the run continues with `continue`', async () => {
    when('radio/read', ({ input }) => (input.text === 'b' ? trouble.refused() : { id: 1 }));
    const run = await go([each({ onError: 'continue', stopOn: ['vendor_bad_request'] }), say('after', 'after')], {
      list: ['a', 'b', 'c'],
    });
    expect(texts()).toEqual(['a', 'a 1', 'after']);
    expect(run.state).toBe('partial');
  });

  test('counts each item: a list of which one fails is partial', async () => {
    when('chat/say', ({ input }) => (input.text === 2 ? trouble.refused() : { ok: true }));
    const run = await go(
      [
        {
          name: 'lines',
          call: 'chat/demo/say',
          forEach: '{% [1, 2, 3] %}',
          input: { id: '{% item %}' },
          onError: 'continue',
        },
      ],
      {},
    );
    expect(run.state).toBe('succeeded');
    when('chat/say', ({ input }) => (input.id === 2 ? trouble.refused() : { ok: true }));
    const partial = await go([
      {
        name: 'lines',
        call: 'chat/demo/say',
        forEach: '{% [1, 2, 3] %}',
        input: { id: '{% item %}' },
        onError: 'continue',
      },
    ]);
    expect(partial.state).toBe('partial');
    expect(partial.steps['lines[1]']).toMatchObject({ state: 'failed', input: { id: 2 }, attempts: 1 });
  });

  test('processes as many items at a time as `concurrency` says, and keeps their order in the output', async () => {
    when('radio/read', ({ input }) => ({ id: input.text }));
    const run = await go([each({ concurrency: 3 }), { name: 'ids', set: '{% steps.people.output.make.output.id %}' }], {
      list: ['a', 'b', 'c', 'd'],
    });
    expect(run.steps.ids?.output).toEqual(['a', 'b', 'c', 'd']);
    expect(new Set(texts().slice(0, 3))).toEqual(new Set(['a', 'b', 'c']));
    expect(texts().slice(3, texts().indexOf('d'))).not.toEqual([]);
  });

  test('takes nothing and null for an empty list, and a single value for a list of one', async () => {
    const run = await go(
      [
        each({ name: 'none', forEach: '{% event.data.nothing %}', do: [{ name: 'a', set: 1 }] }),
        each({ name: 'empty', forEach: '{% event.data.list %}', do: [{ name: 'b', set: 1 }] }),
        each({ name: 'one', forEach: '{% "x" %}', do: [{ name: 'c', set: '{% item %}' }] }),
        {
          name: 'sum',
          set: '{% $map([steps.none, steps.empty, steps.one], function($each) {$count($each.output)}) %}',
        },
      ],
      { list: null },
    );
    expect(run.steps.sum?.output).toEqual([0, 0, 1]);
  });

  test('is skipped as a whole if its condition does not hold', async () => {
    const run = await go([each({ if: '{% false %}' }), { name: 'left', set: '{% steps.people.output = null %}' }], {
      list: ['a'],
    });
    expect(run).toMatchObject({ state: 'succeeded', steps: { people: { state: 'skipped' }, left: { output: true } } });
    expect(sent).toEqual([]);
  });

  test('fails if its list cannot be evaluated, and stops the run unless it has `continue`', async () => {
    const broken = { forEach: '{% $parse("{") %}' };
    const reason = expect.stringContaining('Step people: An expression failed');
    expect(await go([each(broken), say('after', 'x')])).toMatchObject({ state: 'failed', reason });
    expect(texts()).toEqual([]);
    const run = await go([each({ ...broken, onError: 'continue' }), say('after', 'x')]);
    expect(run).toMatchObject({ state: 'partial', reason, steps: { people: { state: 'failed' } } });
    expect(texts()).toEqual(['x']);
  });

  test('starts no further item, and no later step, if the run is cancelled', async () => {
    const item = stage.automation({
      do: [each({ do: [say('tell', '{% item %}'), { wait: { seconds: 60 } }] }), say('after', 'x')],
    });
    const id = await stage.start(item, { list: ['a', 'b'] });
    await stage.finish(id, async () => {
      await cancelRun(stage.services(), await stage.read(id), 'Stopped.');
    });
    expect((await stage.read(id)).state).toBe('cancelled');
    expect(texts()).toEqual(['a']);
  });

  test('continues a list of calls after an item that is skipped, and after one that fails if it has `continue`', async () => {
    const list = { ...say('list', '{% item %}'), forEach: '{% ["1", "2", "3"] %}', concurrency: 1 };
    const skipping = await go([{ ...list, if: '{% item != "2" %}' }]);
    expect(texts()).toEqual(['1', '3']);
    expect(skipping).toMatchObject({ state: 'succeeded', steps: { list: { state: 'succeeded' } } });
    when('chat', ({ input }) => (input.text === '2' ? trouble.refused() : { ok: true }));
    sent.length = 0;
    await go([{ ...list, onError: 'continue', stopOn: ['not_found'] }]);
    expect(texts()).toEqual(['1', '3']);
    for (const ending of [{ onError: 'continue', stopOn: ['vendor_bad_request'] }, {}]) {
      sent.length = 0;
      const run = await go([{ ...list, ...ending }]);
      expect(texts()).toEqual(['1']);
      expect(run.steps['list[2]']).toBeUndefined();
    }
  });

  test('is tried again if the items cannot be read just now', async () => {
    const id = await stage.start(stage.automation({ do: [{ ...say('list', 'x'), forEach: '{% [memo.none, 1] %}' }] }));
    const read = vi.spyOn(stage.table(), 'queryAll').mockRejectedValueOnce(new Error('The database is away.'));
    await stage.finish(id);
    read.mockRestore();
    expect(await stage.read(id)).toMatchObject({ state: 'succeeded' });
    expect(texts()).toEqual(['x']);
  });

  test('takes 2,000 items', async () => {
    when('chat', trouble.refused);
    const run = await go([{ ...say('list', 'x'), forEach: '{% [1..2000] %}', concurrency: 1 }]);
    expect(run.reason).toBe('Step list: No such channel.');
  });

  test('refuses a list that is too long', async () => {
    const run = await go([each()], { list: Array.from({ length: 2_001 }, () => 1) });
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('2001 items') });
  });
});

describe('memory', () => {
  test('lasts from run to run, for `seconds`', async () => {
    const item = stage.automation({
      do: [
        { name: 'before', set: '{% memo.last %}' },
        { name: 'keep', remember: { key: 'last', value: '{% event.data.n %}', seconds: 60 } },
        { name: 'after', set: '{% memo.last %}' },
      ],
    });
    const turn = async (n: number) => {
      const id = await stage.start(item, { n });
      await stage.finish(id);
      const { steps } = await stage.read(id);
      return [steps.before?.output, steps.after?.output];
    };
    expect(await turn(1)).toEqual([null, 1]);
    expect(await turn(2)).toEqual([1, 2]);
    clock.advance(60_000);
    expect(await turn(3)).toEqual([null, 3]);
  });

  test('is written only if it contains the expected value', async () => {
    const run = await go([
      { name: 'first', remember: { key: 'owner {% 1 %}', value: 'a', expect: null } },
      { name: 'second', remember: { key: 'owner 1', value: 'b', expect: null } },
      { name: 'third', remember: { key: 'owner 1', value: 'c', expect: '{% steps.first.output.value %}' } },
      { name: 'gone', remember: { key: 'owner 1', value: null } },
      { name: 'rest', set: '{% $lookup(memo, "owner 1") %}' },
    ]);
    expect(run.steps).toMatchObject({
      first: { output: { written: true, value: 'a' } },
      second: { output: { written: false, value: 'a' } },
      third: { output: { written: true, value: 'c' } },
      rest: { output: null },
    });
  });

  test('is not quoted in the reason of a run whose condition reads it', async () => {
    const item = stage.automation({
      if: '{% $exists(memo.last) ? memo.last : true %}',
      do: [{ name: 'keep', remember: { key: 'last', value: 'the words' } }],
    });
    const turn = async () => {
      const id = await stage.start(item);
      await stage.finish(id);
      return stage.read(id);
    };
    expect(await turn()).toMatchObject({ state: 'succeeded' });
    expect(await turn()).toMatchObject({ state: 'skipped', reason: 'Its condition does not hold.' });
  });

  test('is one automation’s own', async () => {
    await go([{ name: 'keep', remember: { key: 'mine', value: 1 } }]);
    const run = await go([{ name: 'read', set: '{% $string(memo) %}' }]);
    expect(run.steps.read?.output).toBe('{}');
  });
});

describe('start', () => {
  const other = async (scopes = ['*/*/*']) => {
    const item = { ...stage.automation({ name: 'Other', do: [say('hello', '{% event.data.who %}')] }), scopes };
    await stage.table().put(item);
    return item;
  };

  test('starts another automation once for each item, and continues', async () => {
    const item = await other();
    const run = await go([
      { name: 'all', start: item.id, forEach: '{% ["a", "b"] %}', input: { who: '{% item %}' } },
      say('after', 'after'),
    ]);
    expect(run.state).toBe('succeeded');
    const started = await stage.runs(item.id);
    expect(started).toHaveLength(2);
    const ids = [run.steps.all, run.steps['all[1]']].map((step) => step?.output);
    expect(ids).toEqual(expect.arrayContaining(started.map(({ id }) => ({ runId: id }))));
    for (const { id } of started) await stage.finish(id);
    expect(new Set(texts())).toEqual(new Set(['after', 'a', 'b']));
  });

  test('starts one run with its input, whose id the later steps see', async () => {
    const item = await other();
    for (const [step, who] of [
      [{ input: { who: 'a' } }, 'a'],
      [{ forEach: '{% ["x"] %}' }, undefined],
      [{}, undefined],
    ] as const) {
      const run = await go([
        { name: 'one', start: item.id, ...step },
        say('after', '{% $string(steps.one.output.runId) %}'),
      ]);
      const { runId } = (run.steps.one?.output ?? {}) as { runId?: string };
      expect(run).toMatchObject({ state: 'succeeded', steps: { one: { state: 'succeeded', attempts: 1 } } });
      expect(texts().at(-1)).toContain(runId);
      const data = JSON.parse((await stage.read(runId ?? '')).event ?? '{}').data;
      expect(data).toEqual(who ? { who } : 'forEach' in step ? { item: 'x' } : {});
    }
  });

  test('passes on that a run raises an alarm, and takes it from no automation', async () => {
    const item = await other();
    for (const [steps, alarm] of [
      [[{ name: 'siren', call: 'radio/demo/siren' }], true],
      [[], false],
    ] as const) {
      await go([...steps, { name: 'one', start: item.id }]);
      expect((await stage.runs(item.id)).at(-1)?.alarm).toBe(alarm);
    }
  });

  test('fails if its list cannot be evaluated', async () => {
    const item = await other();
    const run = await go([{ name: 'all', start: item.id, forEach: '{% $error("odd") %}' }, say('after', 'x')]);
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('Step all: An expression failed') });
    expect(texts()).toEqual([]);
  });

  test('gives the started run the time of its own cause, so that an early answer counts, until it has waited', async () => {
    const answered = { event: 'test.answered', if: '{% event.data.key = run.event.data.key %}', seconds: 60 };
    const child = { name: 'Asks', do: [{ name: 'answer', waitFor: answered }] };
    const item = stage.automation(child);
    await stage.table().put(item);
    const answerOf = async (key: string, before: object[]) => {
      const id = await stage.start(
        stage.automation({ do: [...before, { name: 'it', start: item.id, input: { key } }] }),
      );
      clock.advance(10);
      await publish({ data: { key } });
      clock.advance(10);
      await stage.finish(id);
      const runs = await stage.runs(item.id);
      const runId = runs.at(-1)?.id ?? '';
      await stage.finish(runId);
      return (await stage.read(runId)).steps.answer?.output;
    };
    expect(await answerOf('early', [])).toMatchObject({ data: { key: 'early' } });
    expect(await answerOf('old', [{ wait: { seconds: 5 } }])).toBeNull();
    await stage.table().delete({ pk: item.pk, sk: item.sk });
  });

  test('refuses one that may do more than itself, and one that does not exist', async () => {
    const strong = await other(['radio/demo/*', 'talk/*/*']);
    const weak = { ...stage.automation({ do: [{ name: 'it', start: strong.id }] }), scopes: ['radio/demo/*'] };
    const id = await stage.start(weak);
    await stage.finish(id);
    expect(await stage.read(id)).toMatchObject({ state: 'failed', reason: expect.stringContaining('more scopes') });
    const run = await go([{ name: 'it', start: 'nobody' }]);
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('There is no automation') });
  });

  test('skips the items for which its condition does not hold', async () => {
    const item = await other();
    const start = { name: 'all', start: item.id, input: { who: 'x' } };
    const run = await go([
      { ...start, forEach: '{% ["a", "b"] %}', if: '{% item = "b" %}' },
      { ...start, name: 'none', if: '{% false %}' },
    ]);
    expect(run).toMatchObject({ state: 'succeeded', steps: { all: { state: 'skipped' }, none: { state: 'skipped' } } });
    expect(run.steps['all[1]']).toMatchObject({ state: 'succeeded' });
    expect(await stage.runs(item.id)).toHaveLength(1);
  });

  test('refuses one that is disabled; with `continue`, the run continues', async () => {
    const item = await other();
    await stage.table().put({ ...item, enabled: false });
    const start = { name: 'all', start: item.id, forEach: '{% ["a", "b"] %}' };
    const disabled = expect.stringContaining('is disabled');
    expect(await go([start, say('never', 'x')])).toMatchObject({ state: 'failed', reason: disabled });
    const run = await go([
      { ...start, onError: 'continue' },
      { name: 'codes', set: '{% steps.all.errors.code %}' },
    ]);
    expect(run).toMatchObject({
      state: 'failed',
      reason: disabled,
      steps: { codes: { output: ['conflict', 'conflict'] } },
    });
    expect(texts()).toEqual([]);
    expect(await stage.runs(item.id)).toEqual([]);
  });

  test('does not start itself endlessly', async () => {
    const item = stage.automation({ name: 'Loop', do: [{ name: 'again', start: 'Loop' }] });
    await stage.table().put(item);
    let next = await stage.start(item);
    for (let depth = 0; depth < 5; depth++) {
      expect((await stage.finish(next)).state).toBe('succeeded');
      const { steps } = await stage.read(next);
      next = String((steps.again?.output as { runId?: string } | undefined)?.runId);
    }
    expect((await stage.finish(next)).state).toBe('failed');
    await stage.table().delete({ pk: item.pk, sk: item.sk });
  });
});

describe('repeat', () => {
  const pages = (max = 10) => ({
    name: 'pages',
    repeat: {
      do: [{ name: 'page', call: 'radio/demo/read', input: { id: '{% item %}' } }],
      until: '{% $count(steps.page.output.rows) < 2 %}',
      max,
      everySeconds: 10,
    },
  });

  test('repeats its steps until its condition holds', async () => {
    when('radio/read', ({ input }) => ({ rows: Number(input.id) < 3 ? [1, 2] : [3] }));
    const before = clock.now();
    const run = await go([pages(), { name: 'rows', set: '{% steps.pages.output.page.output.rows %}' }]);
    expect(sent.map(({ input }) => input.id)).toEqual([1, 2, 3]);
    expect(run.steps.rows?.output).toEqual([1, 2, 1, 2, 3]);
    expect(clock.now() - before).toBe(20_000);
  });

  test('is skipped if its condition does not hold', async () => {
    const run = await go([{ ...pages(), if: '{% false %}' }, say('after', 'x')]);
    expect(run).toMatchObject({ state: 'succeeded', steps: { pages: { state: 'skipped' } } });
    expect(calls()).toEqual(['chat/say']);
  });

  test('fails if `until` cannot be evaluated, or gives anything but true in the last round', async () => {
    const until = (condition: string, max = 10) => ({
      name: 'pages',
      repeat: { do: [{ name: 'page', call: 'radio/demo/read' }], until: condition, max },
    });
    expect(await go([until('{% $parse("{") %}')])).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('Step pages: An expression failed'),
    });
    expect(calls()).toEqual(['radio/read']);
    expect(await go([until('{% 1 %}', 3)])).toMatchObject({ state: 'failed' });
    expect(calls()).toHaveLength(4);
  });

  test('ends at a step that fails, which is counted once, and continues after one with `continue`', async () => {
    when('radio/read', trouble.refused);
    const run = await go([pages(), say('never', 'x')]);
    expect(run).toMatchObject({
      state: 'failed',
      reason: 'Step page: No such channel.',
      steps: { pages: { state: 'failed', attempts: 1 } },
    });
    const reading = { name: 'page', call: 'radio/demo/read', onError: 'continue' };
    const borne = await go([
      { name: 'pages', repeat: { do: [reading], until: '{% item = 2 %}', max: 3 } },
      say('after', 'x'),
    ]);
    expect(borne).toMatchObject({ state: 'partial', steps: { pages: { state: 'succeeded', attempts: 2 } } });
    expect(texts()).toEqual(['x']);
  });

  test('starts no further round if the run is cancelled between two', async () => {
    when('radio/read', () => ({ rows: [1, 2] }));
    const id = await stage.start(stage.automation({ do: [pages(), say('never', 'x')] }));
    await stage.finish(id, async () => {
      await cancelRun(stage.services(), await stage.read(id), 'Stopped.');
    });
    expect((await stage.read(id)).state).toBe('cancelled');
    expect(calls()).toEqual(['radio/read']);
  });

  test('fails if its condition has not held after `max` rounds', async () => {
    when('radio/read', () => ({ rows: [1, 2] }));
    const run = await go([pages(2), say('never', 'x')]);
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('within 2 rounds') });
    expect(calls()).toEqual(['radio/read', 'radio/read']);
  });
});

describe('the event that started a run', () => {
  const same = { event: 'test.happened' };
  const wait = { name: 'answer', waitFor: { ...same, seconds: 60 } };
  // Events of other tests are earlier.
  beforeEach(() => clock.advance(1000));

  test.each([
    ['ends no wait', { do: [wait, say('escalate', 'escalate')] }],
    ['makes no call unnecessary', { do: [{ ...say('escalate', 'escalate'), unless: same }] }],
    ['does not cancel it', { cancelOn: same, do: [say('escalate', 'escalate')] }],
  ])('%s, although it may be of the same type', async (_what, definition) => {
    const run = await go(definition);
    expect(run.state).toBe('succeeded');
    expect(texts()).toEqual(['escalate']);
    expect(run.steps.answer?.output ?? null).toBeNull();
  });

  test('ends no wait of a run that the run starts, and the next one does', async () => {
    const item = stage.automation({ name: 'Asks', do: [wait] });
    await stage.table().put(item);
    await go([{ name: 'it', start: item.id }]);
    const [child = { id: '' }] = await stage.runs(item.id);
    const published: string[] = [];
    await stage.finish(child.id, async () => published.push((await publish({ type: 'test.happened' })).id));
    expect((await stage.read(child.id)).steps.answer?.output).toMatchObject({ id: published[0] });
    await stage.table().delete({ pk: item.pk, sk: item.sk });
  });
});

describe('cancelOn', () => {
  const automation = () =>
    stage.automation({
      cancelOn: { event: 'test.answered', if: '{% event.data.key = run.event.data.key %}' },
      do: [say('open', 'open'), { name: 'pause', wait: { seconds: 600 } }, say('escalate', 'escalate')],
    });

  test('ends a run as soon as its event occurs', async () => {
    const id = await stage.start(automation(), { key: 'k1' });
    const startedAt = clock.now();
    await stage.finish(id, async () => {
      await publish({ data: { key: 'other' } });
      await publish({ data: { key: 'k1' } });
    });
    expect(clock.now()).toBe(startedAt);
    expect(await stage.read(id)).toMatchObject({
      state: 'cancelled',
      reason: expect.stringContaining('test.answered'),
    });
    expect(texts()).toEqual(['open']);
  });

  test.each([
    ['by a machine whose clock is ahead', 50],
    ['just before the clock was set back', 3_600_000],
  ])('ends a run whose event was stored %s', async (_what, ms) => {
    const id = await stage.start(automation(), { key: `k${ms}` });
    await stage.finish(id, async () => {
      clock.advance(ms);
      await publish({ data: { key: `k${ms}` } });
      clock.advance(-ms);
    });
    expect((await stage.read(id)).state).toBe('cancelled');
    expect(texts()).toEqual(['open']);
  });

  test('ends a run before its first step if the event occurred before the run began', async () => {
    const id = await stage.start(automation(), { key: 'k2' });
    await publish({ data: { key: 'k2' } });
    await stage.finish(id);
    expect((await stage.read(id)).state).toBe('cancelled');
    expect(texts()).toEqual([]);
  });

  test('is forgotten with the end of the run', async () => {
    const id = await stage.start(automation(), { key: 'k3' });
    await stage.finish(id);
    const { items } = await stage.table().query({ pk: 'waiter#test.answered' });
    expect(items).toEqual([]);
    expect(texts()).toEqual(['open', 'escalate']);
  });
});

describe('mode', () => {
  const slow = (mode: string, more: object = {}) =>
    stage.automation({
      mode,
      ...more,
      do: [say('open', '{% event.data.n %}'), { wait: { seconds: 60 } }, say('close', '-{% event.data.n %}')],
    });
  const begin = async (item: AutomationItem, n: string) => {
    clock.advance(1);
    const id = await stage.start(item, { n });
    await stage.execution(id).invoke(stage.handlerOf(id));
    return id;
  };
  /** Starts a run that is interrupted before it waits for its turn. */
  const beginCutOff = async (item: AutomationItem, n: string) => {
    clock.advance(1);
    const id = await stage.start(item, { n });
    const cutOff = Promise.withResolvers<void>();
    const waitFor = () => {
      cutOff.resolve();
      return new Promise<never>(() => undefined);
    };
    await stage
      .execution(id)
      .invoke<unknown>((context) => Promise.race([cutOff.promise, stage.handlerOf(id)({ ...context, waitFor })]));
    return id;
  };
  const three = async (mode: string, more: object = {}) => {
    const item = slow(mode, more);
    const ids: string[] = [];
    for (const n of ['1', '2', '3']) ids.push(await begin(item, n));
    for (const id of ids) await stage.finish(id);
    return Promise.all(ids.map(async (id) => (await stage.read(id)).state));
  };

  test('parallel: all at the same time', async () => {
    expect(await three('parallel')).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(texts().slice(0, 3)).toEqual(['1', '2', '3']);
  });

  test('single: none while one is running', async () => {
    expect(await three('single')).toEqual(['succeeded', 'suppressed', 'suppressed']);
    expect(texts()).toEqual(['1', '-1']);
  });

  test('single: a suppressed run names the one in progress, and has no dedupe key', async () => {
    const item = slow('single');
    const [first, second] = [await begin(item, '1'), await begin(item, '2')];
    const run = await stage.read(second);
    expect(run).toMatchObject({ state: 'suppressed', reason: `Suppressed: another run was in progress, ${first}.` });
    expect(run).not.toHaveProperty('dedupeKey');
  });

  test('queue: one after the other', async () => {
    const before = clock.now();
    expect(await three('queue')).toEqual(['succeeded', 'succeeded', 'succeeded']);
    // The end of a run wakes the next one, which need not wait for its own check.
    expect(clock.now() - before).toBeLessThan(3_600_000);
    expect(texts()).toEqual(['1', '-1', '2', '-2', '3', '-3']);
  });

  test('queue: those that wait for their dedupe key are not counted as more runs, others are', async () => {
    const dedupe = { key: '{% "k" %}', seconds: 1 };
    expect(await three('queue', { dedupe, maxPerMinute: 1 })).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(await three('queue', { maxPerMinute: 1 })).toEqual(['succeeded', 'suppressed', 'suppressed']);
  });

  test('queue: a run whose turn came while it was interrupted continues at once', async () => {
    const item = slow('queue');
    const [first, second] = [await begin(item, '1'), await beginCutOff(item, '2')];
    await stage.finish(first);
    const before = clock.now();
    await stage.finish(second);
    expect(texts()).toEqual(['1', '-1', '2', '-2']);
    expect(clock.now() - before).toBe(60_000);
  });

  test('queue: a run that was interrupted does not overtake one that waits already', async () => {
    const item = slow('queue');
    const [first, second, third] = [await begin(item, '1'), await begin(item, '2'), await beginCutOff(item, '3')];
    await stage.finish(first);
    await stage.execution(third).invoke(stage.handlerOf(third));
    await stage.finish(second);
    await stage.finish(third);
    expect(texts()).toEqual(['1', '-1', '2', '-2', '3', '-3']);
  });

  test('queue: a run that is cancelled when its turn has come passes it on', async () => {
    const item = slow('queue');
    const [first, second, third] = [await begin(item, '1'), await begin(item, '2'), await begin(item, '3')];
    await stage.finish(first);
    await cancelRun(stage.services(), await stage.read(second), 'No longer needed.');
    await stage.finish(second);
    expect(await stage.read(second)).toMatchObject({ state: 'cancelled', reason: 'No longer needed.' });
    const before = clock.now();
    await stage.finish(third);
    expect(texts()).toEqual(['1', '-1', '3', '-3']);
    expect(clock.now() - before).toBe(60_000);
  });

  test('queue: a run that comes when the turn is being passed on does not overtake', async () => {
    const item = slow('queue');
    const [first, second] = [await begin(item, '1'), await begin(item, '2')];
    await stage.finish(first);
    const third = await begin(item, '3');
    await stage.finish(second);
    await stage.finish(third);
    expect(texts()).toEqual(['1', '-1', '2', '-2', '3', '-3']);
  });

  test('queue: all that waited end with the run that they are duplicates of', async () => {
    const before = clock.now();
    expect(await three('queue', { dedupe: { key: '{% "k" %}', seconds: 3_600 } })).toEqual([
      'succeeded',
      'suppressed',
      'suppressed',
    ]);
    expect(clock.now() - before).toBeLessThan(3_600_000);
  });

  test.each([
    ['runs', 0, ['1', '2', '-2', '3', '-3']],
    ['waits for its turn', 1, ['1', '-1', '3', '-3']],
  ])('queue: a run that cannot continue while it %s holds up no other', async (_, at, expected) => {
    const item = slow('queue');
    const ids = [await begin(item, '1'), await begin(item, '2'), await begin(item, '3')];
    const before = clock.now();
    await abandonRun(stage.services(), ids[at] ?? '', 'Its execution has ended.');
    for (const id of ids) if (id !== ids[at]) await stage.finish(id);
    expect(texts()).toEqual(expected);
    expect(clock.now() - before).toBeLessThanOrEqual(120_000);
  });

  test('queue: a run that was interrupted between its end and the turn of the next one holds up no other', async () => {
    const item = slow('queue');
    const [first, second] = [await begin(item, '1'), await begin(item, '2')];
    const before = clock.now();
    await endRun(stage.services(), await stage.read(first), 'succeeded');
    await abandonRun(stage.services(), first, 'Its execution has ended.');
    await stage.finish(second);
    expect(texts()).toEqual(['1', '2', '-2']);
    expect(clock.now() - before).toBe(60_000);
  });

  test('queue: a run that begins again after a crash keeps its key, even if others wait by then', async () => {
    const item = slow('queue');
    const first = await stage.start(item, { n: '1' });
    const beginning = await beginRun(stage.services(), first);
    await begin(item, '2');
    expect(beginning).toMatchObject({ go: true, held: { key: '' } });
    expect(await beginRun(stage.services(), first)).toEqual(beginning);
  });

  test('restart: the newest replaces the earlier ones', async () => {
    const item = slow('restart');
    const ids: string[] = [];
    for (const n of ['1', '2', '3']) {
      const id = await begin(item, n);
      ids.push(id);
      for (const other of ids) if (other !== id) await stage.execution(other).invoke(stage.handlerOf(other));
    }
    for (const id of ids) await stage.finish(id);
    const states = await Promise.all(ids.map(async (id) => (await stage.read(id)).state));
    expect(states).toEqual(['cancelled', 'cancelled', 'succeeded']);
    // The second was still waiting for its turn when the third came.
    expect(texts()).toEqual(['1', '3', '-3']);
  });

  test('waits for its turn with a durable operation or two, however long that takes', async () => {
    const item = slow('queue');
    const [first, second] = [await begin(item, '1'), await begin(item, '2')];
    clock.advance(60_000);
    await stage.finish(first);
    await stage.finish(second);
    expect(stage.execution(second).names.filter((name) => /turn|claim/.test(name))).toEqual(['turn 1', 'claim 1']);
  });
});

describe('secret steps', () => {
  test('keep their input and output out of the records, and pass the output on to later steps', async () => {
    when('radio/read', () => ({ password: 'Tmp-7Yp4!é' }));
    const run = await go([
      { name: 'read', call: 'radio/demo/read', secret: true },
      { name: 'plan', set: '{% steps.read.output.password %}', secret: true },
      say('make', '{% steps.plan.output %}', { secret: true }),
    ]);
    expect(texts().at(-1)).toBe('Tmp-7Yp4!é');
    expect(run.steps.make).toMatchObject({ input: '(secret)', output: { ok: true } });
    const { items } = await stage.table().query({ pk: `run#${run.id}` });
    expect(JSON.stringify(items)).not.toContain('7Yp4');
    expect(stage.execution(run.id).kept).toContain('sealed');
    expect(stage.execution(run.id).kept).not.toContain('7Yp4');
    expect(await findRun(stage.table(), run.id)).toBeDefined();
  });
});
