import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { functions } from '../../functions/declarations.ts';
import { watchedClocks } from '../../functions/watch.ts';
import { type ControlDesk, startControlDesk } from '../../test/support/control-desk.ts';
import { type Receiver, startReceiver } from '../../test/support/receiver.ts';
import { startRunsFor } from '../automations/automations.ts';
import { endRun, findRun } from '../automations/runs/runs.ts';
import { findEvent } from '../events/log.ts';
import { noteReceived } from '../hooks/status.ts';
import { site } from '../site/routes.ts';
import { due, type ListedKind } from '../store/due.ts';
import { isProbe, keys } from '../store/items.ts';
import type { Item, Table } from '../store/table.ts';
import { type ClockTick, noteProbe } from './checks.ts';
import { watch } from './heartbeat.ts';
import { runSelfTest, type SelfTestItem } from './self-test.ts';
import { reportSilentHooks } from './silent-hooks.ts';

let desk: ControlDesk;
let monitor: Receiver;
const clocks = ['keep-sessions', 'poll-events'];

beforeAll(async () => {
  [desk, monitor] = await Promise.all([startControlDesk(), startReceiver()]);
  // Nobody keeps these sessions alive here.
  for (const vendor of ['proptt2', 'talk', 'timetonic'] as const) await desk.services.store.remove(vendor, 'dispatch');
});
afterAll(async () => {
  await Promise.all([desk.close(), monitor.close()]);
});

const tick = (name: string, unexpected: string[] = []) => {
  const now = desk.clock.now();
  return desk.services.table.put<ClockTick>({ ...keys.clockTick(name), startedAt: now, finishedAt: now, unexpected });
};
/** Everything works: the clocks tick, nothing is late, a probe comes through. */
const goodMinute = async () => {
  for (const name of clocks) await tick(name);
  await noteProbe(desk.services.table, desk.clock.now());
};
const runWatch = () => watch(desk.services, clocks, monitor.url);
const health = async () => {
  const answer = await site(() => {
    throw new Error('No document is asked for');
  })(
    {
      method: 'GET',
      path: '/health',
      query: new URLSearchParams(),
      headers: {},
      rawBody: Buffer.alloc(0),
      requestId: 'r',
      signal: new AbortController().signal,
      sourceIp: '127.0.0.1',
    },
    desk.services,
  );
  // The body of /health is JSON.
  return { status: answer.status, body: answer.body as { status: string; checks: { name: string; ok: boolean }[] } };
};
const failing = async () => (await health()).body.checks.filter(({ ok }) => !ok).map(({ name }) => name);

test('every function of the clock but this one is watched', () => {
  const declared = functions.flatMap(({ name, trigger }) => (trigger === 'clock' && name !== 'watch' ? [name] : []));
  expect([...watchedClocks].sort()).toEqual(declared.sort());
});

/** An item that waits in a queue, for longer than it should. */
const listed = (kind: ListedKind, item: object) =>
  desk.services.table.put({
    pk: 'late',
    sk: 'late',
    id: 'late',
    createdAt: desk.clock.now() - 400_000,
    ...due(kind, 'late', desk.clock.now() - 400_000),
    ...item,
  });

