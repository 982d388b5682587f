import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { proptt2Settings } from '../support/proptt2-settings.ts';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** R1: an alarm panel posts; the radios sound, the control room gets a chat line, and the incident gets a row. */
let bench: Bench;
let hook: string;
let opened: string;
let closed: string;

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
const post = (body: object) => bench.call<{ eventId: string }>('POST', hook, body, { authorization: '' });
const sirens = () => bench.demo.proptt2.state.sent.filter((each) => each.kind === 'sos');
const steps = (run: ShownRun | undefined) =>
  Object.fromEntries((run?.steps ?? []).map((step) => [step.name, step.state]));
const incidents = async () => {
  const input = { bookOwner: 'demo', bookCode: 'operations', tableCode: 'incidents', format: 'rows', maxRows: 500 };
  const { body } = await bench.call('POST', '/v1/timetonic/demo/getNamedTableValues', input);
  return JSON.stringify(body);
};

const fields = "$fields := $steps.tables.output.bookTables.categories[name = 'Incidents'].fields";
const key = (name: string) => `$string($fields[name = '${name}'].id)`;

beforeAll(async () => {
  bench = await startBench();
  const settings = {
    ...proptt2Settings(bench.demo.proptt2.url),
    hid: 2,
  };
  const made = await bench.call('POST', '/v1/connections', {
    vendor: 'proptt2',
    name: 'panel',
    settings,
    credentials: { interactionKey: 'bb00cc' },
  });
  expect(made.status).toBe(201);
  const panel = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
    name: 'Alarm panel',
    verify: { kind: 'none' },
  });
  expect(panel.status, JSON.stringify(panel.body)).toBe(201);
  hook = new URL(panel.body.url).pathname;
  const text = "$event.data.body.site & '/' & $event.data.body.zone & ' ' & $event.data.body.kind";
  const channelId = "{% steps.channels.output.channels[no = $substringAfter($event.data.body.site, 'S')].id %}";
  const channels = { name: 'channels', call: 'proptt2/panel/getChannelList' };
  const open = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Alarm opened',
    when: { hook: panel.body.id },
    if: "{% event.data.body.severity in ['critical', 'high'] and event.data.body.state = 'open' %}",
    dedupe: {
      key: "{% event.data.body.site & '|' & event.data.body.zone & '|' & event.data.body.kind %}",
      seconds: 300,
    },
    maxPerMinute: 600,
    do: [
      channels,
      { name: 'siren', call: 'proptt2/panel/sendSosToChannel', input: { channelId }, onError: 'continue' },
      {
        name: 'alert',
        call: 'proptt2/panel/sendAlertToChannel',
        input: { channelId, message: `{% 'ALARM ' & ${text} & ' 🔥 #' & run.ref %}` },
        onError: 'continue',
      },
      {
        name: 'chat',
        call: 'talk/demo/sendChatMessage',
        input: { token: 'controlroom', message: `{% '🔥 ' & ${text} & ' #' & run.ref %}` },
        onError: 'continue',
      },
      {
        name: 'tables',
        call: 'timetonic/demo/getBookTables',
        input: { bookOwner: 'demo', bookCode: 'operations', includeFields: true },
        onError: 'continue',
      },
      {
        name: 'row',
        call: 'timetonic/demo/createOrUpdateTableRow',
        input: {
          rowId: "{% 'tmp' & $substring($hash(event.id), 0, 12) %}",
          bypassUrlTrigger: false,
          fieldValues: `{% (${fields}; {${key('EventId')}: $event.data.body.event_id, ${key('Zone')}: $event.data.body.zone, ${key('Status')}: 'Open', ${key('Ref')}: $run.ref}) %}`,
        },
        onError: 'continue',
      },
    ],
  });
  expect(open.status, JSON.stringify(open.body)).toBe(201);
  opened = open.body.id;
  const close = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Alarm closed',
    when: { hook: panel.body.id },
    maxPerMinute: 600,
    if: "{% event.data.body.state = 'closed' %}",
    do: [
      channels,
      {
        name: 'clear',
        call: 'proptt2/panel/sendMessageToChannel',
        input: { channelId, message: `{% 'CLEARED ' & ${text} %}` },
      },
      {
        name: 'chat',
        call: 'talk/demo/sendChatMessage',
        input: { token: 'controlroom', message: `{% 'CLEARED ' & ${text} %}` },
      },
    ],
  });
  expect(close.status, JSON.stringify(close.body)).toBe(201);
  closed = close.body.id;
});
afterAll(() => bench.close());
afterEach(() => {
  bench.demo.talk.clearFaults();
  bench.demo.timetonic.clearFaults();
});

