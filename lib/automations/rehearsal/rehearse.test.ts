import { describe, expect, test } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import { admin } from '../../../test/support/harness.ts';
import type { Principal } from '../../api/keys/key-check.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { rehearse } from './rehearse.ts';
import type { RehearsalInput } from './schemas.ts';

const stage = engineStage();
const { when, calls, clock, publish, automation } = stage;
const vendors = () => stage.catalogue as EventCatalogue;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
const chat = { name: 'chat', call: 'chat/demo/say', input: { text: 'alarm' } };
const reading = { name: 'read', call: 'radio/demo/read' };

/** Rehearses an automation: its steps, or all of its definition. */
function go(wanted: object[] | Record<string, unknown>, input: RehearsalInput = {}, principal: Principal = admin) {
  const item = automation(Array.isArray(wanted) ? { do: wanted } : wanted);
  return on(item, input, principal);
}
function on(item: ReturnType<typeof automation>, input: RehearsalInput, principal: Principal = admin) {
  return rehearse(stage.services(), vendors(), item, input, { principal, signal: new AbortController().signal });
}
const event = (data: object) => ({ type: 'test.happened', data });

describe('a rehearsal', () => {
  test('renders every call with its virtual time, and calls nobody', async () => {
    const shown = await go(
      [
        { name: 'plan', set: { who: '{% event.data.zone %}' } },
        { ...chat, input: { text: 'Zone {% steps.plan.output.who %}' } },
        { wait: { seconds: 300 } },
        { ...siren, undo: { call: 'radio/demo/siren', input: { id: 2 } } },
      ],
      { event: event({ zone: 'Z3' }) },
    );
    expect(shown).toMatchObject({ runs: true, state: 'succeeded', complete: true, event: { data: { zone: 'Z3' } } });
    expect(shown.steps.map(({ name, afterSeconds }) => [name, afterSeconds])).toEqual([
      ['plan', 0],
      ['chat', 0],
      ['step3', 0],
      ['siren', 300],
    ]);
    expect(shown.steps[1]).toMatchObject({ effect: 'write', input: { text: 'Zone Z3' }, call: 'chat/demo/say' });
    expect(shown.undo).toEqual([{ call: 'radio/demo/siren', input: { id: 2 } }]);
    expect(calls()).toEqual([]);
    expect(stage.attempts).toEqual([]);
  });

  test('writes nothing: no run, no memory, no claim, no event', async () => {
    const item = automation({
      dedupe: { key: '{% event.data.zone %}', seconds: 300 },
      do: [
        { name: 'keep', remember: { key: 'last', value: '{% $string(memo.last) & event.data.zone %}' } },
        { ...chat, input: { text: '{% memo.last %}' } },
        { ...siren, input: { list: [], id: '{% "no number" %}' } },
      ],
    });
    for (let time = 0; time < 2; time++) {
      const shown = await on(item, { event: event({ zone: 'Z1' }) });
      expect(shown).toMatchObject({ state: 'failed', dedupeKey: 'Z1', reason: expect.stringContaining('Step siren') });
      expect(shown.steps[1]).toMatchObject({ input: { text: 'Z1' } });
    }
    expect(await stage.runs(item.id)).toEqual([]);
    expect(await stage.settle('trunkline.run.failed')).toEqual([]);
  });

  test('shows the values that a condition saw', async () => {
    const skipped = await go(
      { if: "{% event.data.body.severity in ['high'] and event.data.zones[0] = $event.type %}", do: [siren] },
      { event: event({ body: { severity: 'low' }, zones: ['Z1'] }) },
    );
    expect(skipped).toMatchObject({ runs: false, state: 'skipped', steps: [] });
    expect(skipped.saw).toEqual({
      'event.data.body.severity': 'low',
      'event.data.zones': ['Z1'],
      'event.type': 'test.happened',
    });
    const step = await go([{ ...siren, if: '{% event.data.loud %}' }, chat], { event: event({ loud: 'yes' }) });
    expect(step.steps).toMatchObject([
      { name: 'siren', state: 'skipped', reason: expect.stringContaining('"yes"'), saw: { 'event.data.loud': 'yes' } },
      { name: 'chat', state: 'succeeded' },
    ]);
  });

  test('judges duplicates as they are now, and shows the values of the key', async () => {
    const item = automation({ dedupe: { key: '{% event.data.zone %}', seconds: 300 }, do: [siren] });
    await stage.finish(await stage.start(item, { zone: 'Z1' }));
    const shown = await on(item, { event: event({ zone: 'Z1' }) });
    expect(shown).toMatchObject({
      state: 'suppressed',
      reason: expect.stringContaining('duplicate of run_'),
      saw: { 'event.data.zone': 'Z1' },
    });
    expect(await on(item, { event: event({ zone: 'Z2' }) })).toMatchObject({ state: 'succeeded' });
  });

  test('of a past event takes place at its time: later events end waits and skip calls', async () => {
    const item = automation({
      dedupe: { key: '{% event.data.zone %}', seconds: 300 },
      do: [
        {
          name: 'answer',
          waitFor: { event: 'test.answered', seconds: 600, if: '{% event.data.zone = run.event.data.zone %}' },
        },
        { ...chat, input: { text: '{% steps.answer.output.data.by %}' } },
        { wait: { seconds: 60 } },
        { ...siren, unless: { event: 'test.answered', if: '{% event.data.end = true %}' } },
      ],
    });
    const cause = await publish({ type: 'test.happened', data: { zone: 'Z8' } });
    clock.advance(30_000);
    await publish({ data: { zone: 'other' } });
    clock.advance(30_000);
    await publish({ data: { zone: 'Z8', by: 'kim' } });
    clock.advance(30_000);
    const { id } = await publish({ data: { zone: 'Z9', end: true } });
    clock.advance(3_600_000);
    const shown = await on(item, { eventId: cause.id });
    expect(shown.startedAt).toBe(new Date(cause.appendedAt).toISOString());
    expect(shown.steps.map(({ name, state, afterSeconds }) => [name, state, afterSeconds])).toEqual([
      ['answer', 'succeeded', 0],
      ['chat', 'succeeded', 60],
      ['step3', 'succeeded', 60],
      ['siren', 'skipped', 120],
    ]);
    expect(shown.steps[1]).toMatchObject({ input: { text: 'kim' } });
    expect(shown.steps[3]).toMatchObject({ reason: `test.answered has come: ${id}.`, saw: { 'event.data.end': true } });
    // Nothing answers a sample.
    const sample = await on(item, { event: event({ zone: 'Z8' }) });
    expect(sample.steps.map(({ afterSeconds }) => afterSeconds)).toEqual([0, 600, 600, 660]);
  });

  test('a wait of a sample times out, unless `outputs` contains its event', async () => {
    const steps = [
      { name: 'answer', waitFor: { event: 'test.answered', seconds: 600 } },
      { ...siren, if: '{% $not($exists(steps.answer.output.id)) %}' },
    ];
    expect((await go(steps)).steps.map(({ name, state }) => [name, state])).toEqual([
      ['answer', 'succeeded'],
      ['siren', 'succeeded'],
    ]);
    const answered = await go(steps, { outputs: { answer: { id: 'evt_1' } } });
    expect(answered.steps).toMatchObject([{ output: { id: 'evt_1' } }, { state: 'skipped' }]);
    await expect(go(steps, { outputs: { other: 1 } })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('says what cannot be known, and takes it from `outputs`', async () => {
    const steps = [
      reading,
      { name: 'plan', set: '{% steps.read.output.n %}' },
      { ...siren, input: { id: '{% steps.plan.output %}', list: 1 } },
      { ...chat, input: { text: 7 } },
    ];
    const shown = await go(steps);
    expect(shown).toMatchObject({ state: 'failed' });
    const [unread, , rendered, wrong] = shown.steps;
    expect(unread).not.toHaveProperty('output');
    expect(rendered).toMatchObject({ state: 'succeeded', unknown: ['plan'] });
    expect(wrong).toMatchObject({ state: 'failed', problem: expect.stringContaining('/text') });
    const given = await go(steps.slice(0, 3), { outputs: { read: { n: 42 } } });
    expect(given.steps[0]).toMatchObject({ output: { n: 42 } });
    expect(given.steps[2]).toMatchObject({ input: { id: 42 } });
    expect(given.steps[2]).not.toHaveProperty('unknown');
  });

  test('with `reads` performs reads with the scopes of the caller, and nothing else', async () => {
    when('radio/read', () => ({ n: 5 }));
    const steps = [reading, { ...siren, input: { id: '{% steps.read.output.n %}' } }];
    const shown = await go(steps, { reads: true });
    expect(calls()).toEqual(['radio/read']);
    expect(shown.steps).toMatchObject([{ performed: true, output: { n: 5 } }, { input: { id: 5 } }]);
    const clerk: Principal = { keyId: 'clerk', name: 'clerk', scopes: ['chat/*/*'], perMinute: 60 };
    const denied = await go(steps, { reads: true }, clerk);
    expect(calls()).toEqual(['radio/read']);
    expect(denied.steps).toMatchObject([{ state: 'failed', problem: expect.stringContaining('radio/demo/read') }]);
    when('radio/read', trouble.down);
    const down = await go(steps, { reads: true });
    expect(down.steps).toMatchObject([{ state: 'failed', problem: 'It could not be reached.' }]);
  });

  test('carries out lists, rounds and branches as a run does', async () => {
    const shown = await go([
      {
        name: 'both',
        parallel: [
          [{ wait: { seconds: 10 } }, chat],
          [
            {
              name: 'people',
              forEach: '{% [1, 2] %}',
              do: [{ name: 'line', call: 'table/demo/say', input: { id: '{% item %}' } }],
            },
          ],
        ],
      },
      {
        name: 'again',
        repeat: {
          do: [{ name: 'beat', call: 'table/demo/read', input: { id: '{% item %}' } }],
          until: '{% item = 3 %}',
          max: 5,
          everySeconds: 60,
        },
      },
    ]);
    const times = shown.steps.filter(({ call }) => call?.includes('/demo/'));
    expect(times.map(({ name, index, input, afterSeconds }) => [name, index, input, afterSeconds])).toEqual([
      ['line', 0, { id: 1 }, 0],
      ['line', 1, { id: 2 }, 0],
      ['chat', 0, { text: 'alarm' }, 10],
      ['beat', 0, { id: 1 }, 10],
      ['beat', 1, { id: 2 }, 70],
      ['beat', 2, { id: 3 }, 130],
    ]);
  });

  test('includes the runs that it starts', async () => {
    const other = automation({
      name: 'Other',
      when: { event: 'trunkline.automation.started' },
      do: [{ ...chat, input: { text: '{% event.data.n %}' } }],
    });
    await stage.table().put({ ...other });
    const shown = await go([
      { name: 'more', start: other.id, forEach: '{% ["a", "b"] %}', input: { n: '{% item %}' } },
    ]);
    expect(shown.started.map(({ automation: name, steps }) => [name, steps[0]?.input])).toEqual([
      ['Other', { text: 'a' }],
      ['Other', { text: 'b' }],
    ]);
    expect(await stage.runs(other.id)).toEqual([]);
  });

  test('shows no memory to a key with fewer rights than the automation', async () => {
    const item = automation({ do: [{ ...chat, input: { text: '{% memo.secret %}' } }] });
    await stage.finish(
      await stage.start({
        ...automation({ do: [{ name: 'keep', remember: { key: 'secret', value: 'x' } }] }),
        id: item.id,
      }),
    );
    const steps = async (principal: Principal) => (await on(item, {}, principal)).steps[0]?.input;
    expect(await steps(admin)).toEqual({ text: 'x' });
    expect(await steps({ ...admin, scopes: ['chat/*/*'] })).toEqual({});
  });

  test('ends within its limits, and says so', async () => {
    const item = automation({ mode: 'queue', do: [{ wait: { seconds: 86_400 } }, siren] });
    await stage.execution(await stage.start(item)).invoke(stage.handlerOf((await stage.runs(item.id))[0]?.id ?? ''));
    expect(await on(item, {})).toMatchObject({ complete: false, state: 'running', steps: [] });
    const late = rehearse(
      stage.services(),
      vendors(),
      automation({ do: [chat] }),
      {},
      { principal: admin, signal: AbortSignal.abort() },
    );
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
  });
});
