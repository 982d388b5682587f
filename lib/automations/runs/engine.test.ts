import { Readable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import { withEvaluationBudget } from '../../core/evaluation-budget.ts';
import { appendEvents } from '../../events/log.ts';
import { keys } from '../../store/items.ts';

const stage = engineStage();
const { go, when, calls, sent, clock, publish } = stage;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
const alert = { name: 'alert', call: 'radio/demo/alert', input: { text: 'alarm' } };
const chat = { name: 'chat', call: 'chat/demo/say', input: { text: 'alarm' } };
const row = { name: 'row', call: 'table/demo/say', input: { text: 'alarm' } };
const beside = (step: object) => ({ ...step, onError: 'continue' });
const states = (run: { steps: Record<string, { state: string }> }) =>
  Object.fromEntries(Object.entries(run.steps).map(([name, { state }]) => [name, state]));

describe('a run', () => {
  test('carries out its steps in order, and each keeps input, output, attempts and times', async () => {
    when('chat/say', () => ({ id: 7 }));
    const run = await go([siren, chat, { ...row, input: { text: 'message {% steps.chat.output.id %}' } }]);
    expect(run.state).toBe('succeeded');
    expect(calls()).toEqual(['radio/siren', 'chat/say', 'table/say']);
    expect(run.steps.row).toMatchObject({
      state: 'succeeded',
      attempts: 1,
      call: 'table/demo/say',
      input: { text: 'message 7' },
      output: { ok: true },
      startedAt: clock.now(),
      endedAt: clock.now(),
    });
  });

  test('stops at a step that fails, which keeps its input, its start and its attempts', async () => {
    when('chat/say', trouble.refused);
    const run = await go([siren, chat, row]);
    expect(run).toMatchObject({ state: 'failed', reason: 'Step chat: No such channel.' });
    expect(run.steps.chat).toMatchObject({
      input: { text: 'alarm' },
      attempts: 1,
      error: { message: 'No such channel.' },
    });
    expect(run.steps.row).toBeUndefined();
  });

  test('is skipped if its condition does not hold, with the value of the condition as the reason', async () => {
    for (const [condition, words] of [
      ['{% event.data.n > 3 %}', 'Its condition does not hold.'],
      ['{% "true" %}', 'Its condition does not hold: it gave "true", and only true counts.'],
      ['{% event.data.nothing %}', 'Its condition does not hold: it found nothing, and only true counts.'],
    ]) {
      const run = await go({ if: condition, do: [siren] }, { n: 1 });
      expect(run).toMatchObject({ state: 'skipped', reason: words });
    }
    const run = await go([{ ...siren, if: '{% 1 %}' }]);
    expect(run.steps.siren).toMatchObject({ state: 'skipped', reason: expect.stringContaining('it gave 1') });
    expect(sent).toEqual([]);
  });

  test('passes the value of a `set` step on to the later steps', async () => {
    const run = await go(
      [
        { name: 'plan', set: { who: '{% event.data.zone %}', many: ['{% 1 + 1 %}'] } },
        { ...chat, input: { text: '{% steps.plan.output.who & $string(steps.plan.output.many) %}' } },
      ],
      { zone: 'Z3' },
    );
    expect(run.steps.plan).toMatchObject({ state: 'succeeded', output: { who: 'Z3', many: [2] } });
    expect(sent[0]?.input).toEqual({ text: 'Z3[2]' });
    const failed = await go([{ name: 'plan', set: '{% $parse("{") %}' }, chat]);
    expect(failed).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('Step plan: An expression failed'),
    });
    expect(failed.steps.chat).toBeUndefined();
  });

  test('fails if its condition cannot be evaluated, or its event is no longer kept', async () => {
    expect(await go({ if: '{% $error("odd") %}', do: [siren] })).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('An expression failed'),
    });
    const id = await stage.start(stage.automation({ do: [siren] }));
    const { eventId = '' } = await stage.read(id);
    await stage.table().delete(keys.event(eventId));
    await stage.finish(id);
    expect(await stage.read(id)).toMatchObject({ state: 'failed', reason: 'Its event is no longer kept.' });
    expect(sent).toEqual([]);
  });

  test('keeps long outputs in files, and shows no long input', async () => {
    when('table/read', (_, number) => 'x'.repeat(99_998 + number));
    const reading = { call: 'table/demo/read' };
    const run = await go([
      { name: 'short', ...reading },
      { name: 'long', ...reading },
      { ...row, input: { text: '{% steps.long.output %}' } },
    ]);
    expect(run.steps.short).not.toHaveProperty('outputFile');
    expect(run.steps.long).toHaveProperty('outputFile');
    expect([run.steps.short?.output, run.steps.long?.output]).toEqual(['x'.repeat(99_998), 'x'.repeat(99_999)]);
    expect(run.steps.row?.input).toBe('(longer than 100 kB)');
    expect(sent.at(-1)?.input).toEqual({ text: 'x'.repeat(99_999) });
    const fitting = await go([{ ...row, input: { text: 'x'.repeat(100_000 - '{"text":""}'.length) } }]);
    expect(fitting.steps.row?.input).toHaveProperty('text');
  });

  test('shows every step to an expression that reads all of them', async () => {
    when('chat/say', trouble.refused);
    await go([
      siren,
      beside(chat),
      { ...row, input: { text: "{% 'failed: ' & $count(steps.*.error) & ' of ' & $count(steps.*) %}" } },
    ]);
    expect(sent.at(-1)?.input).toEqual({ text: 'failed: 1 of 2' });
  });

  test('has a clock that advances from step to step', async () => {
    await go([
      { ...chat, input: { text: '{% $now() %}' } },
      { wait: { seconds: 300 } },
      { ...row, input: { text: '{% $now() %}' } },
    ]);
    const [first, second] = sent.map(({ input }) => Date.parse(String(input.text)));
    expect((second ?? 0) - (first ?? 0)).toBe(300_000);
  });

  test('keeps a file that a step reads, and later steps see where it is', async () => {
    const file = (name?: string) => ({
      stream: Readable.from(['%PDF']),
      type: 'application/pdf',
      ...(name && { name }),
    });
    when('table/read', (_, number) => ({ file: file(number === 0 ? 'plan.pdf' : undefined) }));
    const reading = { call: 'table/demo/read' };
    const run = await go([
      { name: 'plan', ...reading },
      { name: 'other', ...reading },
      { ...chat, input: { text: '{% steps.plan.output.url %}' } },
    ]);
    const url = expect.stringContaining(`runs/${run.id}/0/0.file`);
    expect(run.steps.plan?.output).toEqual({ url, type: 'application/pdf', name: 'plan.pdf' });
    expect(run.steps.other?.output).toEqual({ url: expect.any(String), type: 'application/pdf' });
    expect(sent.at(-1)?.input).toEqual({ text: url });
  });

  test('shows the progress of a long transfer, at most once a second and at its end', async () => {
    const id = await stage.start(stage.automation({ do: [{ name: 'copy', call: 'table/demo/copy' }] }));
    const shown: unknown[] = [];
    when('table/copy', async (_, __, { progress }) => {
      for (const [done, ms] of [
        [1, 0],
        [2, 999],
        [3, 1],
        [9, 0],
      ] as const) {
        clock.advance(ms);
        await progress?.(done, 9);
        shown.push((await stage.read(id)).progress);
      }
    });
    await stage.finish(id);
    expect(shown).toEqual([1, 1, 3, 9].map((done) => ({ done, total: 9 })));
    when('table/say', (_, __, { progress }) => ({ hasProgress: progress !== undefined }));
    expect((await go([row])).steps.row?.output).toEqual({ hasProgress: false });
  });

  test('waits only where the condition of the wait holds', async () => {
    const before = clock.now();
    const run = await go([
      { name: 'pause', wait: { seconds: 3600 }, if: '{% event.data.slow %}' },
      { name: 'answer', waitFor: { event: 'test.answered', seconds: 3600 }, if: '{% event.data.slow = true %}' },
      chat,
    ]);
    expect(clock.now()).toBe(before);
    expect(states(run)).toEqual({ pause: 'skipped', answer: 'skipped', chat: 'succeeded' });
  });
});

