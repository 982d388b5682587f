import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
type Installation = Awaited<ReturnType<RecipeDesk['install']>>;

beforeAll(async () => {
  desk = await startRecipeDesk();
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const make = async (recipe: string, name: string, inputs: object = {}) => {
  const made = await desk.install(recipe, inputs, name);
  await desk.onlyByHand(made.idOf(''));
  return made;
};
const run = (recipe: Installation) => desk.runNow(recipe.idOf(''));
/** The requests that TimeTonic received during a call. */
const requestsOf = async (work: () => Promise<unknown>) => {
  const before = desk.demo.timetonic.journal.length;
  await work();
  return desk.demo.timetonic.journal.slice(before).map(({ body }) => /req=(\w+)/.exec(body)?.[1]);
};
const countBy = (rows: Record<string, unknown>[], field: string) =>
  Object.values(Object.groupBy(rows, (row) => String(row[field]))).map((each) => each?.length);

describe('R8 Positions', () => {
  const strId = (userId: number) => `guard${userId}@company.com`;
  const place = (userId: number, latitude: string, secondsAgo = 0) =>
    desk.demo.proptt2.moveUser({ userId, latitude, longitude: '127.1', at: Date.now() - secondsAgo * 1000 });
  const rows = async () => (await desk.rows('positions')).filter(({ Person }) => String(Person).startsWith('guard'));
  let recipe: Installation;
  beforeAll(async () => {
    const { users } = desk.demo.proptt2.data();
    for (let id = 1001; id <= 1200; id++)
      users[id] = { id, strId: strId(id), name: `Guard ${id}`, type: 50, organizationId: 1 };
    for (let id = 1001; id <= 1200; id++) place(id, '37.5', 600);
    place(1199, '', 600);
    place(1200, '0', 600);
    recipe = await make('positions', 'Positions', { history: 'position_history' });
  });

  test('everybody with coordinates has one row; 3 moves among 200 people are one call', async () => {
    const old = desk.demo.timetonic.control.addRow({
      table: 'positions',
      values: { Person: 'gone@company.com', SeenAt: '2020-01-01 00:00:00' },
    });
    const first = await run(recipe);
    expect(first.state, JSON.stringify(first).slice(0, 3000)).toBe('succeeded');
    expect((await rows()).length).toBe(198);
    // What is older than the retention is deleted.
    expect((await desk.rows('positions')).map(({ id }) => id)).not.toContain(old.rowId);
    expect((await desk.rows('position_history')).length).toBeGreaterThanOrEqual(198);

    const plain = await make('positions', 'Plain');
    await run(plain);
    for (const userId of [1001, 1002, 1003]) place(userId, '37.6', 20);
    expect(await requestsOf(() => run(plain))).toEqual(['createOrUpdateTableRows']);
    const moved = (await rows()).filter(({ Lat }) => Number(Lat) === 37.6);
    expect(moved.map(({ Person }) => Person)).toEqual([1001, 1002, 1003].map(strId));
    expect(countBy(await rows(), 'Person').every((count) => count === 1)).toBe(true);
    expect(await requestsOf(() => run(plain))).toEqual([]);
  });

  test('a vendor that is down delays positions and doubles none', async () => {
    place(1004, '37.6', 10);
    expect((await run(recipe)).state).toBe('succeeded');
    place(1004, '37.7');
    desk.down('proptt2');
    expect((await run(recipe)).state).toBe('failed');
    desk.up();
    desk.down('timetonic', 'reset');
    const failed = await run(recipe);
    expect([failed.state, stepsOf(failed).users, stepsOf(failed).seen]).toEqual(['partial', 'succeeded', 'skipped']);
    desk.up();
    expect((await run(recipe)).state).toBe('succeeded');
    expect((await rows()).filter(({ Person }) => Person === strId(1004))).toMatchObject([{ Lat: 37.7 }]);
  });

  test('near the quota it pauses with the reason', async () => {
    const path = '/v1/connections/timetonic/demo';
    expect((await desk.bench.call('PATCH', path, { settings: { monthlyCalls: 100 } })).status).toBe(200);
    const sparing = await make('positions', 'Sparing', { quotaPercent: 3 });
    for (let call = 0; call < 4; call++) await desk.rows('positions');
    const paused = await run(sparing);
    expect([paused.state, paused.reason]).toEqual([
      'failed',
      expect.stringMatching(/Paused: \d+ % of the TimeTonic calls of this month are used/),
    ]);
    const later = await run(sparing);
    expect([later.state, stepsOf(later).write]).toEqual(['succeeded', 'skipped']);
    expect((await desk.bench.call('PATCH', path, { settings: { monthlyCalls: null } })).status).toBe(200);
  });
});

describe('R3 Recordings', () => {
  let recipe: Installation;
  const finished = () => desk.demo.proptt2.data().records.filter(({ status }) => status === 10);
  const exported = () => desk.rows('ptt_recordings');
  const complete = async () => {
    const ids = (await exported()).map(({ RecordId }) => Number(RecordId)).sort((one, other) => one - other);
    expect(ids).toEqual(finished().map(({ id }) => id));
  };
  const insert = (count: number) => {
    for (let at = 0; at < count; at++) desk.demo.proptt2.insertRecord();
  };
  beforeAll(async () => {
    recipe = await make('recordings', 'Recordings');
  });

  test('every finished recording is one row, and one that is made meanwhile follows', async () => {
    // Two pages, of which most recordings are not finished.
    for (const record of desk.demo.proptt2.data().records.slice(1, 100)) record.status = 20;
    desk.demo.proptt2.configure({ insertWhilePaging: 1 });
    const first = await run(recipe);
    expect(first.state, JSON.stringify(first).slice(0, 3000)).toBe('succeeded');
    expect(await desk.lines()).toContainEqual(expect.stringMatching(/PTT recordings: \d+ new, see the file above/));
    expect((await run(recipe)).state).toBe('succeeded');
    await complete();
    const [row] = await exported();
    expect(row).toMatchObject({ RecordId: '1', Kind: 'Audio', ChannelNo: '12', Channel: 'Dispatch', Speaker: 'Owner' });
    const calls = await requestsOf(() => run(recipe));
    expect(calls).toEqual([]);
  });

  test('a deadlock in the middle of a batch: what is missing is written, and nothing twice', async () => {
    insert(12);
    desk.demo.timetonic.control.deadlock({ rowsWritten: 4 });
    const requests = await requestsOf(async () => {
      expect((await run(recipe)).state).toBe('succeeded');
    });
    // Two batches, and what was missing of the first.
    expect(requests.filter((request) => request === 'createOrUpdateTableRows')).toHaveLength(3);
    await complete();
  });

  test('a lost answer: the rows are found in the table, and the run succeeds', async () => {
    insert(12);
    desk.demo.timetonic.control.failRequest({ req: 'createOrUpdateTableRows', kind: 'reset', when: 'after' });
    const requests = await requestsOf(async () => {
      expect((await run(recipe)).state).toBe('succeeded');
    });
    expect(requests.filter((request) => request === 'createOrUpdateTableRows')).toHaveLength(2);
    await complete();
  });

  test('stopped half-way, the next run continues where it ended', async () => {
    insert(25);
    const before = (await exported()).length;
    const refuse = { req: 'createOrUpdateTableRows', kind: 'nok', text: 'no such right' } as const;
    // Refused once, it is written after the table was read; refused twice, nothing more is written.
    desk.demo.timetonic.control.failRequest(refuse);
    expect((await run(recipe)).state).toBe('partial');
    await complete();
    insert(25);
    desk.demo.timetonic.control.failRequest({ ...refuse, times: 2 });
    const stopped = await run(recipe);
    expect(stopped.state).toBe('partial');
    expect((await exported()).length).toBe(before + 25);
    expect((await desk.lines()).at(-1)).toMatch(/25 not exported, they follow with the next run: .*no such right/);
    expect((await run(recipe)).state).toBe('succeeded');
    await complete();
  });

  test.each([
    ['proptt2', 'failed'],
    ['timetonic', 'partial'],
  ] as const)('%s down: nothing is exported, and the next run exports it once', async (vendor, state) => {
    insert(3);
    desk.down(vendor, 'reset');
    expect((await run(recipe)).state).toBe(state);
    desk.up();
    expect(finished().length - (await exported()).length).toBe(3);
    expect((await run(recipe)).state).toBe('succeeded');
    await complete();
  });

  test('Talk down: the rows are written all the same, and once', async () => {
    insert(3);
    desk.down('talk');
    const id = await desk.start(recipe.idOf(''));
    await desk.eventually(async () => (await exported()).length).toBe(finished().length);
    desk.up();
    expect(stepsOf(await desk.ended(id))).toMatchObject({ write: 'succeeded', done: 'succeeded' });
    expect((await run(recipe)).state).toBe('succeeded');
    await complete();
  });
});
