import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** R12: monitoring reports an incident. Without "ack #REF" in the chat, an alert follows, and finally an SOS. */
const room = 'controlroom';
let bench: Bench;

interface Desk {
  post(body: object): Promise<void>;
  /** The automations. */
  incident: string;
  resolved: string;
}

const sent = (kind: string) => bench.demo.proptt2.state.sent.filter((each) => each.kind === kind);
const say = (user: string, message: string) => bench.demo.talk.postMessage({ token: room, user, message });
const lines = async (name: string) =>
  (
    await bench.call<{ messages: { text: string }[] }>('GET', `/v1/talk/demo/getChatMessages?token=${room}&limit=200`)
  ).body.messages.flatMap(({ text }) => (text.includes(name) ? [text] : []));
const stepsOf = (run: ShownRun | undefined) => Object.fromEntries((run?.steps ?? []).map((step) => [step.name, step]));
const refOf = async (name: string) => {
  await expect.poll(() => lines(name)).toHaveLength(1);
  return (await lines(name))[0]?.match(/#[0-9A-F]{4}/)?.[0] ?? '';
};
/** Once the first wait of the only run has started: its page is out, and its timer runs. */
const waiting = (desk: Desk) =>
  expect
    .poll(
      async () => {
        const [run] = (await bench.call<{ id: string }[]>('GET', `/v1/runs?automation=${desk.incident}`)).body;
        return run && stepsOf((await bench.call<ShownRun>('GET', `/v1/runs/${run.id}`)).body).ack?.state;
      },
      { timeout: 120_000 },
    )
    .toBeDefined();

const body = 'event.data.body';
const acked = "{% event.data.text = 'ack #' & run.ref and event.data.actorType = 'users' %}";
const over = `{% ${body}.dedup_key = run.${body}.dedup_key and ${body}.action = 'resolve' %}`;
/** The first of an acknowledgement and a resolve. */
const waitEnd = (name: string, seconds: number) => ({
  name,
  waitFor: {
    any: [
      { event: 'talk.message.created', connection: 'talk/demo', if: acked },
      { event: 'trunkline.hook.received', if: over },
    ],
    seconds,
  },
});

/** A separate hook with the two automations; `first` and `second` are the seconds until the alert and until the SOS. */
async function openDesk(first: number, second: number): Promise<Desk> {
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: `Monitoring ${first}-${second} ${Math.random()}`,
    verify: { kind: 'none' },
  });
  expect(hook.status, JSON.stringify(hook.body)).toBe(201);
  const make = async (name: string, action: string, steps: object[]) => {
    const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
      // Names are unique, and each test opens its own desk.
      name: `${name} ${hook.body.id}`,
      when: { hook: hook.body.id },
      if: `{% ${body}.action = '${action}' %}`,
      dedupe: { key: `{% ${body}.dedup_key %}`, seconds: 3600 },
      maxPerMinute: 600,
      do: steps,
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    return made.body.id;
  };
  const chat = (message: string) => ({ call: 'talk/demo/sendChatMessage', input: { token: room, message } });
  const text = `${body}.dedup_key & ' ' & ${body}.severity & ' ' & ${body}.summary & ' #' & run.ref`;
  const incident = await make('Incident', 'trigger', [
    { name: 'line', ...chat(`{% ${text} & ' (ack #' & run.ref & ')' %}`) },
    { name: 'page', call: 'proptt2/demo/sendMessageToChannel', input: { channelId: 1, message: `{% ${text} %}` } },
    waitEnd('ack', first),
    {
      name: 'alert',
      if: '{% $not($exists(steps.ack.output.id)) %}',
      call: 'proptt2/demo/sendAlertToChannel',
      input: { channelId: 2, message: `{% ${text} %}` },
    },
    waitEnd('ack2', second),
    {
      name: 'sos',
      if: '{% $not($exists(steps.ack.output.id) or $exists(steps.ack2.output.id)) %}',
      call: 'proptt2/demo/sendSosToChannel',
      input: { channelId: 3 },
    },
  ]);
  const resolved = await make('Resolved', 'resolve', [
    { name: 'line', ...chat(`{% 'RESOLVED ' & ${body}.dedup_key %}`) },
  ]);
  const path = new URL(hook.body.url).pathname;
  const post = async (message: object) => {
    const answer = await bench.call('POST', path, message, { authorization: '' });
    expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  };
  return { post, incident, resolved };
}

const trouble = (dedup_key: string, more: object = {}) => ({
  dedup_key,
  action: 'trigger',
  severity: 'critical',
  summary: 'db-1 is down',
  ...more,
});