describe('health and heartbeat', () => {
  beforeEach(async () => {
    monitor.received.length = 0;
    desk.clock.advance(600_000);
    await desk.services.table.delete(keys.clockTick('late'));
    await desk.services.table.delete({ pk: 'late', sk: 'late' });
    await goodMinute();
  });

  test.each<[string, ListedKind, (now: number) => object]>([
    ['a delivery that waits for its turn', 'delivery-pending', (now) => ({ nextAttemptAt: now + 60_000 })],
    ['a delivery whose next attempt is still to come', 'delivery-retrying', (now) => ({ nextAttemptAt: now + 60_000 })],
    ['a run that waits for its turn', 'run-running', (now) => ({ restsUntil: now + 60_000 })],
    ['a run while sending is paused', 'run-running', (now) => ({ pausedAt: now - 60_000 })],
    ['a run that was started just now', 'run-running', (now) => ({ ...due('run-running', 'late', now - 60_000) })],
  ])('%s blocks no queue', async (_name, kind, item) => {
    await listed(kind, item(desk.clock.now()));
    expect((await runWatch()).failed).toEqual([]);
  });

  test('a run with a step blocks no queue', async () => {
    await listed('run-running', {});
    const step = keys.runStep('late', 0, 0);
    await desk.services.table.put({ ...step });
    expect((await runWatch()).failed).toEqual([]);
    await desk.services.table.delete(step);
  });

  test('before the first check health answers 503', async () => {
    await desk.services.table.delete(keys.health());
    expect(await health()).toMatchObject({ status: 503, body: { status: 'starting' } });
  });

  test('after a good minute the monitor is called once and health is good', async () => {
    expect(await runWatch()).toEqual({ failed: [], heartbeat: 'sent' });
    expect(monitor.received).toHaveLength(1);
    expect(await health()).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  test('checks that no longer run are a failure', async () => {
    await runWatch();
    desk.clock.advance(200_000);
    expect((await health()).status).toBe(503);
    expect(await failing()).toEqual(['clock watch']);
  });

  const cases: [string, string, () => Promise<unknown>][] = [
    [
      'an event that is not routed',
      'queue events',
      () => desk.services.table.put({ pk: 'late', sk: 'late', ...due('route', 'x', desk.clock.now() - 190_000) }),
    ],
    ['a delivery that has not started', 'queue deliveries', () => listed('delivery-pending', {})],
    [
      'a delivery whose next attempt does not come',
      'queue deliveries',
      () => listed('delivery-retrying', { nextAttemptAt: desk.clock.now() - 310_000 }),
    ],
    ['a run that has not started', 'queue runs', () => listed('run-running', {})],
    [
      'a clock that has stopped',
      'clock keep-sessions',
      async () => {
        desk.clock.advance(200_000);
        await tick('poll-events');
        await noteProbe(desk.services.table, desk.clock.now());
      },
    ],
    ['a clock that met an unexpected error', 'clock poll-events', () => tick('poll-events', ['TypeError: x\n at y'])],
    [
      'an item that is due for more than two minutes',
      'due schedule',
      () => desk.services.table.put({ pk: 'late', sk: 'late', ...due('schedule', 'x', desk.clock.now() - 130_000) }),
    ],
    [
      'a blocked stream',
      'event stream',
      async () => {
        desk.clock.advance(200_000);
        for (const name of clocks) await tick(name);
      },
    ],
  ];
  test.each(cases)('%s withholds the heartbeat and is named', async (_, name, breakIt) => {
    await breakIt();
    const report = await runWatch();
    await desk.services.table.delete({ pk: 'late', sk: 'late' });
    expect(report.heartbeat).toBe('withheld');
    expect(report.failed.join()).toContain(name);
    expect(monitor.received).toHaveLength(0);
    expect((await health()).status).toBe(503);
    expect(await failing()).toEqual([name]);
  });

  test('a database that cannot be written fails its check', async () => {
    const real = desk.services.table;
    // Only what a look uses.
    const table = {
      get: real.get.bind(real),
      query: real.query.bind(real),
      put: async (item: Item) => {
        if (item.sk === 'clock#database') throw new Error('full');
        return real.put(item);
      },
    } as unknown as Table;
    const report = await watch({ ...desk.services, table }, clocks, monitor.url);
    expect(report.failed).toEqual(['database: cannot be written: full']);
    expect(monitor.received).toHaveLength(0);
  });

  test('a clock that ticks a moment later is waited for', async () => {
    desk.clock.advance(600_000);
    await noteProbe(desk.services.table, desk.clock.now());
    await tick('poll-events');
    const looking = runWatch();
    await tick('keep-sessions');
    expect((await looking).heartbeat).toBe('sent');
  });

  test('a monitor that does not answer is in the report', async () => {
    monitor.reply = (response) => response.writeHead(500).end();
    expect((await runWatch()).heartbeat).toBe('failed');
    monitor.reply = (response) => response.writeHead(200).end();
    expect(await watch(desk.services, clocks, undefined)).toMatchObject({ heartbeat: 'off' });
  });

  test('the probe is distinguished from events', () => {
    expect(isProbe(keys.probe(1).pk)).toBe(true);
    expect(isProbe(keys.event('evt_x').pk)).toBe(false);
  });
});

describe('a silent hook', () => {
  const eventsOf = async (id: string, since: number) => {
    const events: unknown[] = [];
    const { eventId } = await import('../events/log.ts');
    const own = { vendor: 'trunkline', connection: 'trunkline', type: 'trunkline.hook.silent', id: `${id}/${since}` };
    const found = await findEvent(desk.services, eventId(own));
    if (found) events.push(JSON.parse(found.data ?? '{}'));
    return events;
  };

  test('is reported once per silence, and only if the hook sets a limit', async () => {
    const busy = (
      await desk.call('POST', '/v1/hooks', { name: 'Busy', verify: { kind: 'none' }, silentAfterSeconds: 3600 })
    ).body;
    await desk.call('POST', '/v1/hooks', { name: 'Quiet', verify: { kind: 'none' } });
    expect(busy.silentAfterSeconds).toBe(3600);
    expect(await reportSilentHooks(desk.services)).toEqual([]);
    desk.clock.advance(3_601_000);
    expect(await reportSilentHooks(desk.services)).toEqual(['Busy']);
    expect(await eventsOf(busy.id, Date.parse(busy.updatedAt))).toEqual([
      { hookId: busy.id, hook: 'Busy', silentAfterSeconds: 3600 },
    ]);
    await noteReceived(desk.services.table, busy.id, desk.clock.now(), { body: {} });
    expect(await reportSilentHooks(desk.services)).toEqual([]);
    await desk.call('PATCH', `/v1/hooks/${busy.id}`, { silentAfterSeconds: null });
    desk.clock.advance(7_200_000);
    expect(await reportSilentHooks(desk.services)).toEqual([]);
  });
});

describe('the self-test', () => {
  const item = async () => (await desk.services.table.get<SelfTestItem>(keys.selfTest(), true)) as SelfTestItem;
  /** What the stream does with the event of the pending test. */
  const route = async () => {
    const event = await findEvent(desk.services, (await item()).pending?.eventId ?? '');
    const [id = ''] = event ? await startRunsFor(desk.services, event) : [];
    const run = await findRun(desk.services.table, id);
    if (!run) throw new Error('No run was started');
    return run;
  };

  test('starts an automation, records its latency, and raises a failure', async () => {
    const steps = [{ name: 'read', call: 'proptt2/dispatch/getChannelList' }];
    await desk.call('PUT', '/v1/automations/Probe', { when: { event: 'trunkline.self_test.started' }, do: steps });
    const set = await desk.call('PUT', '/v1/self-test', { automation: 'Probe', everySeconds: 300, withinSeconds: 10 });
    expect(set.status, JSON.stringify(set.body)).toBe(200);

    expect(await runSelfTest(desk.services)).toEqual([]);
    const run = await route();
    desk.clock.advance(700);
    await endRun(desk.services, run, 'succeeded');
    desk.clock.advance(60_000);
    expect(await runSelfTest(desk.services)).toEqual([{ name: 'self-test', ok: true, message: 'took 700 ms' }]);
    expect((await desk.call('GET', '/v1/self-test')).body.last).toMatchObject({ ok: true, latencyMs: 700 });
    expect((await item()).pending).toBeUndefined();

    desk.clock.advance(300_000);
    await runSelfTest(desk.services);
    const failing = await route();
    await endRun(desk.services, failing, 'failed', 'Step read: ProPTT2 could not be reached.');
    const [check] = await runSelfTest(desk.services);
    expect(check).toMatchObject({ ok: false, message: expect.stringContaining('ProPTT2 could not be reached') });

    desk.clock.advance(300_000);
    await runSelfTest(desk.services);
    desk.clock.advance(11_000);
    const [missed] = await runSelfTest(desk.services);
    expect(missed).toMatchObject({ ok: false, message: 'No run was started for the test event.' });
  });

  test('takes only an automation that starts with its event', async () => {
    await desk.call('PUT', '/v1/automations/Other', {
      when: { event: 'talk.message.created' },
      do: [{ wait: { seconds: 1 } }],
    });
    const answer = await desk.call('PUT', '/v1/self-test', { automation: 'Other' });
    expect(answer.body.errors).toEqual([
      { pointer: '/automation', message: 'must start with {"event": "trunkline.self_test.started"}' },
    ]);
    expect((await desk.call('DELETE', '/v1/self-test')).status).toBe(204);
    expect(await runSelfTest(desk.services)).toEqual([]);
  });
});
