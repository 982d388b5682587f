import { describe, expect, test } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import type { DurableContext } from '../../core/durable.ts';
import { keys } from '../../store/items.ts';
import { startOne } from '../automations.ts';
import { abandonRun, finishRun } from './finish.ts';
import { defaultPerMinute, reportSuppressed } from './flood.ts';
import { cancelRun } from './pause.ts';
import { sweepRuns } from './sweep.ts';

const stage = engineStage();
const { go, when, calls, sent, clock, publish } = stage;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
const chat = { name: 'chat', call: 'chat/demo/say', input: { text: 'alarm' } };
const key = { key: '{% event.data.zone %}', seconds: 300 };
const cancel = async (id: string) => cancelRun(stage.services(), await stage.read(id), 'It was cancelled.');
const began = async (id: string) => stage.execution(id).invoke(stage.handlerOf(id));
const waits = (id: string) => stage.table().queryAll({ pk: keys.runWaits(id) });
const stateOf = async (id: string) => (await stage.read(id)).state;

describe('cancelling a run', () => {
  test.each([
    ['a wait', [{ name: 'pause', wait: { seconds: 30 * 86_400 } }]],
    ['a wait for an event', [{ name: 'pause', waitFor: { event: 'test.answered', seconds: 7 * 86_400 } }]],
    ['a step that waits for its next attempt', [{ ...chat, name: 'pause', retry: { attempts: 3, seconds: 3600 } }]],
    ['a branch', [{ parallel: [[{ name: 'pause', wait: { seconds: 3600 } }], [siren]] }]],
  ])('ends %s at once, begins no further step and gives its dedupe key back', async (_what, steps) => {
    when('chat', trouble.down);
    const item = stage.automation({ dedupe: key, do: [...steps, { ...siren, name: 'after' }] });
    const id = await stage.start(item, { zone: 'Z1' });
    await began(id);
    const before = clock.now();
    expect(await cancel(id)).toBe(true);
    await stage.finish(id);
    expect(clock.now()).toBe(before);
    const run = await stage.read(id);
    expect(run).toMatchObject({ state: 'cancelled', reason: 'It was cancelled.' });
    expect(run.steps.after).toBeUndefined();
    expect(await cancel(id)).toBe(false);
    stage.forget();
    const next = await stage.start(item, { zone: 'Z1' });
    await began(next);
    expect((await stage.read(next)).reason).toBeUndefined();
  });

  test('sends nothing more if the run is cancelled while a step is carried out', async () => {
    const id = await stage.start(stage.automation({ do: [chat, siren] }));
    when('chat/say', () => cancel(id));
    await stage.finish(id);
    expect(calls()).toEqual(['chat/say']);
    expect(await stage.read(id)).toMatchObject({
      state: 'cancelled',
      steps: { siren: { state: 'skipped', reason: 'The run was cancelled.', endedAt: clock.now() } },
    });
  });

  test.each([
    [{ name: 'pause', wait: { seconds: 3600 } }],
    [{ name: 'pause', waitFor: { event: 'test.answered', seconds: 3600 } }],
    [{ name: 'pause', start: 'Another' }],
  ])('begins no other step while one is carried out: %j', async (step) => {
    const id = await stage.start(stage.automation({ do: [chat, step] }));
    when('chat/say', () => cancel(id));
    const before = clock.now();
    await stage.finish(id);
    expect(clock.now()).toBe(before);
    expect(await stage.read(id)).toMatchObject({
      state: 'cancelled',
      steps: { pause: { state: 'skipped', reason: 'The run was cancelled.' } },
    });
  });

  test('ends a list after the item that is carried out', async () => {
    const list = { ...chat, forEach: '{% [1..4] %}', concurrency: 1, onError: 'continue' };
    const id = await stage.start(stage.automation({ do: [list] }));
    when('chat/say', () => cancel(id));
    await stage.finish(id);
    expect(calls()).toEqual(['chat/say']);
    expect(stage.execution(id).names).not.toContain('chat[2]');
  });

  test('sends nothing if the run was cancelled before its first step', async () => {
    const id = await stage.start(stage.automation({ do: [siren] }));
    await cancel(id);
    await stage.finish(id);
    expect(await stateOf(id)).toBe('cancelled');
    expect(sent).toEqual([]);
  });
});

