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

describe('R1 Alarm panel', () => {
  let recipe: Installation;
  const alarm = (zone: string, more: object = {}) => ({
    event_id: `E-${zone}`,
    site: 'S12',
    zone,
    kind: 'Fire',
    severity: 'critical',
    state: 'open',
    ts: '2026-01-05T02:11:09Z',
    ...more,
  });
  const raise = async (zone: string, more: object = {}) =>
    desk.runOf(recipe.idOf(''), await recipe.post(alarm(zone, more)));
  const row = async (zone: string) => (await desk.rows('incidents')).filter(({ EventId }) => EventId === `E-${zone}`);
  beforeAll(async () => {
    recipe = await desk.install('alarm-panel', {});
  });

  test('sounds, alerts, writes a line and a row, and a closed alarm closes the same row', async () => {
    desk.radio();
    const run = await raise('Z3');
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    // A siren that takes long, such as the first with its login, does not hold up the alert.
    const sent = desk.radio().sort((a, b) => a.kind.localeCompare(b.kind));
    expect(sent).toMatchObject([
      { kind: 'alert', channelId: 1, text: expect.stringMatching(/^ALARM S12\/Z3 Fire #[0-9A-F]{4}$/) },
      { kind: 'sos', channelId: 1 },
    ]);
    expect((await desk.lines()).at(-1)).toMatch(/^🔥 S12\/Z3 Fire #[0-9A-F]{4}$/);
    expect(await row('Z3')).toMatchObject([{ Site: 'S12', Zone: 'Z3', Kind: 'Fire', Status: 'Open' }]);

    const closed = await raise('Z3', { state: 'closed' });
    expect(closed.state, JSON.stringify(closed)).toBe('succeeded');
    expect(desk.radio().map(({ kind, text }) => [kind, text?.split(' #')[0]])).toEqual([['message', 'CLEARED S12/Z3']]);
    expect(await row('Z3')).toMatchObject([{ Status: 'Closed', ClosedAt: expect.any(String) }]);
  });

  test('the same alarm ten times is one siren, and a low severity none', async () => {
    const before = desk.sirens();
    await Promise.all(Array.from({ length: 10 }, (_, at) => recipe.post(alarm('Z-same', { at }))));
    await expect
      .poll(async () => (await desk.runs(recipe.idOf(''))).filter(({ state }) => state === 'suppressed').length)
      .toBe(9);
    await expect.poll(desk.sirens).toBe(before + 1);
    expect((await raise('Z-low', { severity: 'low' })).state).toBe('skipped');
  });

  test.each(['html', 'reset'] as const)('Talk down (%s): siren, alert and row all the same, partial', async (kind) => {
    desk.down('talk', kind);
    const before = desk.sirens();
    const id = await recipe.post(alarm(`Z-talk-${kind}`));
    await expect.poll(desk.sirens).toBe(before + 1);
    await expect.poll(() => row(`Z-talk-${kind}`)).toHaveLength(1);
    desk.up();
    const run = await desk.runOf(recipe.idOf(''), id);
    expect(stepsOf(run)).toMatchObject({ siren: 'succeeded', alert: 'succeeded', row: 'succeeded' });
  });

  test('ProPTT2 down: line and row at once, and the siren sounds once when it is back', async () => {
    // A session is alive, as it is kept between alarms.
    await raise('Z-warm');
    const before = desk.sirens();
    desk.down('proptt2');
    const id = await recipe.post(alarm('Z-radio'));
    await expect.poll(async () => (await desk.lines()).join()).toContain('S12/Z-radio');
    await expect.poll(() => row('Z-radio')).toHaveLength(1);
    desk.up();
    const run = await desk.runOf(recipe.idOf(''), id);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(desk.sirens()).toBe(before + 1);
  });

  test('ProPTT2 answers no alarm for 30 s: the run names siren and alert, and neither sounds later', async () => {
    const before = desk.sirens();
    desk.demo.proptt2.fault({ kind: 'html', status: 503, path: '/send(SOS|Alert)' });
    const id = await recipe.post(alarm('Z-silent'));
    await expect.poll(() => row('Z-silent')).toHaveLength(1);
    const clock = vi.spyOn(services().clock, 'now').mockImplementation(() => Date.now() + 31_000);
    const run = await desk.runOf(recipe.idOf(''), id);
    clock.mockRestore();
    desk.up();
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step siren: ') });
    expect(stepsOf(run)).toMatchObject({ siren: 'failed', alert: 'failed', line: 'succeeded', row: 'succeeded' });
    // Its key is free: the same alarm may sound.
    expect(stepsOf(await raise('Z-silent'))).toMatchObject({ siren: 'succeeded' });
    expect(desk.sirens()).toBe(before + 1);
  });

  test('TimeTonic down: siren, alert and line all the same', async () => {
    desk.down('timetonic');
    const before = desk.sirens();
    await recipe.post(alarm('Z-tables'));
    await expect.poll(desk.sirens).toBe(before + 1);
    await expect.poll(async () => (await desk.lines()).join()).toContain('S12/Z-tables');
  });
});

describe('R5 Talk keyword', () => {
  let recipe: Installation;
  const say = async (user: string, message: string) => {
    desk.demo.talk.postMessage({ token: 'controlroom', user, message });
    await desk.bench.poll('talk', 'demo');
  };
  const answered = async (text: string) => expect.poll(async () => (await desk.lines()).at(-1)).toContain(text);
  beforeAll(async () => {
    recipe = await desk.install('talk-keyword', { people: ['bob'], confirmSeconds: 600 });
    await desk.bench.poll('talk', 'demo');
    desk.radio();
  });

  test('an alert and a message go to the channel, and a notice to the room', async () => {
    await say('bob', '!alert 34 pump is dry');
    await answered('sent to channel 34');
    await say('bob', '!say 12 all clear');
    await answered('sent to channel 12');
    expect(desk.radio().map(({ kind, channelId, text }) => [kind, channelId, text])).toEqual([
      ['alert', 2, 'pump is dry (bob)'],
      ['message', 1, 'all clear (bob)'],
    ]);
    expect((await desk.runs(recipe.idOf(''))).filter(({ state }) => state === 'succeeded')).toHaveLength(2);
  });

  test('an SOS sounds once it is confirmed', async () => {
    const before = desk.sirens();
    await say('bob', '!sos 12');
    await answered('Answer "confirm"');
    expect(desk.sirens()).toBe(before);
    await say('bob', 'confirm');
    await answered('sent to channel 12');
    expect(desk.sirens()).toBe(before + 1);
    desk.radio();
  });
});

describe('R5 with a vendor down', () => {
  let recipe: Installation;
  const command = async (message: string) => {
    desk.demo.talk.postMessage({ token: 'controlroom', user: 'carol', message });
    await desk.bench.poll('talk', 'demo');
  };
  const alerts = (text: string) =>
    desk.demo.proptt2.state.sent.filter((each) => each.text === `${text} (carol)`).length;
  const newest = async () => {
    const [run] = await desk.runs(recipe.idOf(''));
    return (await desk.bench.call<ShownRun>('GET', `/v1/runs/${run?.id}`)).body;
  };
  const answers = async () => (await desk.lines()).filter((line) => line.startsWith('sent to channel 12')).length;
  beforeAll(async () => {
    recipe = await desk.install('talk-keyword', { people: ['carol'] }, 'Keyword of Carol');
    await desk.bench.poll('talk', 'demo');
  });

  test('ProPTT2: the room is notified that nothing was sent, and nothing is sent later', async () => {
    desk.down('proptt2');
    await command('!alert 12 no radio');
    await expect.poll(async () => (await desk.lines()).at(-1)).toContain('Not sent: ');
    const run = await desk.ended((await newest()).id);
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step channels:') });
    desk.up();
    expect(alerts('no radio')).toBe(0);
  });

  test('Talk: a command that was received is carried out, and its answer follows once', async () => {
    const before = await answers();
    desk.demo.talk.fault({ kind: 'html', status: 503, method: 'POST', path: '/chat/' });
    await command('!alert 12 no chat');
    await expect.poll(() => alerts('no chat')).toBe(1);
    await expect.poll(async () => (await newest()).steps.find(({ name }) => name === 'answer')?.error).toBeDefined();
    desk.up();
    const run = await desk.ended((await newest()).id);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect([alerts('no chat'), await answers()]).toEqual([1, before + 1]);
  });

  test('Talk: a command that could not be received is carried out once it is', async () => {
    desk.down('talk');
    await command('!alert 12 later');
    expect(alerts('later')).toBe(0);
    desk.up();
    await desk.bench.poll('talk', 'demo');
    await desk.bench.poll('talk', 'demo');
    await expect.poll(() => alerts('later')).toBe(1);
    expect((await desk.ended((await newest()).id)).state).toBe('succeeded');
    expect(alerts('later')).toBe(1);
  });

  test('TimeTonic: it is not asked', async () => {
    desk.down('timetonic');
    await command('!alert 12 no tables');
    await expect.poll(() => alerts('no tables')).toBe(1);
    expect((await desk.ended((await newest()).id)).state).toBe('succeeded');
  });
});

describe('R6 Function key', () => {
  let recipe: Installation;
  const press = (more: object = {}) => ({
    cmd: 'fn',
    channelId: 3,
    senderId: `a${Math.random()}@c.ptt`,
    senderName: 'user%20name',
    latitude: 37.012,
    longitude: 127.106,
    ...more,
  });
  const presses = async () => (await desk.rows('function_keys')).length;
  const post = async (body: object) => {
    const url = new URL(recipe.hooks[0]?.url ?? '').pathname;
    const { status } = await desk.bench.call('POST', url, body, { authorization: '' });
    return status;
  };
  beforeAll(async () => {
    recipe = await desk.install('function-key', { videoRoom: 'controlroom', supervisors: 5 });
    desk.radio();
  });

  test('alerts the supervisors, writes a line and a row', async () => {
    const before = await presses();
    expect(await post(press())).toBe(200);
    await expect.poll(presses).toBe(before + 1);
    await expect.poll(async () => (await desk.lines()).at(-1)).toContain('🔔 user name in Évacuation: https');
    expect(desk.radio().map(({ kind, channelId }) => [kind, channelId])).toEqual([['alert', 5]]);
  });

  test('a position of 0, 0 is unknown, and an unknown command is accepted', async () => {
    expect(await post(press({ latitude: 0, longitude: 0 }))).toBe(200);
    await expect.poll(async () => (await desk.lines()).join()).toContain('position unknown');
    expect(await post({ cmd: 'new', x: 1 })).toBe(200);
    desk.radio();
  });

  test.each(['proptt2', 'talk', 'timetonic'] as const)('%s down: the others are notified', async (vendor) => {
    const before = await presses();
    const senderName = `guard without ${vendor}`;
    const alerts = () => desk.demo.proptt2.state.sent.filter(({ text }) => text?.includes(senderName)).length;
    const lines = async () => (await desk.lines()).filter((line) => line.includes(senderName)).length;
    desk.down(vendor);
    expect(await post(press({ senderName }))).toBe(200);
    const counts = {
      proptt2: async () => alerts(),
      timetonic: async () => (await presses()) - before,
      talk: lines,
      [vendor]: async () => 1,
    };
    for (const count of Object.values(counts)) await expect.poll(count).toBe(1);
  });
});
