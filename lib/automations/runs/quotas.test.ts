import { beforeEach, describe, expect, test } from 'vitest';
import { engineStage } from '../../../test/support/engine-stage.ts';
import { admin } from '../../../test/support/harness.ts';
import type { Connection } from '../../core/vendor.ts';
import { keys } from '../../store/items.ts';
import { showRun } from './routes.ts';

const stage = engineStage();
const { clock } = stage;
const say = { name: 'say', call: 'table/demo/say', input: { text: 'x' } };
const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 } };
async function monthly(monthlyCalls: number): Promise<Connection> {
  const { connections } = stage.services();
  await stage
    .table()
    .update(keys.connection('table', 'demo'), 'SET #settings = :settings', { settings: { monthlyCalls } });
  connections.forget('table', 'demo');
  return connections.find('table', 'demo');
}
const spend = async (connection: Connection, calls: number) => {
  const { usage, http } = stage.services();
  for (let call = 0; call < calls; call++)
    await usage.counting(http, connection).request({ method: 'GET', url: 'https://vendor.example/', timeoutMs: 1_000 });
};

let month = 0;
beforeEach(() => {
  clock.time = Date.UTC(2027, month++, 27, 12);
});

describe('when 95 % of the monthly calls of a connection are used', () => {
  test('a run that raises no alarm waits for the next month with a reason, and then continues', async () => {
    await spend(await monthly(100), 95);
    const id = await stage.start(stage.automation({ do: [say] }));
    let waits = 0;
    await stage.finish(id, async () => {
      waits++;
      const run = await stage.read(id);
      expect(showRun(run, admin, clock.now())).toMatchObject({
        state: 'running',
        waiting: expect.stringMatching(
          /^quota: 95 % of the monthly calls of table\/demo are used\. The step continues on 2027-02-01;/,
        ),
      });
      expect(run.steps.say).toMatchObject({ state: 'running', attempts: 0, error: { code: 'paused' } });
      expect(stage.calls()).toEqual([]);
    });
    expect(waits).toBeGreaterThan(5);
    expect(clock.now()).toBeGreaterThanOrEqual(Date.UTC(2027, 1, 1));
    expect(stage.calls()).toEqual(['table/say']);
    const run = await stage.read(id);
    expect(run.state).toBe('succeeded');
    expect(showRun(run, admin, clock.now())).not.toHaveProperty('waiting');
  });

  test('it continues within half a day after the quota was raised', async () => {
    await spend(await monthly(100), 95);
    const id = await stage.start(stage.automation({ do: [say] }));
    const startedAt = clock.now();
    await stage.finish(id, () => monthly(1_000));
    expect(stage.calls()).toEqual(['table/say']);
    expect(clock.now() - startedAt).toBeLessThan(13 * 60 * 60_000);
  });

  test('an automation that raises an alarm, is declared as one, or was started by one is not held back', async () => {
    await spend(await monthly(100), 99);
    await stage.go([siren, say]);
    await stage.go({ priority: 'alarm', do: [say] });
    const other = stage.automation({ name: 'Chronicle', do: [say] });
    await stage.table().put({ ...other });
    await stage.go([siren, { name: 'chronicle', start: 'Chronicle' }]);
    const [started] = await stage.runs(other.id);
    await stage.finish(started?.id ?? '');
    expect(stage.calls()).toEqual(['radio/siren', 'table/say', 'table/say', 'radio/siren', 'table/say']);
  });
});

test('expressions read the quotas of the connections that the automation calls', async () => {
  await spend(await monthly(200), 50);
  const { steps } = await stage.go([
    { name: 'quota', set: '{% quota %}' },
    { ...say, if: '{% quota.table.demo.percent >= 80 %}' },
    { name: 'other', call: 'radio/demo/read', if: '{% $not($exists(quota.radio)) %}' },
  ]);
  expect(steps.quota?.output).toEqual({ table: { demo: { limit: 200, used: 50, percent: 25, reserved: false } } });
  expect([steps.say?.state, steps.other?.state]).toEqual(['skipped', 'succeeded']);
  const skipped = await stage.go({ if: '{% quota.table.demo.used > 100 %}', do: [say] });
  expect(skipped.state).toBe('skipped');
});