describe('duplicates', () => {
  test('an alarm is a duplicate while the earlier one is running, and within its window', async () => {
    const item = stage.automation({ dedupe: { ...key, seconds: 60 }, do: [siren, { wait: { seconds: 600 } }] });
    const first = await stage.start(item, { zone: 'Z1' });
    await began(first);
    const during = await stage.start(item, { zone: 'Z1' });
    clock.advance(120_000);
    const late = await stage.start(item, { zone: 'Z1' });
    await stage.finish(first);
    // Its run begins only now, after the window; it arrived while the first one was going.
    await stage.finish(during);
    expect(stage.execution(during).names).toEqual(['begin', 'end']);
    await stage.finish(late);
    expect([await stateOf(during), await stateOf(late)]).toEqual(['suppressed', 'suppressed']);
    expect((await stage.read(during)).reason).toBe(`Suppressed as a duplicate of ${first}.`);
    clock.advance(1);
    const afterwards = await stage.start(item, { zone: 'Z1' });
    await began(afterwards);
    expect(calls()).toEqual(['radio/siren', 'radio/siren']);
  });

  test('an alarm is suppressed at once while the earlier one is running', async () => {
    const item = stage.automation({ dedupe: key, do: [siren, { wait: { seconds: 600 } }] });
    const [first, second] = [await stage.start(item, { zone: 'Z2' }), await stage.start(item, { zone: 'Z2' })];
    await began(first);
    await began(second);
    expect(await stage.read(second)).toMatchObject({ state: 'suppressed', dedupeKey: 'Z2' });
    await stage.finish(first);
  });

  test('an alarm that was raised counts until its window is over', async () => {
    const item = stage.automation({ dedupe: key, do: [siren] });
    for (const [ms, state] of [
      [0, 'succeeded'],
      [299_999, 'suppressed'],
      [2, 'succeeded'],
    ] as const) {
      clock.advance(ms);
      const id = await stage.start(item, { zone: 'Z5' });
      await stage.finish(id);
      expect(await stateOf(id)).toBe(state);
    }
  });

  test('a run that only computes counts for no later one', async () => {
    for (const step of [
      { name: 'plan', set: 1 },
      { name: 'none', start: 'Other', if: '{% false %}' },
    ]) {
      const item = stage.automation({ dedupe: key, do: [step] });
      for (let run = 0; run < 2; run++) {
        const id = await stage.start(item, { zone: 'Z6' });
        await stage.finish(id);
        expect(await stateOf(id)).toBe('succeeded');
      }
    }
  });

  test('an alarm is no duplicate of one whose run only read something before it failed', async () => {
    when('chat/say', trouble.refused);
    const item = stage.automation({ dedupe: key, do: [{ name: 'channels', call: 'radio/demo/read' }, chat] });
    for (let time = 0; time < 2; time++) {
      const id = await stage.start(item, { zone: 'Z7' });
      await stage.finish(id);
      expect(await stateOf(id)).toBe('failed');
    }
  });

  test('an empty key is no key', async () => {
    const item = stage.automation({
      dedupe: { key: '{% event.data.zone & event.data.site %}', seconds: 60 },
      do: [siren],
    });
    for (let time = 0; time < 2; time++) await stage.finish(await stage.start(item));
    expect(calls()).toEqual(['radio/siren', 'radio/siren']);
  });

  test.each([
    ['whose answer was lost', trouble.lost],
    ['that failed', trouble.refused],
  ])(
    'an SOS %s suppresses no later alarm as a duplicate, whatever else its run has written',
    async (_what, behaviour) => {
      when('radio', behaviour);
      const item = stage.automation({ dedupe: key, do: [{ ...siren, onError: 'continue' }, chat] });
      await stage.finish(await stage.start(item, { zone: 'Z9' }));
      stage.forget();
      await stage.finish(await stage.start(item, { zone: 'Z9' }));
      expect(calls().filter((call) => call === 'radio/siren')).toHaveLength(1);
    },
  );
});

