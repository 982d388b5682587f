import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
let recipe: Awaited<ReturnType<RecipeDesk['install']>>;

const talkUsers = ['bob', 'carol'];
const radioUsers = ['user2@company.com', 'user8@company.com'];

beforeAll(async () => {
  desk = await startRecipeDesk();
  const panel = await desk.install('alarm-panel', {});
  recipe = await desk.install('war-room', {
    talkUsers,
    radioUsers,
    keepSeconds: 1,
    hooks: panel.hooks.map(({ id }) => id),
  });
  panelPost = panel.post;
  await desk.bench.poll('timetonic', 'demo');
});
afterAll(() => desk.close());
afterEach(() => desk.up());

let panelPost: (body: object) => Promise<string>;

const incident = (name: string, more: object = {}) => ({
  incident: name,
  site: 'S12',
  kind: 'Fire',
  severity: 'critical',
  state: 'open',
  link: 'https://panel.example/42',
  ...more,
});
/** The run that a post has started, once it has ended. */
const roomRun = async (post: Promise<string>): Promise<ShownRun> => {
  const run = await desk.runOf(recipe.idOf('post'), await post);
  expect(run.state, JSON.stringify(run)).toBe('succeeded');
  const started = run.steps.find(({ name }) => name === 'opened')?.output as { runId: string } | undefined;
  return desk.ended(started?.runId ?? '');
};
const open = (name: string, more: object = {}) => roomRun(recipe.post(incident(name, more)));
const replay = async (run: ShownRun) => {
  const { body } = await desk.bench.call<{ id: string }>('POST', `/v1/runs/${run.id}/replay`, {});
  return desk.ended(body.id);
};

const read = async <T>(path: string) => (await desk.bench.call<T>('GET', path)).body;
const rooms = async (name: string) =>
  (await read<{ token: string; displayName: string }[]>('/v1/talk/demo/getRooms')).flatMap(({ token, displayName }) =>
    displayName.includes(name) ? [{ token, name: displayName }] : [],
  );
const messages = async (token: string) =>
  (
    await read<{ messages: { text: string; systemMessage?: string }[] }>(
      `/v1/talk/demo/getChatMessages?token=${token}&limit=100`,
    )
  ).messages.flatMap(({ text, systemMessage }) => (systemMessage ? [] : [text]));
const participants = async (token: string) =>
  (await read<{ userId?: string }[]>(`/v1/talk/demo/getParticipants?token=${token}`))
    .map(({ userId }) => userId)
    .sort();
const channels = async (name: string) =>
  (await read<{ channels: { id: number; no: string; name: string }[] }>('/v1/proptt2/demo/getChannelList')).channels
    .filter((each) => each.name === name)
    .map(({ id, no }) => ({ id, no }));
const members = async (channelId: number) =>
  (await read<{ users: { strId: string }[] }>(`/v1/proptt2/demo/getUsersOfChannel?channelId=${channelId}`)).users.map(
    ({ strId }) => strId,
  );
const rows = async (name: string) => (await desk.rows('war_rooms')).filter(({ Incident }) => Incident === name);