describe('a step in trouble', () => {
  test.each([
    ['down', trouble.down],
    ['without an answer', trouble.hang],
    ['answering nonsense', trouble.lost],
  ])('does not hold up the others: a vendor is %s', async (_name, behaviour) => {
    for (const vendor of ['radio', 'chat', 'table']) {
      stage.forget();
      sent.length = 0;
      when(vendor, behaviour);
      const posted = clock.now();
      const others = ['radio/read', 'radio/siren', 'radio/alert', 'chat/say', 'table/say'];
      const run = await go([
        beside({ name: 'channels', call: 'radio/demo/read' }),
        beside({ ...siren, input: { id: '{% $exists(steps.channels.output.ok) ? 1 : 2 %}' } }),
        beside(alert),
        beside(chat),
        beside(row),
      ]);
      const expected = others.filter((call) => !call.startsWith(`${vendor}/`));
      expect(new Set(calls().filter((call) => !call.startsWith(`${vendor}/`)))).toEqual(new Set(expected));
      for (const each of sent.filter(({ call }) => expected.includes(call)))
        expect(each.at - posted).toBeLessThan(1000);
      expect(run.state).toBe('partial');
    }
  });

  test('does not hold up an alarm at the same connection', async () => {
    when('radio/read', async () => {
      for (let turn = 0; turn < 100_000 && calls().length === 0; turn++) await new Promise(setImmediate);
      return { before: calls() };
    });
    const run = await go([beside({ name: 'read', call: 'radio/demo/read' }), beside(siren)]);
    expect(run.steps.read?.output).toEqual({ before: ['radio/siren'] });
  });

  test('stops the run if a value cannot be computed from it', async () => {
    const plan = { name: 'plan', set: '{% $error(steps.read.output.ok) %}' };
    const run = await go([beside({ name: 'read', call: 'table/demo/read' }), plan, beside(row)]);
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('Step plan: An expression failed') });
  });

  test('is retried if the memory of the automation could not be read', async () => {
    const id = await stage.start(stage.automation({ do: [{ name: 'plan', set: '{% [memo.none, 1] %}' }] }));
    const read = vi.spyOn(stage.table(), 'queryAll').mockRejectedValueOnce(new Error('The database is away.'));
    await stage.finish(id);
    read.mockRestore();
    expect(await stage.read(id)).toMatchObject({ state: 'succeeded', steps: { plan: { output: [1] } } });
  });

  test('is retried beside the run, and what reads its result waits for it', async () => {
    const posted = clock.now();
    when('chat/say', ({ at }, number) => (at < posted + 7000 ? trouble.down() : { id: number }));
    const run = await go([
      beside(chat),
      { name: 'id', set: '{% steps.chat.output.id %}' },
      beside({ ...row, name: 'after', input: { text: '{% "id " & steps.chat.output.id %}' } }),
      siren,
      { ...alert, name: 'last', after: ['chat'] },
    ]);
    expect(run.state).toBe('succeeded');
    const at = (call: string) => (sent.find((each) => each.call === call)?.at ?? 0) - posted;
    expect([at('radio/siren'), at('chat/say'), at('table/say'), at('radio/alert')]).toEqual([0, 7000, 7000, 7000]);
    expect(run.steps.id?.output).toBe(0);
    expect(run.steps.chat).toMatchObject({ attempts: 3, state: 'succeeded' });
    expect(run.steps.chat?.error).toBeUndefined();
  });

  test('shows the time of its next attempt', async () => {
    when('chat', trouble.down);
    const id = await stage.start(stage.automation({ do: [beside(chat), siren] }));
    await stage.execution(id).invoke(stage.handlerOf(id));
    expect((await stage.read(id)).steps.chat).toMatchObject({
      state: 'running',
      attempts: 1,
      nextAttemptAt: clock.now() + 2000,
      error: { code: 'vendor_unreachable' },
    });
    await stage.finish(id);
    expect((await stage.read(id)).steps.chat).toMatchObject({ state: 'failed', attempts: 6 });
  });

  test('is tried as its `retry` says', async () => {
    when('chat', trouble.down);
    const startedAt = clock.now();
    const run = await go([{ ...chat, retry: { attempts: 3, seconds: 10 } }]);
    expect(run.steps.chat).toMatchObject({ state: 'failed', attempts: 3 });
    expect(clock.now() - startedAt).toBe(20_000);
  });

  test('has less time if it raises an alarm, and more if it takes long', async () => {
    const sleep = vi.spyOn(clock, 'sleep');
    const limits = async (step: object) => {
      sleep.mockClear();
      await go([step]);
      return sleep.mock.calls.map(([ms]) => ms);
    };
    expect(await limits(siren)).toContain(10_000);
    expect(await limits(chat)).toContain(25_000);
    expect(await limits({ name: 'copy', call: 'table/demo/copy' })).toContain(780_000);
    expect(await limits({ ...siren, timeout: 7 })).toContain(7_000);
    sleep.mockRestore();
  });

  test('is a failure of a read and an unknown outcome of a write if our own code breaks after the request', async () => {
    when('table', () => new Error('a bug'));
    const reading = await go([{ name: 'read', call: 'table/demo/read', retry: { attempts: 1, seconds: 1 } }]);
    expect(reading.steps.read).toMatchObject({ state: 'failed', error: { code: 'internal', message: 'a bug' } });
    expect((await go([row])).steps.row).toMatchObject({ state: 'unknown', attempts: 1 });
  });

  test('fails at once if there is no such operation any more', async () => {
    const run = await go([{ name: 'gone', call: 'radio/demo/gone', input: { id: 1 } }]);
    expect(run).toMatchObject({ state: 'failed', reason: 'Step gone: There is no radio/demo/gone.' });
    expect(run.steps.gone).toMatchObject({ input: { id: 1 }, attempts: 1 });
  });

  test('has the time limit in `timeout`', async () => {
    when('chat', trouble.hang);
    const run = await go([{ ...chat, timeout: 1 }]);
    expect(run.steps.chat).toMatchObject({ state: 'unknown', error: { code: 'outcome_unknown' } });
  });

  test('that raises an alarm is given up after half a minute', async () => {
    when('radio', trouble.down);
    const startedAt = clock.now();
    const run = await go([siren]);
    expect(run).toMatchObject({ state: 'failed', reason: 'Step siren: It could not be reached.' });
    expect(clock.now() - startedAt).toBeLessThanOrEqual(30_000);
    expect(run.steps.siren?.attempts).toBeGreaterThan(5);
  });

  test('that raises an alarm is tried for minutes while the database fails', async () => {
    const id = await stage.start(stage.automation({ do: [siren] }));
    const until = clock.now() + 90_000;
    const find = async (...asked: Parameters<ReturnType<typeof stage.services>['connections']['find']>) => {
      if (clock.now() < until) throw new Error('The table did not answer');
      return stage.services().connections.find(...asked);
    };
    await stage.finish(id, undefined, { connections: { find } as never });
    const run = await stage.read(id);
    expect(run).toMatchObject({ state: 'succeeded', steps: { siren: { state: 'succeeded' } } });
    expect(run.steps.siren?.endedAt).toBeGreaterThanOrEqual(until);
    expect(stage.attempts).toHaveLength(1);
  });

  test('does not repeat a write whose answer was lost, unless it is an SOS', async () => {
    when('chat', trouble.lost);
    when('radio', trouble.lost);
    const startedAt = clock.now();
    const run = await go([beside(chat), beside(siren), beside(alert)]);
    expect(states(run)).toEqual({ chat: 'unknown', siren: 'unknown', alert: 'unknown' });
    expect([run.steps.chat?.attempts, run.steps.siren?.attempts, run.steps.alert?.attempts]).toEqual([1, 3, 1]);
    expect(clock.now() - startedAt).toBeLessThanOrEqual(30_000);
  });

  test('keeps the order of messages at one connection', async () => {
    let first = true;
    when('chat/say', () => {
      if (!first) return { ok: true };
      first = false;
      return trouble.hang();
    });
    await go([beside({ ...chat, name: 'one', timeout: 1 }), beside({ ...chat, name: 'two' }), beside(row)]);
    expect(calls()).toEqual(['table/say', 'chat/say']);
  });
});

