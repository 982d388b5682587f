import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
let callbackUrl: string;
type Installation = Awaited<ReturnType<RecipeDesk['install']>>;

beforeAll(async () => {
  desk = await startRecipeDesk();
  // The events that a wait may end with. The first poll of each source only sets its cursor.
  await watch('Lone worker', []);
  const key = await desk.install('function-key', { supervisors: 5, videoRoom: 'controlroom' });
  callbackUrl = key.hooks[0]?.url ?? '';
  await desk.bench.poll('proptt2', 'demo');
  await desk.bench.poll('talk', 'demo');
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const minute = 60_000;
const strId = (userId: number) => `user${userId}@company.com`;
const place = (userId: number, minutesAgo: number) =>
  desk.demo.proptt2.moveUser({
    userId,
    latitude: '37.4898',
    longitude: '127.033',
    at: Date.now() - minutesAgo * minute,
  });
/** An installation that watches so many people, each of them without a sign for 21 minutes. */
async function watch(name: string, userIds: number[], more: object = {}): Promise<Installation> {
  for (const userId of userIds) place(userId, 21);
  const people = userIds.map(strId);
  const recipe = await desk.install('lone-worker', { supervisors: 5, people, ...more }, name);
  await desk.onlyByHand(recipe.idOf('check'));
  return recipe;
}
const check = (recipe: Installation) => desk.runNow(recipe.idOf('check'));
/** The run that has asked a person to check in. */
const runFor = async (recipe: Installation, userId: number) => {
  for (const { id } of await desk.runs(recipe.idOf('person'))) {
    const { body } = await desk.bench.call<ShownRun>('GET', `/v1/runs/${id}`);
    if ((body.steps[0]?.input as { userId?: number } | undefined)?.userId === userId) return id;
  }
  return '';
};
const sentTo = (userId: number) =>
  desk.demo.proptt2.state.sent.filter((each) => each.userId === userId).map(({ text }) => text ?? '');
const refOf = async (userId: number) => {
  await desk.eventually(() => sentTo(userId)).toHaveLength(1);
  return /#[0-9A-F]{4}/.exec(sentTo(userId)[0] ?? '')?.[0] ?? '';
};
const lineWith = (text: string) => desk.eventually(async () => (await desk.lines()).join('\n')).toContain(text);
const linesWith = async (text: string) => (await desk.lines()).filter((line) => line.includes(text)).length;

const alarmsAfter = (seconds: number) => ({ alertAfterSeconds: seconds, sosAfterSeconds: seconds });
const sentWith = (kind: string, text = '') =>
  desk.demo.proptt2.state.sent.filter((each) => each.kind === kind && (each.text ?? '').includes(text)).length;
const running = async (recipe: Installation) =>
  (await desk.runs(recipe.idOf('person'))).filter(({ state }) => state === 'running').length;
/** Answers once a run rests in its wait, so that what it waits for comes afterwards. */
const waits = (recipe: Installation, userId: number, step: string) =>
  desk
    .eventually(async () => {
      const run = await desk.bench.call<{ steps: { name: string; state: string }[] }>(
        'GET',
        `/v1/runs/${await runFor(recipe, userId)}`,
      );
      return run.body.steps?.find(({ name }) => name === step)?.state;
    })
    .toBe('running');
const row = async (userId: number) => (await desk.rows('lone_workers')).find(({ Person }) => Person === strId(userId));

describe('R7 Lone worker', () => {
  test('check-in, alert, SOS, line and row, each once; a sign of life closes it and counts for a while', async () => {
    desk.demo.timetonic.control.addRow({
      table: 'lone_workers',
      values: { Person: strId(5), TalkUser: 'bob', OnShift: 'Yes' },
    });
    const sirens = desk.sirens();
    const recipe = await watch('Table', [5], { people: [], ...alarmsAfter(1) });
    expect((await check(recipe)).state).toBe('succeeded');
    expect((await check(recipe)).state).toBe('succeeded');
    await waits(recipe, 5, 'sign3');
    const ref = await refOf(5);
    expect(sentTo(5)[0]).toMatch(/^Check-in please #[0-9A-F]{4} http/);
    expect(sentWith('alert', `${ref}`)).toBe(1);
    expect(desk.demo.proptt2.state.sent.find(({ kind }) => kind === 'alert')).toMatchObject({
      channelId: 5,
      text: expect.stringMatching(/^NO SIGN OF Bruno since .* https:.*mlat=37.4898&mlon=127.033 #/),
    });
    expect(desk.sirens()).toBe(sirens + 1);
    expect(await linesWith(`🆘 Bruno`)).toBe(1);
    expect(await row(5)).toMatchObject({ Status: 'Overdue', Ref: ref.slice(1), OverdueAt: expect.any(String) });

    // "ok" counts from the person, not from anybody.
    desk.demo.talk.postMessage({ token: 'controlroom', user: 'carol', message: 'ok' });
    await desk.bench.poll('talk', 'demo');
    expect(await running(recipe)).toBe(1);
    desk.demo.talk.postMessage({ token: 'controlroom', user: 'bob', message: 'OK' });
    await desk.bench.poll('talk', 'demo');
    const run = await desk.ended(await runFor(recipe, 5));
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    await lineWith(`OK Bruno ${ref}`);
    expect(await row(5)).toMatchObject({ Status: 'OK', ClosedAt: expect.any(String) });

    await check(recipe);
    await desk.eventually(() => running(recipe)).toBe(0);
    expect([sentTo(5).length, desk.sirens()]).toEqual([1, sirens + 1]);
  });

  test('a newer position, the function key, the link and "ok #REF" are signs of life: no alert and no SOS', async () => {
    const alarms = sentWith('alert') + desk.sirens();
    const recipe = await watch('Signs', [2, 6, 7, 8], alarmsAfter(86_400));
    await check(recipe);
    for (const userId of [2, 6, 7, 8]) await waits(recipe, userId, 'sign1');
    place(6, 0);
    const press = await desk.demo.proptt2.sendCallback(callbackUrl, {
      cmd: 'fn',
      channelId: 1,
      senderId: strId(7),
      senderName: '%EA%B9%80',
      latitude: 0,
      longitude: 0,
    });
    expect(press.status).toBe(200);
    const link = /http\S+/.exec(sentTo(8)[0] ?? '')?.[0] ?? '';
    expect((await fetch(link)).status).toBe(200);
    expect(await running(recipe)).toBe(4);
    expect((await fetch(link, { method: 'POST' })).status).toBe(200);
    desk.demo.talk.postMessage({ token: 'controlroom', user: 'carol', message: `ok ${await refOf(2)}` });
    await Promise.all([desk.bench.poll('proptt2', 'demo'), desk.bench.poll('talk', 'demo')]);
    for (const userId of [2, 6, 7, 8]) {
      const run = await desk.ended(await runFor(recipe, userId));
      expect(stepsOf(run), JSON.stringify(run)).toMatchObject({
        alert: 'skipped',
        sos: 'skipped',
        okLine: 'succeeded',
      });
    }
    // Pressing the key alerts the supervisors by the other recipe.
    expect(sentWith('alert') - sentWith('alert', 'KEY') + desk.sirens()).toBe(alarms);
  });

  test('no position is "no data", one in the future suspends the person, and both are said once', async () => {
    const recipe = await watch('Clock', [], { people: [strId(4), strId(9), strId(6), 'nobody@company.com'] });
    place(6, -60);
    const first = await check(recipe);
    expect([first.state, first.reason]).toEqual([
      'failed',
      expect.stringContaining('Chloé: position in the future, check the time zone'),
    ]);
    await check(recipe);
    const warning =
      '⚠️ Not watched: Chloé: position in the future, check the time zone; Ada: no data; Gate: no data; nobody@company.com: no data';
    await lineWith(warning);
    expect(await linesWith('Not watched')).toBe(1);
    expect(await desk.runs(recipe.idOf('person'))).toEqual([]);
  });

  test('ProPTT2 down: one "monitoring blind", no check-in and no SOS; then it continues', async () => {
    const sirens = desk.sirens();
    const recipe = await watch('Blind', [6, 7, 8], alarmsAfter(86_400));
    desk.down('proptt2');
    const id = await desk.start(recipe.idOf('check'));
    await lineWith('MONITORING BLIND');
    expect(await desk.runs(recipe.idOf('person'))).toEqual([]);
    desk.up();
    const run = await desk.ended(id);
    expect([run.state, stepsOf(run).users]).toEqual(['partial', 'failed']);
    expect((await check(recipe)).state).toBe('succeeded');
    await lineWith('Lone workers are watched again');
    for (const userId of [6, 7, 8]) await waits(recipe, userId, 'sign1');
    expect([await linesWith('MONITORING BLIND'), desk.sirens()]).toEqual([1, sirens]);
  });

  test.each(['talk', 'timetonic'] as const)(
    '%s down: check-in, alert and SOS all the same, once, and the run says what failed',
    async (vendor) => {
      const userId = vendor === 'talk' ? 7 : 8;
      const rowId = desk.demo.timetonic.control.addRow({
        table: 'lone_workers',
        values: { Person: strId(userId), OnShift: 'Yes' },
      }).rowId;
      const recipe = await watch(`Without ${vendor}`, [userId], { people: [], refreshSeconds: 0, ...alarmsAfter(1) });
      place(5, 0);
      place(userId, 0);
      await check(recipe);
      place(userId, 21);
      const [messages, sirens] = [sentTo(userId).length, desk.sirens()];
      desk.down(vendor, vendor === 'talk' ? 'html' : 'reset');
      const checked = await check(recipe);
      expect(checked.state).toBe(vendor === 'talk' ? 'succeeded' : 'partial');
      await waits(recipe, userId, 'sign3');
      expect([sentTo(userId).length, desk.sirens()]).toEqual([messages + 1, sirens + 1]);
      const isTalk = vendor === 'talk';
      const failing = isTalk ? 'line' : 'row';
      await desk
        .eventually(async () => {
          const { body } = await desk.bench.call<ShownRun>('GET', `/v1/runs/${await runFor(recipe, userId)}`);
          return body.steps.filter(({ error }) => error !== undefined).map(({ name }) => name);
        })
        .toEqual([failing]);
      desk.up();
      place(userId, 0);
      await desk.bench.poll('proptt2', 'demo');
      const run = await desk.ended(await runFor(recipe, userId));
      // What Talk refused is sent again; a row whose answer was lost is not.
      expect(run.state, JSON.stringify(run)).toBe(isTalk ? 'succeeded' : 'partial');
      expect(stepsOf(run)).toMatchObject({
        line: 'succeeded',
        row: isTalk ? 'succeeded' : 'unknown',
        okLine: 'succeeded',
        closeRow: 'succeeded',
      });
      const ref = /#[0-9A-F]{4}/.exec(sentTo(userId).at(-1) ?? '')?.[0] ?? '';
      expect(await linesWith(`(ok ${ref})`)).toBe(1);
      expect([sentTo(userId).length, desk.sirens()]).toEqual([messages + 1, sirens + 1]);
      desk.demo.timetonic.control.deleteRow({ rowId });
    },
  );
});