describe('R11 War room', () => {
  test('a serious incident opens a room, a channel and a row once, and its end closes them', async () => {
    const run = await open('INC-42');
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    const [room] = await rooms('INC-42');
    const [channel] = await channels('INC-42');
    expect(room?.name).toBe('INC-42 S12 Fire');
    expect(channel?.no).toBe('942');
    expect(await participants(room?.token ?? '')).toEqual(['alice', ...talkUsers]);
    expect(await members(channel?.id ?? 0)).toEqual(expect.arrayContaining(radioUsers));
    expect(await messages(room?.token ?? '')).toEqual([
      expect.stringMatching(/^🚨 INC-42 S12 Fire #[0-9A-F]{4}\nRadio channel 942\nhttps:\/\/panel.example\/42$/),
    ]);
    expect(await rows('INC-42')).toMatchObject([
      { Status: 'Open', Site: 'S12', RoomToken: room?.token, ChannelId: String(channel?.id) },
    ]);

    expect((await open('INC-42', { link: 'https://panel.example/again' })).state).toBe('suppressed');
    expect(await rooms('INC-42')).toHaveLength(1);

    const record = desk.demo.proptt2.insertRecord({ channelId: channel?.id ?? 0 });
    const closed = await open('INC-42', { state: 'closed' });
    expect(closed.state, JSON.stringify(closed)).toBe('succeeded');
    expect((await rooms('INC-42')).map(({ name }) => name)).toEqual(['[closed] INC-42 S12 Fire']);
    expect(await rows('INC-42')).toMatchObject([
      { Status: 'Closed', Recordings: expect.stringContaining(`(${record.id})`) },
    ]);
    expect(await channels('INC-42')).toEqual([]);
    // The room keeps what was said in it.
    expect(await messages(room?.token ?? '')).toHaveLength(1);

    // A second end changes nothing, and a new start opens another room.
    const again = await open('INC-42', { state: 'closed', link: '' });
    expect(stepsOf(again)).toMatchObject({ deleteChannel: 'skipped' });
    expect((await open('INC-42')).state).toBe('succeeded');
    expect(await rooms('INC-42')).toHaveLength(2);
    expect(await rows('INC-42')).toMatchObject([{ Status: 'Open' }]);
  });

  test('a run with a failed step can be replayed, and the replay opens no second room', async () => {
    desk.demo.proptt2.fault({ kind: 'html', status: 400, method: 'POST', path: '/channels\\b(?!/)' });
    const run = await open('INC-43');
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step channel:') });
    const [room] = await rooms('INC-43');
    expect(await messages(room?.token ?? '')).toEqual([expect.stringContaining('No radio channel')]);
    desk.up();
    const again = await replay(run);
    expect(again.state, JSON.stringify(again)).toBe('succeeded');
    expect(await rooms('INC-43')).toEqual([room]);
    expect(await channels('INC-43')).toMatchObject([{ no: '943' }]);
    expect(await rows('INC-43')).toMatchObject([{ ChannelId: expect.stringMatching(/^\d+$/) }]);
  });

  test('it is undone only on request: the channel, then the room', async () => {
    const run = await open('INC-44');
    expect([await rooms('INC-44'), await channels('INC-44')]).toMatchObject([[{}], [{}]]);
    const { body } = await desk.bench.call<{ id: string }>('POST', `/v1/runs/${run.id}/undo`, {});
    const undone = await desk.ended(body.id);
    expect(undone.steps.map(({ name, state }) => [name, state])).toEqual([
      ['undo_channel', 'succeeded'],
      ['undo_room', 'succeeded'],
    ]);
    expect([await rooms('INC-44'), await channels('INC-44')]).toEqual([[], []]);
  });

  test('opens for a row, for an alarm panel, and not for what is less serious', async () => {
    const values = { EventId: 'E-1001', Site: 'S07', Kind: 'Leak', Status: 'Open' };
    desk.demo.timetonic.control.addRow({ table: 'Incidents', values: { ...values, Severity: 'critical' } });
    desk.demo.timetonic.control.addRow({
      table: 'Incidents',
      values: { ...values, EventId: 'E-1002', Severity: 'low' },
    });
    await desk.bench.poll('timetonic', 'demo');
    await desk.eventually(() => rooms('E-1001')).toMatchObject([{ name: 'E-1001 S07 Leak' }]);
    expect(await channels('E-1001')).toMatchObject([{ no: '91001' }]);
    expect(await rooms('E-1002')).toEqual([]);

    const alarm = { event_id: 'E-1003', site: 'S12', zone: 'Z1', kind: 'Fire', state: 'open' };
    await roomRun(panelPost({ ...alarm, severity: 'critical', ts: '2026-01-05T02:11:09Z' }));
    expect(await rooms('E-1003')).toMatchObject([{ name: 'E-1003 S12 Fire' }]);
    const less = await desk.runOf(recipe.idOf('post'), await recipe.post(incident('INC-45', { severity: 'low' })));
    expect(less.state).toBe('skipped');
  });
});

describe('R11 with a vendor down', () => {
  const parts = async (name: string) =>
    [await rooms(name), await channels(name), await rows(name)].map((each) => each.length);
  test.each([
    ['talk', 'INC-51', 'room', [0, 1, 1]],
    ['proptt2', 'INC-52', 'channel', [1, 0, 1]],
    ['timetonic', 'INC-53', 'tables', [1, 1, 0]],
  ] as const)(
    '%s down: the others are done, the run of %s names the step %s, and a replay completes it',
    async (vendor, name, step, done) => {
      desk.down(vendor, vendor === 'timetonic' ? 'reset' : 'html');
      const run = await open(name);
      desk.up();
      expect(run.state, JSON.stringify(run)).toBe('partial');
      expect(run.reason).toContain(`Step ${step}:`);
      expect(await parts(name)).toEqual(done);
      const again = await replay(run);
      expect(again.state, JSON.stringify(again)).toBe('succeeded');
      expect(await parts(name)).toEqual([1, 1, 1]);
    },
  );
});
