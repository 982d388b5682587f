import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { services } from '../../lib/aws/services.ts';
import { keys } from '../../lib/store/items.ts';
import type { ShownRun } from '../acceptance/product.ts';
import { type RecipeDesk, startRecipeDesk, stepsOf } from './desk.ts';

let desk: RecipeDesk;
type Installation = Awaited<ReturnType<RecipeDesk['install']>>;

beforeAll(async () => {
  desk = await startRecipeDesk();
  await desk.bench.poll('talk', 'demo');
});
afterAll(() => desk.close());
afterEach(() => desk.up());

const onCall = 1;
const next = 2;
const everybody = 3;
const keyChannel = 4;
/** Timers that end by themselves, and timers that only an answer ends. */
const quick = { firstSeconds: 1, secondSeconds: 1, calmSeconds: 1 };
const slow = { firstSeconds: 86_400, secondSeconds: 86_400, calmSeconds: 1 };

let count = 0;
const install = (inputs: object): Promise<Installation> =>
  desk.install(
    'monitoring-alert',
    { onCall, next, everybody, keyChannel, quietFrom: '00:00', quietTo: '00:00', ...inputs },
    `Monitoring ${++count}`,
  );

const trouble = (dedup_key: string, more: object = {}) => ({
  dedup_key,
  action: 'trigger',
  severity: 'critical',
  summary: `${dedup_key} is down`,
  source: 'db-1',
  ...more,
});

/** What the radios got about a key, as channel and kind; an SOS has no text. */
const radio = (key: string) =>
  desk.demo.proptt2.state.sent
    .filter(({ text, kind }) => kind === 'sos' || text?.includes(`${key} is down`))
    .map(({ kind, channelId }) => `${kind} ${channelId}`);