describe('a replay', () => {
  test('repeats what failed, and keeps a result only where the input is the same', async () => {
    const item = stage.automation({
      do: [
        {
          name: 'make',
          call: 'radio/demo/read',
          forEach: '{% ["m1", "m2", "m3"] %}',
          input: { text: '{% item %}' },
          onError: 'continue',
        },
        {
          name: 'tell',
          call: 'chat/demo/say',
          forEach: '{% [steps.make.output[$exists(id)]] %}',
          input: { text: '{% item.id %}' },
        },
        { ...chat, name: 'sum', input: { text: "{% $exists(steps.make.error) ? 'one failed' : 'all done' %}" } },
      ],
    });
    when('radio/read', ({ input }) => (input.text === 'm2' ? trouble.refused() : { id: input.text }));
    const first = await stage.start(item);
    await stage.finish(first);
    // Two items at a time are sent in any order.
    const messages = sent.filter(({ call }) => call === 'chat/say').map(({ input }) => input.text);
    expect([messages.slice(0, 2).sort(), messages.slice(2)]).toEqual([['m1', 'm3'], ['one failed']]);
    when('radio/read', ({ input }) => ({ id: input.text }));
    sent.length = 0;
    const again = await stage.replay(first);
    expect(sent.map(({ input }) => input.text)).toEqual(['m2', 'm2', 'all done']);
    expect(again.state).toBe('succeeded');
  });

  test('is neither a duplicate nor over the cap', async () => {
    const once = await go({ dedupe: key, maxPerMinute: 1, do: [siren] }, { zone: 'Z7' });
    expect((await stage.replay(once.id, { reuse: false })).state).toBe('succeeded');
    expect(calls()).toEqual(['radio/siren', 'radio/siren']);
  });

  test('keeps a result of an earlier version, whose records have no hash, if its input is the same', async () => {
    const item = stage.automation({ do: [chat, { ...chat, name: 'row', call: 'table/demo/say' }] });
    when('table', trouble.refused);
    const id = await stage.start(item);
    await stage.finish(id);
    await stage.table().update(keys.runStep(id, 0, 0), 'REMOVE #inputHash');
    stage.forget();
    const again = await stage.replay(id);
    expect(again.steps.chat).toMatchObject({ kept: true });
    expect(calls()).toEqual(['chat/say', 'table/say']);
  });

  test('uses the outputs that it is given, without carrying out their steps', async () => {
    when('radio', trouble.lost);
    const item = stage.automation({
      do: [
        { name: 'make', call: 'radio/demo/say' },
        { ...chat, input: { text: '{% "id " & steps.make.output.id %}' } },
      ],
    });
    const first = await stage.start(item);
    await stage.finish(first);
    expect(await stateOf(first)).toBe('failed');
    const again = await stage.replay(first, { outputs: { make: { id: 1005 } } });
    expect(sent.map(({ input }) => input.text)).toEqual(['id 1005']);
    expect(again.steps.make).toMatchObject({
      state: 'succeeded',
      kept: true,
      output: { id: 1005 },
      call: 'radio/demo/say',
    });
  });
});

