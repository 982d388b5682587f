import { expect, test } from 'vitest';
import { engineStage, trouble } from '../../../test/support/engine-stage.ts';
import { admin } from '../../../test/support/harness.ts';
import { alarmOf, listAlarms } from './alarms.ts';

const stage = engineStage();
const { when, clock } = stage;

const siren = { name: 'siren', call: 'radio/demo/siren', input: { id: 1 }, onError: 'continue' };
const iso = (time: number) => new Date(time).toISOString();
const run = async (...steps: object[]) => {
  const id = await stage.start(stage.automation({ do: steps }));
  const postedAt = clock.now();
  await stage.finish(id);
  return { id, postedAt, item: await stage.read(id) };
};
const alarm = async (item: Awaited<ReturnType<typeof stage.read>>) =>
  alarmOf(stage.services(), stage.catalogue, admin, item);

test('an alarm has the time from its cause to the vendor, and the worst of its outcomes', async () => {
  const raised = await run({ wait: { seconds: 5 } }, siren);
  const raisedAt = (await stage.read(raised.id)).steps.siren?.endedAt ?? 0;
  expect(raisedAt - raised.postedAt).toBeGreaterThanOrEqual(5_000);
  expect(await alarm(raised.item)).toMatchObject({
    state: 'raised',
    call: 'radio/demo/siren',
    postedAt: iso(raised.postedAt),
    raisedAt: iso(raisedAt),
    acknowledgedAt: undefined,
  });
  when('radio/alert', trouble.refused);
  const half = await run(siren, { name: 'alert', call: 'radio/demo/alert', input: { id: 1 }, onError: 'continue' });
  expect(await alarm(half.item)).toMatchObject({ state: 'failed', call: 'radio/demo/alert' });
  expect((await alarm(half.item))?.raisedAt).toBeDefined();
});

test('a wait that ends with an event after the alarm acknowledges it; one that runs out of time does not', async () => {
  const wait = { name: 'ack', waitFor: { event: 'test.answered', seconds: 60 } };
  const unheard = await run(siren, wait);
  expect(await alarm(unheard.item)).toMatchObject({ state: 'raised', acknowledgedAt: undefined });

  const id = await stage.start(stage.automation({ do: [siren, wait] }));
  await stage.execution(id).invoke(stage.handlerOf(id));
  clock.advance(20_000);
  await stage.publish({ type: 'test.answered' });
  await stage.finish(id);
  const ended = (await stage.read(id)).steps.ack?.endedAt ?? 0;
  expect(await alarm(await stage.read(id))).toMatchObject({ acknowledgedAt: iso(ended) });
});

test('the list has runs that called for an alarm, newest first, and no others', async () => {
  const before = await run(siren);
  await run({ name: 'chat', call: 'chat/demo/say', input: { text: 'x' } });
  await run({ ...siren, if: '{% false %}' });
  clock.advance(1_000);
  const last = await run(siren);
  const listed = await listAlarms(stage.services(), stage.catalogue, admin, { limit: 2, to: clock.now() });
  expect(listed.map(({ runId }) => runId)).toEqual([last.id, before.id]);
});
