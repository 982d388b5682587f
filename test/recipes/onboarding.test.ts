import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
let recipe: Awaited<ReturnType<RecipeDesk['install']>>;
let token: string;

beforeAll(async () => {
  desk = await startRecipeDesk();
  recipe = await desk.install('onboarding', {});
  const room = await desk.bench.call<{ token: string }>('POST', '/v1/talk/demo/createRoom', {
    roomType: 2,
    roomName: 'Night shift',
  });
  token = room.body.token;
  licence(500);
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const company = { ownerId: 'owner@company.com', interactionKey: 'bb00cc' };
const licence = (licenceLimit: number) => desk.demo.proptt2.putCompany({ ...company, licenceLimit });
const users = () => Object.values(desk.demo.proptt2.data().users);
const user = (strId: string) => users().filter((each) => each.strId === strId);
const channelsOf = (id: number) =>
  Object.values(desk.demo.proptt2.data().channels)
    .filter(({ members }) => id in members)
    .map(({ no }) => no);
const participants = async () =>
  (await desk.bench.call<{ userId?: string }[]>('GET', `/v1/talk/demo/getParticipants?token=${token}`)).body.map(
    ({ userId }) => userId,
  );

const add = (email: string, values: object = {}) =>
  desk.demo.timetonic.control.addRow({
    table: 'People',
    values: { Email: email, Name: email.split('@')[0], Status: 'Approved', ...values },
  }).rowId;
const change = async (rowId: string, values: Record<string, string>) => {
  const { fields } = desk.demo.timetonic.state.tables.find(({ code }) => code === 'people') ?? { fields: [] };
  const fieldValues = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [String(fields.find((field) => field.name === name)?.id), value]),
  );
  const written = await desk.bench.call('POST', '/v1/timetonic/demo/createOrUpdateTableRow', { rowId, fieldValues });
  expect(written.status, JSON.stringify(written.body)).toBe(200);
};
const rowOf = async (rowId: string) => (await desk.rows('people')).find(({ id }) => id === rowId);
const go = async (): Promise<ShownRun> => desk.runOf(recipe.idOf(''), await recipe.post({ button: 'people' }));