describe('waiting for an event', () => {
  const wait = {
    name: 'answer',
    waitFor: { event: 'test.answered', if: '{% event.data.ref = run.ref %}', seconds: 60 },
  };
  const refOf = async (id: string) => (await import('./begin.ts')).refOf((await stage.read(id)).eventId ?? '');

  test('counts an event between the cause and the beginning of the run, however many followed', async () => {
    const id = await stage.start(stage.automation({ do: [{ wait: { seconds: 10 } }, wait] }));
    const ref = await refOf(id);
    await publish({ data: { ref } });
    await publish({ data: { ref: 'other' } }, 130);
    await stage.finish(id);
    expect((await stage.read(id)).steps.answer?.output).toMatchObject({ data: { ref } });
  });

  test('takes only an event of the connection that it names, and a condition that fails for no event', async () => {
    const answer = { name: 'answer', waitFor: { event: 'test.answered', connection: 'other', seconds: 60 } };
    const failing = { name: 'failing', waitFor: { event: 'test.answered', if: '{% $error("odd") %}', seconds: 60 } };
    const id = await stage.start(stage.automation({ do: [{ parallel: [[answer], [failing]] }] }));
    await began(id);
    await publish({});
    const { id: eventId } = await publish({ connection: 'other' });
    await stage.finish(id);
    const { steps } = await stage.read(id);
    expect(steps.answer).toMatchObject({ output: { id: eventId }, reads: ['chat/other/getAnswers'] });
    expect(steps.failing?.output).toBeNull();
    expect(steps.failing).not.toHaveProperty('reads');
  });

  test('takes whichever of several events comes', async () => {
    for (const type of ['test.answered', 'test.refused']) {
      clock.advance(1_000);
      const any = [{ event: 'test.answered' }, { event: 'test.refused' }];
      const id = await stage.start(stage.automation({ do: [{ name: 'answer', waitFor: { any, seconds: 60 } }] }));
      await began(id);
      const { id: eventId } = await publish({ type });
      await stage.finish(id);
      expect((await stage.read(id)).steps.answer?.output).toMatchObject({ id: eventId });
    }
  });

  test('checks the source and the log once more before it times out', async () => {
    const id = await stage.start(
      stage.automation({ do: [wait, { ...siren, if: '{% $not($exists(steps.answer.output.id)) %}' }] }),
    );
    const ref = await refOf(id);
    const pollNow = async () => void (await publish({ data: { ref } }));
    await stage.finish(id, undefined, { pollNow });
    expect((await stage.read(id)).steps).toMatchObject({
      answer: { output: { data: { ref } } },
      siren: { state: 'skipped' },
    });
  });
});

describe('a flood', () => {
  test('that exceeds a cap is reported once a minute, with the number of suppressed runs', async () => {
    const item = stage.automation({ maxPerMinute: 2, do: [siren] });
    for (let at = 0; at < 5; at++) await stage.finish(await stage.start(item));
    expect(await reportSuppressed(stage.services())).toBe(0);
    clock.advance(60_000);
    expect(await reportSuppressed(stage.services())).toBe(1);
    expect(await reportSuppressed(stage.services())).toBe(0);
    const [event] = await stage.settle('trunkline.runs.suppressed');
    expect(JSON.parse(event?.data ?? '')).toMatchObject({ automationId: item.id, automation: 'Test', count: 3 });
  });

  test('is suppressed by default, except for an automation that raises an alarm', async () => {
    for (const [step, state] of [
      [siren, 'succeeded'],
      [chat, 'suppressed'],
    ] as const) {
      const item = stage.automation({ do: [step] });
      const minute = Math.floor(clock.now() / 60_000);
      await stage.table().put({ ...keys.flood(item.id, minute), started: defaultPerMinute, acting: defaultPerMinute });
      const id = await stage.start(item);
      await stage.finish(id);
      expect(await stateOf(id)).toBe(state);
    }
    expect(calls()).toEqual(['radio/siren']);
  });
});