beforeAll(async () => {
  bench = await startBench();
  await bench.poll('talk', 'demo');
});
afterAll(() => bench.close());
beforeEach(() => {
  bench.demo.proptt2.state.sent.length = 0;
});

describe('R12 Escalation', () => {
  test('nobody answers: an alert, then an SOS, each once', async () => {
    const desk = await openDesk(2, 2);
    await desk.post(trouble('K-silent'));
    // In real seconds.
    await expect.poll(() => sent('sos')).toHaveLength(1);
    const [run] = await bench.runs(desk.incident, 1);
    expect(run?.state, JSON.stringify(run)).toBe('succeeded');
    expect(sent('message')).toMatchObject([
      { channelId: 1, text: expect.stringMatching(/^K-silent critical db-1 is down #/) },
    ]);
    expect(sent('alert')).toMatchObject([{ channelId: 2 }]);
    expect(sent('sos')).toMatchObject([{ channelId: 3 }]);
    const times = bench.demo.proptt2.state.sent.map(({ at }) => at);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2_000);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(2_000);
    expect(await lines('K-silent')).toHaveLength(1);
  });

  test('an ack before the timer: no alert, no SOS, and the run ends with the ack', async () => {
    const desk = await openDesk(600, 600);
    await desk.post(trouble('K-ack'));
    const ref = await refOf('K-ack');
    await waiting(desk);
    say('bob', `ack ${ref === '#0000' ? '#1111' : '#0000'}`);
    await bench.poll('talk', 'demo');
    const { body: open } = await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${desk.incident}`);
    expect(open.map(({ state }) => state)).toEqual(['running']);
    say('carol', `ack ${ref}`);
    await bench.poll('talk', 'demo');
    const [run] = await bench.runs(desk.incident, 1);
    expect(stepsOf(run)).toMatchObject({
      ack: { output: { data: { actorId: 'carol' } } },
      alert: { state: 'skipped' },
      sos: { state: 'skipped' },
    });
    expect([sent('alert'), sent('sos')]).toEqual([[], []]);
  });

  test('an ack after the alert stops the SOS', async () => {
    const desk = await openDesk(1, 600);
    await desk.post(trouble('K-late'));
    await expect.poll(() => sent('alert')).toHaveLength(1);
    say('bob', `ack ${await refOf('K-late')}`);
    await bench.poll('talk', 'demo');
    const [run] = await bench.runs(desk.incident, 1);
    expect(stepsOf(run)).toMatchObject({ alert: { state: 'succeeded' }, sos: { state: 'skipped' } });
    expect([sent('alert').length, sent('sos').length]).toEqual([1, 0]);
  });

  test('a resolve is announced in the chat, and nothing more sounds', async () => {
    // Its timer would run for ten minutes more.
    const desk = await openDesk(600, 600);
    await desk.post(trouble('K-over'));
    await waiting(desk);
    await desk.post(trouble('K-over', { action: 'resolve' }));
    await bench.runs(desk.resolved, 1);
    expect((await lines('K-over')).at(-1)).toBe('RESOLVED K-over');
    const [run] = (await bench.runs(desk.incident, 2)).filter(({ state }) => state === 'succeeded');
    expect(stepsOf(run)).toMatchObject({ alert: { state: 'skipped' }, sos: { state: 'skipped' } });
    expect([sent('alert'), sent('sos')]).toEqual([[], []]);
  });

  test('thirty flaps are one incident', async () => {
    const desk = await openDesk(600, 600);
    for (let flap = 0; flap < 30; flap++) {
      await Promise.all([
        desk.post(trouble('K-flap', { flap })),
        desk.post(trouble('K-flap', { flap, action: 'resolve' })),
      ]);
    }
    // Both automations evaluate every message, so half of their runs are skipped.
    for (const runs of [await bench.runs(desk.incident, 60), await bench.runs(desk.resolved, 60)]) {
      const counts = Object.groupBy(runs, ({ state }) => state);
      const count = Object.fromEntries(Object.entries(counts).map(([state, each]) => [state, each?.length]));
      expect(count).toEqual({ succeeded: 1, suppressed: 29, skipped: 30 });
    }
    expect((await lines('K-flap')).filter((line) => line.startsWith('RESOLVED'))).toHaveLength(1);
    expect(await lines('K-flap')).toHaveLength(2);
    expect([sent('message').length, sent('alert').length, sent('sos').length]).toEqual([1, 0, 0]);
  });
});
