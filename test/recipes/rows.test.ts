import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
type Installation = Awaited<ReturnType<RecipeDesk['install']>>;

beforeAll(async () => {
  desk = await startRecipeDesk();
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const strId = (userId: number) => `user${userId}@company.com`;
const rowOf = async (table: string, id: string) => (await desk.rows(table)).find((row) => row.id === id);
const lastLine = async () => (await desk.lines()).at(-1);

describe('R4 Job dispatch', () => {
  let recipe: Installation;
  const newRow = (values: object) =>
    desk.demo.timetonic.control.addRow({
      table: 'jobs',
      values: { Title: 'Leak, B2', Site: '34', Assignee: strId(4), Prio: '2', Status: 'Waiting', ...values },
    }).rowId;
  const job = (rowId: string, more: object = {}) => ({
    rowId,
    title: 'Leak, B2',
    site: '34',
    assignee: strId(4),
    prio: '2',
    ...more,
  });
  /** The run that a post to the hook leads to. */
  const dispatched = async (body: object): Promise<ShownRun> => {
    const received = await desk.runOf(recipe.idOf(''), await recipe.post(body));
    const started = received.steps[0]?.output as { runId: string };
    return desk.ended(started.runId);
  };
  afterAll(() => vi.mocked(services().clock.now).mockRestore());
  const textsAbout = (rowId: string) =>
    desk.demo.proptt2.state.sent.filter(({ text }) => text?.startsWith(`JOB ${rowId} `));
  beforeAll(async () => {
    recipe = await desk.install('job-dispatch', {});
  });

  test('delivered twice it is one message; the row says so, and its own automations stay off', async () => {
    const rowId = newRow({});
    const runs = await Promise.all([dispatched(job(rowId)), dispatched(job(rowId))]);
    expect(runs.map(({ state }) => state).sort()).toEqual(['succeeded', 'suppressed']);
    expect(textsAbout(rowId)).toMatchObject([{ kind: 'message', userId: 4, text: `JOB ${rowId} Leak, B2 @34 P2` }]);
    expect(await rowOf('jobs', rowId)).toMatchObject({
      Status: 'Dispatched',
      DispatchRef: expect.stringMatching(/^[0-9A-F]{4}$/),
      DispatchedAt: expect.any(String),
    });
    expect(desk.demo.timetonic.state.urlTriggers).toEqual([]);
  });

  test('an urgent job is an alert in the channel of the site as well', async () => {
    const rowId = newRow({ Prio: '1' });
    expect((await dispatched(job(rowId, { prio: '1' }))).state).toBe('succeeded');
    const sent = textsAbout(rowId).map(({ kind, userId, channelId }) => [kind, userId ?? channelId]);
    expect(sent.sort()).toEqual([
      ['alert', 2],
      ['message', 4],
    ]);
  });

  test('an unknown assignee: an alert in the channel, and the row says so', async () => {
    const rowId = newRow({ Assignee: 'nobody@company.com' });
    expect((await dispatched(job(rowId, { assignee: 'nobody@company.com' }))).state).toBe('succeeded');
    expect(textsAbout(rowId)).toMatchObject([{ kind: 'alert', channelId: 2 }]);
    expect(await rowOf('jobs', rowId)).toMatchObject({ Status: 'Dispatch failed: user not found' });
  });

  test('without the row written back nothing is sent twice, and polling writes it', async () => {
    const rowId = newRow({ Status: 'New' });
    desk.demo.timetonic.control.failRequest({ req: 'createOrUpdateTableRow', kind: 'nok', text: 'no such right' });
    const run = await dispatched(job(rowId));
    expect([run.state, stepsOf(run)]).toMatchObject(['partial', { text: 'succeeded', row: 'failed' }]);
    expect(await rowOf('jobs', rowId)).toMatchObject({ Status: 'New' });
    // What comes within a second is a duplicate. No later run may be older: the clock stays ahead.
    vi.spyOn(services().clock, 'now').mockImplementation(() => Date.now() + 1_001);
    const polled = await desk.runNow(recipe.idOf('poll'));
    const started = polled.steps
      .filter(({ name }) => name === 'dispatch')
      .map(({ output }) => output as { runId: string });
    // Two rows of the demo are new as well.
    expect(started).toHaveLength(3);
    for (const { runId } of started) await desk.ended(runId);
    expect(textsAbout(rowId)).toHaveLength(1);
    expect(await rowOf('jobs', rowId)).toMatchObject({ Status: 'Dispatched' });
    const again = await desk.runNow(recipe.idOf('poll'));
    expect(again.steps.find(({ name }) => name === 'new')?.output).toEqual([]);
  });

  test('ProPTT2 down: the job waits and is sent once; TimeTonic down: it is sent all the same', async () => {
    const [first, second] = [newRow({}), newRow({})];
    desk.down('proptt2');
    const waiting = dispatched(job(first));
    const newest = async () => (await desk.runs(recipe.idOf('dispatch')))[0]?.state;
    await desk.eventually(newest).toBe('running');
    expect(textsAbout(first)).toEqual([]);
    desk.up();
    expect((await waiting).state).toBe('succeeded');
    // Its own page for maintenance, which `down` otherwise shows, asks for a pause of a minute.
    desk.down('timetonic', 'reset');
    const other = dispatched(job(second));
    await desk.eventually(() => textsAbout(second).length).toBe(1);
    desk.up();
    expect((await other).state).toBe('succeeded');
    for (const rowId of [first, second]) {
      expect(textsAbout(rowId)).toHaveLength(1);
      expect(await rowOf('jobs', rowId)).toMatchObject({ Status: 'Dispatched' });
    }
  });
});

describe('R2 Rota', () => {
  let recipe: Installation;
  const start = '2026-10-24 22:00:00';
  const end = '2026-10-25 06:00:00';
  /** The clocks go back at 3 o'clock: these eight hours of the rota last nine. */
  const [onShift, lastMinute, over] = ['2026-10-24T20:00:00Z', '2026-10-25T04:59:00Z', '2026-10-25T05:00:00Z'];
  const shift = (userId: number, channelNo: string, role = 'Normal') =>
    desk.demo.timetonic.control.addRow({
      table: 'rota',
      values: { Person: strId(userId), ChannelNo: channelNo, Start: start, End: end, Role: role },
    }).rowId;
  const at = (timestamp: string, installed = recipe) => desk.runNow(installed.idOf(''), { timestamp });
  const members = (channelId: number) => desk.demo.proptt2.data().channels[channelId]?.members ?? {};
  const writes = () =>
    desk.demo.proptt2.journal.filter(({ method, path }) => method !== 'GET' && /channels\/\d+\/users/.test(path))
      .length + desk.demo.timetonic.journal.filter(({ body }) => body.includes('createOrUpdateTableRow')).length;
  const make = async (name: string, more: object = {}) => {
    const made = await desk.install('rota', { timeZone: 'Europe/Paris', ...more }, name);
    await desk.onlyByHand(made.idOf(''));
    return made;
  };
  beforeAll(async () => {
    recipe = await make('Rota');
  });

  test('links who is on shift, reports it, writes the rows back, and a second run writes nothing', async () => {
    const rows = [shift(4, '34', 'Operator'), shift(5, '34'), shift(7, '56')];
    const run = await at(onShift);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(members(2)).toMatchObject({ 4: 90, 5: 10 });
    // The console lists them on its page of people.
    expect(run.steps.find(({ name }) => name === 'shift')?.output).toMatchObject({
      wanted: expect.arrayContaining([expect.objectContaining({ userId: 4, channelId: 2, role: 90 })]),
    });
    expect(await lastLine()).toBe(`Rota +2 -0: ${strId(4)} in 34, ${strId(5)} in 34`);
    for (const rowId of rows) expect(await rowOf('rota', rowId)).toMatchObject({ AppliedAt: expect.any(String) });
    const before = [writes(), await desk.lines()];
    expect((await at(lastMinute)).state).toBe('succeeded');
    expect([writes(), await desk.lines()]).toEqual(before);
  });

  test('a rota that cannot be read, or is empty, removes nobody', async () => {
    const before = JSON.stringify(members(2));
    desk.demo.timetonic.control.failRequest({ req: 'getNamedTableValues', kind: 'nok', text: 'no such table' });
    const failed = await at(over);
    expect([failed.state, stepsOf(failed).rota]).toEqual(['failed', 'failed']);
    const empty = await make('Empty', { rota: 'ptt_recordings' });
    expect(await at(over, empty)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('The rota has no rows: nothing is changed'),
    });
    expect(JSON.stringify(members(2))).toBe(before);
  });

  test('too many changes are refused, and a dry run only reports', async () => {
    const strict = await make('Strict', { freeChanges: 0, maxChangePercent: 10 });
    const rowId = shift(8, '34');
    expect(await at(onShift, strict)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('Stopped: 1 changes'),
    });
    const dry = await make('Dry', { dryRun: true });
    expect((await at(onShift, dry)).state).toBe('succeeded');
    expect((await at(onShift, dry)).state).toBe('succeeded');
    expect((await desk.lines()).filter((line) => line.startsWith('DRY RUN'))).toEqual([
      `DRY RUN Dry +1 -0: ${strId(8)} in 34`,
    ]);
    expect(members(2)).not.toHaveProperty('8');
    desk.demo.timetonic.control.deleteRow({ rowId });
  });

  test('Talk down, or ProPTT2: the rest is done, and nothing twice', async () => {
    const rowId = shift(8, '34');
    desk.down('proptt2');
    const failing = await desk.start(recipe.idOf(''), { timestamp: onShift });
    expect((await desk.ended(failing)).state).toBe('failed');
    desk.up();
    desk.down('talk');
    const id = await desk.start(recipe.idOf(''), { timestamp: onShift });
    await desk.eventually(() => members(2)[8]).toBe(10);
    desk.up();
    expect((await desk.ended(id)).state).toBe('succeeded');
    expect(await lastLine()).toBe(`Rota +1 -0: ${strId(8)} in 34`);
    expect(await rowOf('rota', rowId)).toMatchObject({ AppliedAt: expect.any(String) });
  });

  test('after the shift only people whom it linked are unlinked, and never a leader', async () => {
    const users = desk.demo.proptt2.data().users;
    if (users[4]) users[4].type = 70;
    expect((await at(over)).state).toBe('succeeded');
    expect(Object.keys(members(2)).sort()).toEqual(['1', '4', '6']);
    expect(members(3)).toHaveProperty('7');
    expect(await lastLine()).toBe('Rota +0 -2');
  });
});