describe('the end of a run', () => {
  test('in part is reported like any other failure, with a reason for each failed step', async () => {
    when('radio', trouble.refused);
    when('table', trouble.refused);
    const run = await go([
      { ...siren, onError: 'continue' },
      chat,
      { name: 'row', call: 'table/demo/say', onError: 'continue' },
    ]);
    expect(run).toMatchObject({ state: 'partial', reason: 'Step siren: No such channel. Step row: No such channel.' });
    const [event] = (await stage.settle('trunkline.run.failed')).filter(({ data }) => data?.includes(run.id));
    expect(JSON.parse(event?.data ?? '')).toMatchObject({
      runId: run.id,
      automation: 'Test',
      state: 'partial',
      failures: [{ step: 'siren' }, { step: 'row' }],
    });
    const lines = stage.logged.filter((line) => line.run === run.id);
    expect(lines).toMatchObject([
      { message: 'run started', automation: 'Test', event: run.eventId, level: 'info' },
      { message: 'run failed', state: 'partial', level: 'error' },
    ]);
  });

  test('is one line in the log, and only a failure is an error and an event', async () => {
    const reported = async (id: string) =>
      (await stage.settle('trunkline.run.failed')).filter(({ data }) => data?.includes(id));
    const lastLine = (id: string) => stage.logged.filter((line) => line.run === id).at(-1);
    const good = await go([chat]);
    expect(lastLine(good.id)).toMatchObject({ level: 'info', message: 'run ended', state: 'succeeded' });
    expect(lastLine(good.id)).not.toHaveProperty('reason');
    expect(await reported(good.id)).toEqual([]);

    when('radio', trouble.refused);
    const bad = await go([siren]);
    expect(lastLine(bad.id)).toMatchObject({ level: 'error', message: 'run failed', state: 'failed' });
    const [event] = await reported(bad.id);
    expect(JSON.parse(event?.data ?? '')).toEqual({
      runId: bad.id,
      automationId: bad.owner,
      automation: 'Test',
      eventId: bad.eventId,
      state: 'failed',
      reason: 'Step siren: No such channel.',
      failures: [{ step: 'siren', reason: 'Step siren: No such channel.' }],
    });
    // Neither a drill is reported, nor the failure of an automation that reports failures.
    expect(await reported((await stage.replay(bad.id, { isDrill: true })).id)).toEqual([]);
    const cause = await publish({ type: 'trunkline.run.failed', data: { runId: bad.id } });
    const reporter = await startOne(stage.services(), stage.automation({ do: [siren] }), {
      cause: `event ${cause.id}`,
      createdAt: cause.appendedAt,
      eventId: cause.id,
    });
    await stage.finish(reporter);
    expect(await stateOf(reporter)).toBe('failed');
    expect(await reported(reporter)).toEqual([]);
  });

  test('is recorded once, whatever comes later', async () => {
    when('radio', trouble.refused);
    const ended = [await go([siren]), await go([chat])];
    stage.logged.length = 0;
    for (const { id, state, reason } of ended) {
      await abandonRun(stage.services(), id, 'It is late.');
      await finishRun(stage.services(), id, {
        state: state === 'failed' ? 'succeeded' : 'failed',
        reason: 'It is late.',
      });
      expect(await stage.read(id)).toMatchObject(reason === undefined ? { state } : { state, reason });
    }
    await finishRun(stage.services(), 'run_auto0_0_000000000000', { state: 'failed' });
    expect(stage.logged).toEqual([]);
  });

  test('is recorded even if the engine itself fails', async () => {
    const reading = { name: 'read', call: 'table/demo/read' };
    const cancelOn = { event: 'test.answered' };
    const item = stage.automation({ dedupe: key, cancelOn, do: [reading, siren] });
    const id = await stage.start(item, { zone: 'Z4' });
    const broken = stage.execution(id).run((context) =>
      stage.handlerOf(id)({
        ...context,
        branch: context.branch,
        step: async (name, run, options) => {
          if (name.startsWith('siren')) throw new RangeError('a bug');
          return context.step(name, run, options);
        },
      }),
    );
    await expect(broken).rejects.toThrow('a bug');
    expect(await stage.read(id)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('could not continue'),
      // The reason may quote what the run has read.
      reads: ['table/demo/read'],
    });
    expect(await waits(id)).toEqual([]);
    await stage.finish(await stage.start(item, { zone: 'Z4' }));
    expect(calls()).toEqual(['table/read', 'table/read', 'radio/siren']);
  });
});