describe('R10 Onboarding', () => {
  test('an approved row becomes a user with channels and rooms, and its password is kept nowhere', async () => {
    const rowId = add('kim@new.ptt', {
      TempPassword: 'Tmp-7Yp4!é',
      Type: '70',
      Channels: '12, 34',
      TalkUser: 'bob',
      TalkRooms: token,
    });
    const run = await go();
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    const [kim] = user('kim@new.ptt');
    const hash = createHash('sha512').update('Tmp-7Yp4!é', 'utf8').digest('hex');
    expect(hash).toMatch(/^606ba9fb.*f442c$/);
    expect(kim).toMatchObject({ hashedPassword: hash, type: 70, name: 'kim' });
    expect(channelsOf(kim?.id ?? 0)).toEqual(['12', '34']);
    expect(await participants()).toContain('bob');
    expect(await rowOf(rowId)).toMatchObject({
      Status: 'Active',
      PttUserId: String(kim?.id),
      Error: null,
      TempPassword: null,
    });
    const whole = await desk.bench.call('GET', `/v1/runs/${run.id}`);
    const events = await desk.bench.call('GET', '/v1/events?limit=200');
    expect(JSON.stringify([whole.body, events.body])).not.toMatch(/7Yp4|606ba9fb/);
    const [{ id = '' } = {}] = user('kim@new.ptt');
    expect((await go()).steps.filter(({ name }) => name === 'create')).toEqual([]);
    expect(user('kim@new.ptt')).toMatchObject([{ id }]);
  });

  test('a taken id is used again, a row that is refused says why, and one without a password gets one', async () => {
    const [known] = user('user4@company.com');
    const taken = add('user4@company.com', { Channels: '12,999' });
    const refused = add('bad@new.ptt', { Type: '33' });
    const free = add('lee@new.ptt');
    const run = await go();
    expect(run.state).toBe('partial');
    expect(await rowOf(taken)).toMatchObject({
      Status: 'Incomplete',
      PttUserId: String(known?.id),
      Error: expect.stringContaining('There is no channel 999'),
    });
    expect(user('user4@company.com')).toHaveLength(1);
    expect(await rowOf(refused)).toMatchObject({ Status: 'Failed', Error: expect.stringContaining('type') });
    expect(await rowOf(free)).toMatchObject({ Status: 'Active' });
    expect(user('lee@new.ptt')).toMatchObject([{ hashedPassword: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
  });

  test('the licence is used up: the rest is not tried and says so', async () => {
    licence(users().length + 1);
    const rowIds = ['a', 'b', 'c'].map((name) => add(`${name}@full.ptt`));
    const run = await go();
    licence(500);
    expect(run.state).toBe('partial');
    const states = await Promise.all(rowIds.map(async (rowId) => (await rowOf(rowId))?.Status));
    expect(states).toEqual(['Active', 'Licence limit', 'Licence limit']);
    expect(run.steps.filter(({ name }) => name === 'create')).toHaveLength(2);
  });

  test('a leaver loses channels, account and rooms, once', async () => {
    const rowId = add('ada@leaves.ptt', { Channels: '12,34', TalkUser: 'carol', TalkRooms: token });
    await go();
    expect(await participants()).toContain('carol');
    const [ada] = user('ada@leaves.ptt');
    await change(rowId, { Status: 'Leaving' });
    const run = await go();
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(run.steps.filter(({ name }) => name === 'unlink').map(({ state }) => state)).toEqual([
      'succeeded',
      'succeeded',
    ]);
    expect([user('ada@leaves.ptt'), channelsOf(ada?.id ?? 0)]).toEqual([[], []]);
    expect(await participants()).not.toContain('carol');
    expect(await rowOf(rowId)).toMatchObject({ Status: 'Left', Error: null });
    await change(rowId, { Status: 'Leaving' });
    expect((await go()).state).not.toBe('failed');
    expect(await rowOf(rowId)).toMatchObject({ Status: 'Left' });
  });

  test('a batch of 120 rows that is interrupted half-way is completed without doubles', async () => {
    const emails = Array.from({ length: 120 }, (_, at) => `n${at}@many.ptt`);
    for (const email of emails) add(email, { Channels: '56' });
    const made = () => users().filter(({ strId }) => strId.endsWith('@many.ptt'));
    const posted = recipe.post({ button: 'people' });
    await expect.poll(() => made().length).toBeGreaterThan(40);
    desk.down('proptt2', 'reset');
    const run = await desk.runOf(recipe.idOf(''), await posted);
    expect(run.state, run.reason).toBe('partial');
    const before = made().length;
    expect(before).toBeLessThan(120);
    desk.up();
    const again = await go();
    expect(again.state, again.reason).toBe('succeeded');
    expect(
      made()
        .map(({ strId }) => strId)
        .sort(),
    ).toEqual([...emails].sort());
    expect(made().every(({ id }) => channelsOf(id).join() === '56')).toBe(true);
    const rows = (await desk.rows('people')).filter(({ Email }) => String(Email).endsWith('@many.ptt'));
    expect(rows).toHaveLength(120);
    expect(new Set(rows.map(({ Status }) => Status))).toEqual(new Set(['Active']));
    expect(new Set(rows.map(({ PttUserId }) => PttUserId)).size).toBe(120);
  });
});

describe('R10 with a vendor down', () => {
  test('Talk: the user has an account and channels, and the row says what is missing', async () => {
    const rowId = add('t@down.ptt', { Channels: '12', TalkUser: 'zoë', TalkRooms: token });
    desk.down('talk');
    const run = await go();
    desk.up();
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step join:') });
    expect(channelsOf(user('t@down.ptt')[0]?.id ?? 0)).toEqual(['12']);
    expect(await rowOf(rowId)).toMatchObject({ Status: 'Approved', Error: expect.stringMatching(/./) });
    expect((await go()).state).toBe('succeeded');
    expect(await participants()).toContain('zoë');
    expect(user('t@down.ptt')).toHaveLength(1);
    expect(await rowOf(rowId)).toMatchObject({ Status: 'Active', Error: null });
  });

  test('ProPTT2: the person is in the room all the same, and the next post completes it', async () => {
    const rowId = add('p@down.ptt', { TalkUser: 'bob', TalkRooms: token });
    desk.down('proptt2');
    const run = await go();
    desk.up();
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step create:') });
    expect(stepsOf(run).join).toBe('succeeded');
    expect(await rowOf(rowId)).toMatchObject({
      Status: 'Approved',
      PttUserId: null,
      Error: expect.stringMatching(/./),
    });
    expect((await go()).state).toBe('succeeded');
    expect(user('p@down.ptt')).toHaveLength(1);
  });

  test('TimeTonic: nothing is done without its rows, the run says so, and the next one does it once', async () => {
    const rowId = add('r@down.ptt');
    desk.down('timetonic', 'reset');
    const run = await go();
    desk.up();
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('Step rows:') });
    expect(user('r@down.ptt')).toEqual([]);
    expect((await go()).state).toBe('succeeded');
    expect(user('r@down.ptt')).toHaveLength(1);
    expect(await rowOf(rowId)).toMatchObject({ Status: 'Active' });
  });
});