describe('R1 Alarm panel', () => {
  test('fifty zones at once with a cold session: one login, fifty sirens', async () => {
    bench.demo.proptt2.reset();
    const received = await Promise.all(Array.from({ length: 50 }, (_, zone) => post(alarm(`Z${zone}`))));
    expect(received.every(({ status }) => status === 202)).toBe(true);
    const runs = await bench.runs(opened, 50);
    expect(runs.map((run) => run.state).filter((state) => state !== 'succeeded')).toEqual([]);
    expect(sirens()).toHaveLength(50);
    const counts = bench.demo.proptt2.counts();
    expect({ server: counts['POST /openapi/1/server'], auth: counts['POST /openapi/1/auth'] }).toEqual({
      server: 1,
      auth: 1,
    });
    expect(await incidents()).toContain('E-Z49');
  });

  test('the same alarm ten times within a minute is one siren; the other runs are suppressed as its duplicates', async () => {
    const before = sirens().length;
    await Promise.all(Array.from({ length: 10 }, (_, at) => post(alarm('Z-same', { attempt: at }))));
    const runs = (await bench.runs(opened, 60)).filter((run) => run.state !== 'succeeded');
    expect(sirens()).toHaveLength(before + 1);
    expect(runs).toHaveLength(9);
    for (const run of runs) expect(run).toMatchObject({ state: 'suppressed', reason: expect.stringContaining('run_') });
  });

  test('Talk down: the siren sounds, the run is partial, and a replay sends only to Talk', async () => {
    bench.demo.talk.fault({ kind: 'reset', path: '/chat/' });
    const before = sirens().length;
    await post(alarm('Z-talk'));
    const run = (await bench.runs(opened, 61)).find((each) => each.state === 'partial');
    expect(steps(run)).toMatchObject({ siren: 'succeeded', alert: 'succeeded', chat: 'unknown', row: 'succeeded' });
    expect(sirens()).toHaveLength(before + 1);
    bench.demo.talk.clearFaults();
    bench.demo.proptt2.reset();
    const replay = await bench.call<{ id: string }>('POST', `/v1/runs/${run?.id}/replay`, {});
    expect(replay.status).toBe(202);
    const again = (await bench.runs(opened, 62)).find((each) => each.id === replay.body.id);
    expect(steps(again)).toMatchObject({ siren: 'succeeded', chat: 'succeeded' });
    expect(again?.steps.filter((step) => !step.kept).map((step) => step.name)).toEqual(['chat']);
    expect(bench.demo.proptt2.counts()).toEqual({});
  });

  test('a nok of TimeTonic under HTTP 200 is a failed step', async () => {
    bench.demo.timetonic.control.failRequest({
      req: 'createOrUpdateTableRow',
      kind: 'nok',
      text: 'no right to write',
      times: 1,
    });
    await post(alarm('Z-nok'));
    const run = (await bench.runs(opened, 63)).find((each) => each.state === 'partial' && steps(each).row === 'failed');
    expect(steps(run)).toMatchObject({ siren: 'succeeded', chat: 'succeeded', row: 'failed' });
  });

  test('a closed alarm clears, without a siren', async () => {
    const before = sirens().length;
    await post(alarm('Z1', { state: 'closed' }));
    const [run] = (await bench.runs(closed, 1)).filter((each) => each.state === 'succeeded');
    expect(steps(run)).toMatchObject({ clear: 'succeeded', chat: 'succeeded' });
    expect(sirens()).toHaveLength(before);
  });
});