describe('runs without an execution', () => {
  const sweep = () => sweepRuns(stage.services(), new AbortController().signal);
  /** Lets the sweep tick for some minutes; returns how many runs it has ended. */
  const minutes = async (count: number) => {
    let ended = 0;
    for (let minute = 0; minute < count; minute++) {
      clock.advance(60_000);
      ended += (await sweep()).ended;
    }
    return ended;
  };

  test('are started once more, and then end as failed', async () => {
    // A search at the full hour ends what other tests have left.
    clock.advance(86_400_000 - (clock.now() % 3_600_000));
    await sweep();
    const id = await stage.start(stage.automation({ do: [siren] }));
    expect(await sweep()).toMatchObject({ startedAgain: 0, ended: 0 });
    clock.advance(3 * 60_000);
    expect(await sweep()).toMatchObject({ startedAgain: 1, ended: 0 });
    // It may wait for a place for hours.
    await minutes(350);
    expect(await stateOf(id)).toBe('running');
    await minutes(70);
    expect(await stage.read(id)).toMatchObject({
      state: 'failed',
      reason: 'Its execution did not start within six hours.',
    });
  });

  test('end soon if their execution had started, so that their key suppresses no later alarm', async () => {
    const id = await stage.start(stage.automation({ dedupe: key, do: [siren] }), { zone: 'Z1' });
    const execution = stage.execution(id);
    // Before the first step is recorded.
    execution.cutAt = 2;
    await began(id);
    await minutes(20);
    expect(await stateOf(id)).toBe('running');
    await minutes(2);
    expect(await stateOf(id)).toBe('failed');
  });

  test.each([
    ['was off, or its clock was set forward', 45],
    ['had its clock set back', -45],
  ])('are not those that wait while the machine %s', async (_what, jump) => {
    const id = await stage.start(stage.automation({ do: [{ wait: { seconds: 600 } }, siren] }));
    await began(id);
    expect(await minutes(5)).toBe(0);
    clock.advance(jump * 60_000);
    expect(await minutes(1)).toBe(0);
    await stage.finish(id);
    expect(await stateOf(id)).toBe('succeeded');
  });

  test.each([
    ['a wait', [{ wait: { seconds: 3600 } }, siren]],
    [
      'the pause between two rounds',
      [{ name: 'rounds', repeat: { do: [siren], until: '{% item = 2 %}', max: 3, everySeconds: 3600 } }],
    ],
  ])('are not those that wait: %s', async (_what, steps) => {
    const id = await stage.start(stage.automation({ do: steps }));
    await began(id);
    clock.advance(50 * 60_000);
    expect(await sweep()).toMatchObject({ startedAgain: 0, ended: 0 });
    await stage.finish(id);
    expect(await stateOf(id)).toBe('succeeded');
  });
});

describe('a run that an earlier version started', () => {
  test('continues one step after the other, with the operations that are remembered', async () => {
    when('radio', trouble.down);
    when('chat/say', ({ input }) => (input.text === 'item 2' ? trouble.refused() : { ok: true }));
    const say = (name: string, text: string) => ({ name, call: 'chat/demo/say', input: { text }, onError: 'continue' });
    const item = stage.automation({
      do: [
        { ...siren, onError: 'continue', retry: { attempts: 2, seconds: 60 } },
        { name: 'pause', wait: { seconds: 60 } },
        { name: 'answer', waitFor: { event: 'test.answered', seconds: 60 } },
        { ...say('list', 'item {% item %}'), forEach: '{% [1..3] %}', stopOn: ['vendor_bad_request'], concurrency: 1 },
        { name: 'people', forEach: '{% [1, 2] %}', do: [say('line', 'person {% item %}')] },
        say('last', 'last for {% event.data.zone %}'),
      ],
    });
    const id = await stage.start(item, { zone: 'Z9' });
    const run = await stage.read(id);
    const event = { id: run.eventId, type: 'test.happened', data: { zone: 'Z9' } };
    const bindings = { event, run: { ref: 'ABCD' } };
    const former = { go: true, frame: { run, bindings, startedAt: run.createdAt }, dedupe: { key: 'Z9', seconds: 60 } };
    await stage.execution(id).run((context) => {
      const step: DurableContext['step'] = async (name, work, options) =>
        name === 'begin' ? (former as never) : context.step(name, work, options);
      return stage.handlerOf(id)({ ...context, step });
    });
    // The siren is tried twice before anything else is said, and the list ends at its error.
    expect(sent.map(({ input }) => input.text)).toEqual(['item 1', 'person 1', 'person 2', 'last for Z9']);
    expect(sent[0]?.at).toBe(run.createdAt + 180_000);
    expect(await stage.read(id)).toMatchObject({ state: 'partial', dedupeKey: 'Z9' });
    expect(stage.execution(id).names.slice(0, 4)).toEqual(['siren', 'siren pause 1', 'siren attempt 2', 'pause']);
  });
});