describe('parallel', () => {
  test('starts its lists together, and one that stops stops no other', async () => {
    when('radio', trouble.refused);
    const run = await go([
      {
        name: 'all',
        parallel: [
          [siren, { ...row, name: 'never' }],
          [chat, { wait: { seconds: 60 } }, row],
        ],
      },
      { ...chat, name: 'after' },
    ]);
    expect(calls()).toEqual(['chat/say', 'table/say']);
    expect(run).toMatchObject({ state: 'failed', reason: 'Step siren: No such channel.' });
    expect(states(run)).toEqual({
      all: 'failed',
      siren: 'failed',
      chat: 'succeeded',
      step5: 'succeeded',
      row: 'succeeded',
    });
  });

  test('starts a list at once although another one waits for the result of an earlier step', async () => {
    const posted = clock.now();
    when('chat/say', ({ at }) => (at < posted + 7000 ? trouble.down() : { id: 3 }));
    const reader = { ...row, input: { text: '{% $string(steps.chat.output.id) %}' } };
    const run = await go([beside(chat), { parallel: [[reader], [siren]] }, { ...alert, name: 'last' }]);
    expect(run.state).toBe('succeeded');
    expect(sent.map(({ call, at }) => [call, at - posted])).toEqual([
      ['radio/siren', 0],
      ['chat/say', 7000],
      ['table/say', 7000],
      ['radio/alert', 7000],
    ]);
  });

  test('waits as a whole for the steps in its own `after`', async () => {
    const posted = clock.now();
    when('chat/say', ({ at }) => (at < posted + 7000 ? trouble.down() : { id: 3 }));
    await go([beside(chat), { parallel: [[row], [siren]], after: ['chat'] }]);
    expect(sent.map(({ at }) => at - posted)).toEqual([7000, 7000, 7000]);
  });

  test('is skipped with all of its lists if its condition does not hold', async () => {
    const run = await go([
      { name: 'both', if: '{% false %}', parallel: [[siren], [row]] },
      { ...chat, after: ['siren'] },
    ]);
    expect(states(run)).toEqual({ both: 'skipped', chat: 'succeeded' });
    expect(run.state).toBe('succeeded');
  });

  test('gives the results of its steps to those after it', async () => {
    when('chat/say', () => ({ id: 3 }));
    await go([
      { parallel: [[chat], [{ name: 'plan', set: 4 }]] },
      { ...row, input: { text: '{% $string(steps.chat.output.id + steps.plan.output) %}' } },
    ]);
    expect(sent.at(-1)?.input).toEqual({ text: '7' });
  });
});

