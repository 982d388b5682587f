import { describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import { admin } from '../../../test/support/harness.ts';
import type { Principal } from '../../api/keys/key-check.ts';
import type { EventCatalogue } from '../../core/vendor.ts';
import { backtest } from './backtest.ts';
import type { BacktestInput } from './schemas.ts';

const stage = engineStage();
const { calls, clock, publish, automation } = stage;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
const chat = { name: 'chat', call: 'chat/demo/say', input: { text: '{% event.data.zone %}' } };
const iso = (time: number) => new Date(time).toISOString();

function on(item: ReturnType<typeof automation>, input: Partial<BacktestInput>, principal: Principal = admin) {
  const caller = { principal, signal: new AbortController().signal };
  const whole = { since: iso(clock.now() - 3_600_000), limit: 50, ...input };
  return backtest(stage.services(), stage.catalogue as EventCatalogue, item, whole, caller);
}

/** Stores events of a type of its own, one every so many seconds. */
async function happen(type: string, zones: string[], seconds = 60) {
  clock.advance(7_200_000);
  const since = iso(clock.now());
  for (const zone of zones) {
    await publish({ type, data: { zone } });
    clock.advance(seconds * 1000);
  }
  return since;
}

const textOf = (input: unknown) => (input as { text?: string } | undefined)?.text;

describe('a backtest', () => {
  test('lists the runs and calls that past events would have started, and starts none', async () => {
    const since = await happen('test.one', ['Z1', 'Z2', 'quiet']);
    const item = automation({
      when: { event: 'test.one' },
      if: "{% event.data.zone != 'quiet' %}",
      do: [siren, { wait: { seconds: 600 } }, chat],
    });
    const shown = await on(item, { since });
    expect(shown).toMatchObject({
      events: 3,
      summary: { runs: { succeeded: 2, skipped: 1 }, calls: { 'radio/demo/siren': 2, 'chat/demo/say': 2 } },
    });
    expect(shown.runs.map(({ startedAt, state, saw }) => [startedAt, state, saw?.['event.data.zone']])).toEqual([
      [since, 'succeeded', undefined],
      [iso(Date.parse(since) + 60_000), 'succeeded', undefined],
      [iso(Date.parse(since) + 120_000), 'skipped', 'quiet'],
    ]);
    expect(shown.runs[1]?.steps[2]).toMatchObject({ input: { text: 'Z2' }, afterSeconds: 600 });
    expect(shown).not.toHaveProperty('next');
    expect(calls()).toEqual([]);
    expect(await stage.runs(item.id)).toEqual([]);
  });

  test('judges duplicates, memory and turns as of the time of each event', async () => {
    const since = await happen('test.two', ['Z1', 'Z1', 'Z2', 'Z1', 'Z1'], 100);
    const dedupe = { key: '{% event.data.zone %}', seconds: 250 };
    const states = async (more: object) =>
      (await on(automation({ when: { event: 'test.two' }, ...more }), { since })).runs.map(({ state }) => state);
    expect(await states({ dedupe, do: [siren] })).toEqual([
      'succeeded',
      'suppressed',
      'succeeded',
      'succeeded',
      'suppressed',
    ]);
    expect(await states({ mode: 'single', do: [siren, { wait: { seconds: 150 } }] })).toEqual([
      'succeeded',
      'suppressed',
      'succeeded',
      'suppressed',
      'succeeded',
    ]);
    const counting = automation({
      when: { event: 'test.two' },
      mode: 'queue',
      do: [
        { name: 'keep', remember: { key: 'n', value: '{% ($exists(memo.n) ? memo.n : 0) + 1 %}' } },
        { wait: { seconds: 1000 } },
        { ...chat, input: { text: '{% $string(memo.n) %}' } },
      ],
    });
    const { runs } = await on(counting, { since });
    expect(runs.map(({ steps }) => [steps[0]?.afterSeconds, steps[2]?.input])).toEqual([
      [0, { text: '1' }],
      [900, { text: '2' }],
      [1800, { text: '3' }],
      [2700, { text: '4' }],
      [3600, { text: '5' }],
    ]);
  });

  test('a wait ends with the events that followed', async () => {
    const since = await happen('test.three', ['Z1']);
    await publish({ type: 'test.answered', data: { zone: 'Z1', by: 'kim' } });
    const item = automation({
      when: { event: 'test.three' },
      do: [
        { name: 'answer', waitFor: { event: 'test.answered', seconds: 600 } },
        { ...chat, input: { text: '{% steps.answer.output.data.by %}' } },
      ],
    });
    const { runs } = await on(item, { since });
    expect(runs[0]?.steps[1]).toMatchObject({ input: { text: 'kim' }, afterSeconds: 60 });
  });

  test('has pages, a window, and only what the key may read', async () => {
    const since = await happen('test.four', ['1', '2', '3', '4', '5']);
    const item = automation({ when: { event: 'test.*' }, do: [chat] });
    const seen: unknown[] = [];
    let after: string | undefined;
    do {
      const page = await on(item, { since, limit: 2, ...(after !== undefined && { after }) });
      seen.push(page.runs.map(({ steps }) => textOf(steps[0]?.input)));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual([['1', '2'], ['3', '4'], ['5']]);
    const until = iso(Date.parse(since) + 60_000);
    expect(await on(item, { since, until })).toMatchObject({ events: 2 });
    const clerk: Principal = { ...admin, scopes: ['radio/*/*'] };
    expect(await on(item, { since }, clerk)).toMatchObject({ events: 0, runs: [] });
    await expect(on(item, { since: iso(clock.now() + 1000) })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('includes the firings of schedules, and every trigger of a list', async () => {
    const since = await happen('test.five', ['Z1'], 3600);
    const item = automation({
      when: [{ event: 'test.five' }, { schedule: { everySeconds: 1800 } }],
      do: [{ ...chat, input: { text: '{% event.type %}' } }],
    });
    const { runs } = await on(item, { since });
    expect(runs.map(({ steps }) => textOf(steps[0]?.input))).toEqual(
      expect.arrayContaining(['test.five', 'trunkline.schedule.fired', 'trunkline.schedule.fired']),
    );
    expect(runs.length).toBeGreaterThanOrEqual(3);
  });
});
