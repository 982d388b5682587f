import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk } from './desk.ts';

let desk: RecipeDesk;
let fence: string;
const zoneChannel = 2;

beforeAll(async () => {
  desk = await startRecipeDesk();
  fence = (await desk.install('geofence', {})).idOf('');
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const start = Date.now() - 5 * 60_000;
let moves = 0;
/** Puts a user so many metres north of the middle of the zone, which ends at 200. */
const move = (userId: number, metres: number, at = start + ++moves * 1000) =>
  desk.demo.proptt2.moveUser({ userId, latitude: String(37.4898 + metres / 111_195), longitude: '127.033', at });
const go = (): Promise<ShownRun> => desk.runNow(fence);
const moveAndGo = async (userId: number, metres: number) => {
  move(userId, metres);
  return go();
};
const isMember = (userId: number) => userId in (desk.demo.proptt2.data().channels[zoneChannel]?.members ?? {});
/** What the radios, the chat and the table received about a person. */
const received = async (person: string) => ({
  radio: desk.demo.proptt2.state.sent.filter(({ text }) => text?.startsWith(person)).map(({ text }) => text),
  chat: (await desk.lines()).filter((line) => line.startsWith(`📍 ${person} `)),
  rows: (await desk.rows('crossings'))
    .filter(({ Person }) => Person === person)
    .map(({ Zone, Kind }) => `${Kind} ${Zone}`),
});
const nothing = { radio: [], chat: [], rows: [] };

describe('R9 Geofence', () => {
  test('who enters is linked to the channel of the zone, who leaves is unlinked, and everybody is notified', async () => {
    // People who are in a zone from the start have entered it.
    await go();
    expect((await received('Dispatcher')).radio).toEqual(['Dispatcher entered Site 12. Wear a helmet']);
    expect(isMember(8)).toBe(false);
    const run = await moveAndGo(8, 100);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(isMember(8)).toBe(true);
    const entered = 'Lone worker entered Site 12. Wear a helmet';
    expect(await received('Lone worker')).toEqual({
      radio: [entered],
      chat: [`📍 ${entered}`],
      rows: ['Enter Site 12'],
    });
    expect((await moveAndGo(8, 500)).state).toBe('succeeded');
    expect(isMember(8)).toBe(false);
    expect(await received('Lone worker')).toEqual({
      radio: [entered, 'Lone worker left Site 12'],
      chat: [`📍 ${entered}`, '📍 Lone worker left Site 12'],
      rows: ['Enter Site 12', 'Exit Site 12'],
    });
  });

  test('who was in the channel before stays in it', async () => {
    expect(isMember(6)).toBe(true);
    await moveAndGo(6, 0);
    await moveAndGo(6, 900);
    expect((await received('Chloé')).radio).toHaveLength(2);
    expect(isMember(6)).toBe(true);
  });

  test('jitter at the border is one crossing; two positions beyond it are the next', async () => {
    for (const metres of [190, 205, 195]) await moveAndGo(5, metres);
    // The first position inside, less than the margin, waits for a second.
    expect((await received('Bruno')).radio).toEqual([]);
    await moveAndGo(5, 190);
    for (const metres of [205, 195]) await moveAndGo(5, metres);
    expect((await received('Bruno')).radio).toHaveLength(1);
    await moveAndGo(5, 205);
    // The same position again is no second one.
    await go();
    expect((await received('Bruno')).radio).toHaveLength(1);
    await moveAndGo(5, 206);
    expect((await received('Bruno')).rows).toEqual(['Enter Site 12', 'Exit Site 12']);
  });

  test('a position that is old, empty or zero counts for nothing', async () => {
    move(7, 0, Date.now() - 11 * 120_000);
    desk.demo.proptt2.moveUser({ userId: 4, latitude: '0', longitude: '0' });
    await go();
    desk.demo.proptt2.moveUser({ userId: 4, latitude: '', longitude: '' });
    await go();
    expect([await received('김민준'), await received('Ada')]).toEqual([nothing, nothing]);
  });

  test('an updated installation keeps its memory and reports nothing again', async () => {
    await moveAndGo(3, 10);
    expect((await received('Channel leader')).radio).toHaveLength(1);
    expect((await desk.install('geofence', {})).idOf('')).toBe(fence);
    await moveAndGo(3, 20);
    expect((await received('Channel leader')).radio).toHaveLength(1);
    await moveAndGo(3, 400);
    expect((await received('Channel leader')).rows).toEqual(['Enter Site 12', 'Exit Site 12']);
  });
});

describe('R9 with a vendor down', () => {
  test('ProPTT2: nobody counts as having left, and the crossing is reported once afterwards', async () => {
    move(8, 50);
    desk.down('proptt2');
    const run = await go();
    desk.up();
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('Step users:') });
    const before = (await received('Lone worker')).radio.length;
    expect((await go()).state).toBe('succeeded');
    await go();
    expect((await received('Lone worker')).radio).toHaveLength(before + 1);
    expect(isMember(8)).toBe(true);
  });

  test.each([
    ['talk', 'line', 500, { radio: 1, chat: 0, rows: 1 }],
    ['timetonic', 'tables', 50, { radio: 1, chat: 1, rows: 0 }],
  ] as const)(
    '%s: the others are done, the run names the step %s, and nothing is reported twice',
    async (vendor, step, metres, added) => {
      const count = async () => {
        const { radio, chat, rows } = await received('Lone worker');
        return { radio: radio.length, chat: chat.length, rows: rows.length };
      };
      const before = await count();
      move(8, metres);
      desk.down(vendor, vendor === 'timetonic' ? 'reset' : 'html');
      const run = await go();
      desk.up();
      expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining(`Step ${step}:`) });
      await go();
      const after = await count();
      expect({
        radio: after.radio - before.radio,
        chat: after.chat - before.chat,
        rows: after.rows - before.rows,
      }).toEqual(added);
      expect(isMember(8)).toBe(metres < 200);
    },
  );
});