const silence = () => {
  desk.demo.proptt2.state.sent.length = 0;
};
const lines = async (key: string) => (await desk.lines()).filter((line) => line.includes(`${key} is down`));
/** The line of an incident, with its reference and its link. */
const lineOf = async (key: string) => {
  await expect.poll(() => lines(key)).not.toEqual([]);
  const [line = ''] = await lines(key);
  return { line, ref: line.match(/#[0-9A-F]{4}/)?.[0] ?? '', link: line.match(/\/links\/\S+/)?.[0] ?? '' };
};
const room = async (text: string) => desk.eventually(async () => (await desk.lines()).join('\n')).toContain(text);
const rowsOf = async (key: string) => (await desk.rows('monitoring')).filter(({ Key }) => Key === key);
/** The only incident of an installation, as it is now. */
const incident = async (recipe: Installation): Promise<ShownRun> => {
  const [run] = await desk.runs(recipe.idOf('incident'));
  return (await desk.bench.call<ShownRun>('GET', `/v1/runs/${run?.id}`)).body;
};
const reached = (recipe: Installation, step: string, state: string) =>
  desk.eventually(async () => stepsOf(await incident(recipe))[step]).toBe(state);
const ended = async (recipe: Installation) => desk.ended((await incident(recipe)).id);

describe('R12 Monitoring alert', () => {
  test('nobody takes it: chat and radio, then an alert, then an SOS and a row; its end is reported and closes the row', async () => {
    silence();
    const recipe = await install(quick);
    await recipe.post(trouble('K-silent'));
    await reached(recipe, 'row', 'succeeded');
    expect(radio('K-silent')).toEqual([`message ${onCall}`, `alert ${next}`, `sos ${everybody}`]);
    const { line, ref } = await lineOf('K-silent');
    expect(line).toMatch(/^🔔 CRITICAL K-silent is down \(db-1\) #[0-9A-F]{4}\nTake it: ack #[0-9A-F]{4} or http/);
    expect(await rowsOf('K-silent')).toMatchObject([{ Status: 'Escalated', Severity: 'critical', Ref: ref.slice(1) }]);
    await recipe.post(trouble('K-silent', { action: 'resolve' }));
    const run = await ended(recipe);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(await lines('K-silent')).toEqual([line, `RESOLVED CRITICAL K-silent is down (db-1) ${ref}`]);
    expect(await rowsOf('K-silent')).toMatchObject([{ Status: 'Resolved', ResolvedAt: expect.any(String) }]);
    expect(radio('K-silent')).toHaveLength(3);
  });

  const answers: [string, (recipe: Installation, key: string) => Promise<string>][] = [
    [
      'ack in the chat',
      async (_, key) => {
        desk.demo.talk.postMessage({
          token: 'controlroom',
          user: 'bob',
          message: `ack ${(await lineOf(key)).ref.toLowerCase()}`,
        });
        await desk.bench.poll('talk', 'demo');
        return 'bob';
      },
    ],
    [
      'the link, which a preview only reads',
      async (recipe, key) => {
        const { link } = await lineOf(key);
        expect((await desk.bench.call('GET', link, undefined, { authorization: '' })).status).toBe(200);
        expect(stepsOf(await incident(recipe)).taken ?? 'running').toBe('running');
        expect((await desk.bench.call('POST', link, undefined, { authorization: '' })).status).toBe(200);
        return 'the link';
      },
    ],
    [
      'the function key in the channel for that',
      async (recipe) => {
        const hook = await desk.bench.call<{ url: string }>('POST', '/v1/hooks', {
          name: 'Keys',
          verify: { kind: 'proptt2-callback', connection: 'demo' },
        });
        const press = async (channelId: number) => {
          const { status } = await desk.bench.call(
            'POST',
            new URL(hook.body.url).pathname,
            { cmd: 'fn', channelId, senderId: 'kim@company.ptt', senderName: 'Kim', latitude: 0, longitude: 0 },
            { authorization: '' },
          );
          expect(status).toBe(200);
        };
        await press(keyChannel + 1);
        await reached(recipe, 'taken', 'running');
        await press(keyChannel);
        return 'kim@company.ptt';
      },
    ],
    [
      'an acknowledgement of the monitoring tool',
      async (recipe, key) => {
        await recipe.post(trouble(key, { action: 'acknowledge' }));
        return 'the monitoring tool';
      },
    ],
  ];
  test.each(answers)('taken by %s: nothing more sounds, and its end is reported', async (_, answer) => {
    silence();
    const recipe = await install(slow);
    const key = `K-ack${count}`;
    await recipe.post(trouble(key));
    const { ref } = await lineOf(key);
    const who = await answer(recipe, key);
    await room(`Taken by ${who}: ${ref}`);
    await recipe.post(trouble(key, { action: 'resolve' }));
    const run = await ended(recipe);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    expect(stepsOf(run)).toMatchObject({ alert: 'skipped', takenLate: 'skipped', sos: 'skipped', row: 'skipped' });
    expect(radio(key)).toEqual([`message ${onCall}`]);
    expect((await lines(key)).at(-1)).toMatch(/^RESOLVED/);
  });

  test('an answer while the SOS is being tried again: it does not sound any more', async () => {
    silence();
    const recipe = await install(quick);
    desk.demo.proptt2.fault({ kind: 'html', status: 503, path: '/sendSOS' });
    await recipe.post(trouble('K-race'));
    const { link } = await lineOf('K-race');
    await desk
      .eventually(async () => (await incident(recipe)).steps.find(({ name }) => name === 'sos')?.error)
      .toBeDefined();
    expect((await desk.bench.call('POST', link, undefined, { authorization: '' })).status).toBe(200);
    // Until then no request succeeds: an attempt that started before the answer would be right to sound.
    await reached(recipe, 'sos', 'skipped');
    desk.up();
    expect(radio('K-race')).toEqual([`message ${onCall}`, `alert ${next}`]);
  });

  const incidents = async (recipe: Installation) =>
    services().table.queryAll<{ pk: string; sk: string; id: string; state: string; restsUntil?: number }>({
      pk: keys.runs(recipe.idOf('incident')),
    });
  /** So many runs wait for their turn. */
  const waiting = (recipe: Installation, count: number) =>
    desk
      .eventually(async () => (await incidents(recipe)).filter(({ restsUntil }) => restsUntil !== undefined).length)
      .toBe(count);

  test('thirty flaps are one incident', async () => {
    silence();
    const recipe = await install({ ...slow, calmSeconds: 86_400 });
    await recipe.post(trouble('K-flap'));
    await lineOf('K-flap');
    await recipe.post(trouble('K-flap', { action: 'resolve' }));
    for (let flap = 1; flap < 30; flap++) {
      await recipe.post(trouble('K-flap', { flap }));
      await recipe.post(trouble('K-flap', { flap, action: 'resolve' }));
    }
    await waiting(recipe, 29);
    expect((await lines('K-flap')).map((line) => line.slice(0, 3))).toEqual(['🔔 ', 'RES']);
    expect(radio('K-flap')).toEqual([`message ${onCall}`]);
  });

  test('after the calm, what is over is left out, and what is still open is reported', async () => {
    silence();
    const recipe = await install({ ...slow, calmSeconds: 86_400 });
    await recipe.post(trouble('K-calm'));
    await lineOf('K-calm');
    await recipe.post(trouble('K-calm', { action: 'resolve' }));
    await reached(recipe, 'calm', 'running');
    const first = (await incident(recipe)).id;
    await recipe.post(trouble('K-calm', { flap: 1 }));
    await recipe.post(trouble('K-calm', { flap: 1, action: 'resolve' }));
    await recipe.post(trouble('K-calm', { flap: 2 }));
    await waiting(recipe, 2);
    // The calm ends now.
    await desk.bench.call('POST', `/v1/runs/${first}/cancel`, {});
    await desk.eventually(() => lines('K-calm')).toHaveLength(3);
    expect((await lines('K-calm')).map((line) => line.slice(0, 3))).toEqual(['🔔 ', 'RES', '🔔 ']);
    expect(radio('K-calm')).toEqual([`message ${onCall}`, `message ${onCall}`]);
    expect((await incidents(recipe)).map(({ state }) => state).sort()).toEqual(['cancelled', 'running', 'succeeded']);
  });

  test('Alertmanager: a group of many alerts is listed up to the cap, and then counted', async () => {
    const recipe = await install({ ...slow, perMinute: 3 });
    const alerts = Array.from({ length: 12 }, (_, at) => ({
      status: 'firing',
      labels: { alertname: 'Down', instance: `host-${at}`, severity: 'critical' },
      annotations: { summary: `K-flood is down` },
      fingerprint: `flood ${at}`,
      generatorURL: 'http://prometheus.example/graph',
    }));
    await recipe.post({ version: '4', status: 'firing', receiver: 'trunkline', alerts });
    const runs = () => desk.runs(recipe.idOf('incident'));
    await desk.eventually(async () => (await runs()).length).toBe(12);
    const dropped = async () => (await runs()).filter(({ state }) => state === 'suppressed').length;
    await desk.eventually(async () => (await lines('K-flood')).length + (await dropped())).toBe(12);
    // The minute is over.
    const { table } = services();
    const minutes = await table.queryAll<{ pk: string; sk: string; suppressed?: number }>({
      pk: keys.flood(recipe.idOf('incident'), 0).pk,
    });
    for (const { pk, sk, suppressed } of minutes)
      if (suppressed !== undefined) await table.update({ pk, sk }, 'SET #dueAt = :now', { now: 1 });
    await desk.bench.product.tick();
    for (const { suppressed } of minutes) if (suppressed !== undefined) await room(`…and ${suppressed} more alerts`);
    expect(minutes.reduce((sum, { suppressed = 0 }) => sum + suppressed, 0)).toBe(await dropped());
    expect(desk.demo.proptt2.state.sent.at(-1)).toMatchObject({ kind: 'message', channelId: onCall });
  });

  test('in quiet hours a warning reaches the chat only, and what is critical everybody', async () => {
    silence();
    const recipe = await install({ ...quick, quietTo: '24:00' });
    await recipe.post(trouble('K-quiet', { severity: 'warning' }));
    await reached(recipe, 'row', 'skipped');
    expect(stepsOf(await incident(recipe))).toMatchObject({ page: 'skipped', alert: 'skipped', sos: 'skipped' });
    expect(radio('K-quiet')).toEqual([]);
    expect(await lines('K-quiet')).toHaveLength(1);
    await recipe.post(trouble('K-loud'));
    await desk.eventually(() => radio('K-loud')).toHaveLength(3);
  });

  test('a post of no known form fails, and says why', async () => {
    const recipe = await install(slow);
    const run = await desk.runOf(recipe.idOf('post'), await recipe.post({ zone: 'Z3' }));
    expect(run).toMatchObject({ state: 'failed', reason: expect.stringContaining('not an alert in a known form') });
  });
});

describe('R12 with a vendor down', () => {
  const steps = async (recipe: Installation) => (await incident(recipe)).steps;
  const stepOf = async (recipe: Installation, wanted: string) =>
    (await steps(recipe)).find(({ name }) => name === wanted);

  test('Talk: the radios sound all the same, and the chat gets the end of the incident', async () => {
    silence();
    const recipe = await install(quick);
    desk.down('talk');
    await recipe.post(trouble('K-talk'));
    await desk.eventually(() => radio('K-talk')).toEqual([`message ${onCall}`, `alert ${next}`, `sos ${everybody}`]);
    expect(await stepOf(recipe, 'line')).toMatchObject({ state: 'running', error: { code: expect.any(String) } });
    desk.up();
    await recipe.post(trouble('K-talk', { action: 'resolve' }));
    const run = await ended(recipe);
    expect(run.state, JSON.stringify(run)).toBe('succeeded');
    // It was over before the chat came back: its start is reported with its end.
    expect(await lines('K-talk')).toEqual([expect.stringMatching(/^RESOLVED CRITICAL K-talk is down/)]);
    expect(radio('K-talk')).toHaveLength(3);
  });

  test('ProPTT2: the line is sent at once, and the page is sent later, once', async () => {
    silence();
    const recipe = await install(slow);
    desk.down('proptt2');
    await recipe.post(trouble('K-radio'));
    await lineOf('K-radio');
    expect(radio('K-radio')).toEqual([]);
    expect(await stepOf(recipe, 'page')).toMatchObject({ state: 'running', error: { code: expect.any(String) } });
    desk.up();
    await desk.eventually(() => radio('K-radio')).toEqual([`message ${onCall}`]);
  });

  test('ProPTT2 refuses the page: the run reports it at its end', async () => {
    const recipe = await install({ ...slow, onCall: 999 });
    await recipe.post(trouble('K-refused'));
    await lineOf('K-refused');
    await recipe.post(trouble('K-refused', { action: 'resolve' }));
    const run = await ended(recipe);
    expect(run).toMatchObject({ state: 'partial', reason: expect.stringContaining('Step page:') });
  });

  test('TimeTonic: radio and chat work all the same, and the row is written later, once', async () => {
    silence();
    const recipe = await install(quick);
    desk.down('timetonic', 'reset');
    await recipe.post(trouble('K-tables'));
    await desk.eventually(() => radio('K-tables')).toHaveLength(3);
    await lineOf('K-tables');
    await desk
      .eventually(async () => (await stepOf(recipe, 'tables'))?.error)
      .toMatchObject({ code: expect.any(String) });
    desk.up();
    await desk.eventually(() => rowsOf('K-tables')).toMatchObject([{ Status: 'Escalated' }]);
    await recipe.post(trouble('K-tables', { action: 'resolve' }));
    expect((await ended(recipe)).state).toBe('succeeded');
    expect(await rowsOf('K-tables')).toMatchObject([{ Status: 'Resolved' }]);
    expect(await lines('K-tables')).toHaveLength(2);
  });
});