describe('unless', () => {
  test('skips a call if its event has occurred since the run began, however many followed', async () => {
    const acknowledged = { event: 'test.answered', if: '{% event.data.ref = run.ref %}' };
    const id = await stage.start(
      stage.automation({ do: [{ wait: { seconds: 60 } }, { ...siren, unless: acknowledged }, chat] }),
    );
    await stage.execution(id).invoke(stage.handlerOf(id));
    const { eventId = '' } = await stage.read(id);
    const { refOf } = await import('./begin.ts');
    await publish({ data: { ref: refOf(eventId) } });
    await publish({ data: { ref: 'other' } }, 130);
    await stage.finish(id);
    const run = await stage.read(id);
    expect(run.steps.siren).toMatchObject({
      state: 'skipped',
      reason: expect.stringContaining('test.answered has come'),
    });
    expect(calls()).toEqual(['chat/say']);
  });

  test('skips a call and ends a wait for an event that has no place in the log yet', async () => {
    const id = await stage.start(
      stage.automation({
        do: [
          { name: 'answer', waitFor: { event: 'test.answered', seconds: 60 } },
          { ...siren, unless: { event: 'test.answered' } },
        ],
      }),
    );
    await stage.execution(id).invoke(stage.handlerOf(id));
    const { ids } = await appendEvents(stage.services(), [
      {
        vendor: 'chat',
        connection: 'demo',
        type: 'test.answered',
        readBy: 'getAnswers',
        id: 'unsettled',
        timestamp: '',
        data: {},
      },
    ]);
    await stage.finish(id);
    expect((await stage.read(id)).steps).toMatchObject({
      answer: { output: { id: ids[0] } },
      siren: { state: 'skipped', reason: `test.answered has come: ${ids[0]}.` },
    });
    expect(calls()).toEqual([]);
  });

  test('skips a call if its event was stored by a machine whose clock is ahead', async () => {
    const id = await stage.start(stage.automation({ do: [{ ...siren, unless: { event: 'test.answered' } }] }));
    clock.advance(50);
    await publish({});
    clock.advance(-50);
    await stage.finish(id);
    expect(calls()).toEqual([]);
  });

  test('does not skip it if no process can evaluate its condition', async () => {
    const item = stage.automation({ do: [{ ...siren, unless: { event: 'test.answered', if: '{% true %}' } }] });
    const id = await stage.start(item);
    await publish({});
    await withEvaluationBudget({ share: '', leftMs: 1000, signal: AbortSignal.abort() }, () => stage.finish(id));
    expect(sent).toMatchObject([{ call: 'radio/siren', at: (await stage.read(id)).createdAt }]);
  });

  test('does not skip it if the event occurred earlier, or is another', async () => {
    await publish({ data: { ok: true } });
    clock.advance(1000);
    const run = await go([{ ...siren, unless: { event: 'test.answered', connection: 'chat/demo' } }]);
    expect(run.steps.siren?.state).toBe('succeeded');
  });
});
