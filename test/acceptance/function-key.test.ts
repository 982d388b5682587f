import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/aws/system.ts';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** R6: somebody presses the function key of a radio. The chat gets a line, the table a row, and the supervisors an alert. */
let bench: Bench;
let url: string;
let automation: string;

const supervisors = 2;
const press = (senderId: string, more: object = {}) =>
  bench.demo.proptt2.sendCallback(url, {
    cmd: 'fn',
    channelId: 1,
    senderId,
    senderName: 'Kim',
    latitude: 37.012,
    longitude: 127.106,
    ...more,
  });
/** Posts that the stand-in would not send. */
const post = (body: unknown, path = new URL(url).pathname) => bench.call('POST', path, body, { authorization: '' });
const alerts = () => bench.demo.proptt2.state.sent.filter(({ kind }) => kind === 'alert');
const alertsOf = (name: string) => alerts().filter(({ text }) => text?.includes(name));
const stepsOf = (run: ShownRun | undefined) =>
  Object.fromEntries((run?.steps ?? []).map(({ name, state }) => [name, state]));
const events = async (type: string) =>
  (
    await bench.call<{ id: string; data: Record<string, unknown> }[]>(
      'GET',
      `/v1/events?type=${type}&connection=proptt2/demo`,
    )
  ).body;
const lines = async () =>
  (
    await bench.call<{ messages: { text: string }[] }>(
      'GET',
      '/v1/talk/demo/getChatMessages?token=controlroom&limit=50',
    )
  ).body.messages.map(({ text }) => text);
/** The rows of the table, by names. */
const rows = () => {
  const table = bench.demo.timetonic.state.tables.find(({ code }) => code === 'function_keys');
  return Object.values(table?.rows ?? {}).map(({ values }) =>
    Object.fromEntries((table?.fields ?? []).map(({ id, name }) => [name, values[id]])),
  );
};

const key = (name: string) => `$string($fields[name = '${name}'].id)`;
const known = '$event.data.latitude != null and $event.data.longitude != null';
const place = `(${known} ? 'https://www.openstreetmap.org/?mlat=' & $event.data.latitude & '&mlon=' & $event.data.longitude : 'position unknown')`;
const channel = '$steps.channels.output.channels[id = $event.data.channelId].name';

beforeAll(async () => {
  bench = await startBench();
  const hook = await bench.call<{ id: string; url: string; secret?: string }>('POST', '/v1/hooks', {
    name: 'Function keys',
    verify: { kind: 'proptt2-callback', connection: 'demo' },
  });
  expect(hook.status, JSON.stringify(hook.body)).toBe(201);
  url = hook.body.url;
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Function key',
    when: { event: 'proptt2.function_key.pressed', connection: 'proptt2/demo' },
    dedupe: { key: "{% event.data.senderId & '|' & event.data.channelId %}", seconds: 60 },
    do: [
      { name: 'channels', call: 'proptt2/demo/getChannelList' },
      {
        name: 'line',
        call: 'talk/demo/sendChatMessage',
        input: {
          token: 'controlroom',
          message: `{% $event.data.senderName & ' needs help in ' & ${channel} & ': ' & ${place} %}`,
        },
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
          fieldValues: `{% (
            $fields := $steps.tables.output.bookTables.categories[name = 'Function keys'].fields;
            $merge([
              {${key('Person')}: $event.data.senderName, ${key('Channel')}: ${channel}, ${key('Kind')}: 'Function key',
               ${key('At')}: $substring($replace($event.timestamp, 'T', ' '), 0, 19)},
              ${known} ? {${key('Lat')}: $event.data.latitude, ${key('Lon')}: $event.data.longitude} : {}
            ])
          ) %}`,
        },
        onError: 'continue',
      },
      {
        name: 'alert',
        call: 'proptt2/demo/sendAlertToChannel',
        input: { channelId: supervisors, message: "{% 'KEY ' & event.data.senderName & ' #' & run.ref %}" },
      },
    ],
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  automation = made.body.id;
});
afterAll(() => bench.close());

describe('R6 Function key', () => {
  test('a press is a line with name and place, a row, and an alert to the supervisors', async () => {
    expect(await press('kim@company.ptt', { senderName: 'Kim Müller 100%' })).toMatchObject({ status: 200 });
    const [run] = await bench.runs(automation, 1);
    expect([...new Set(Object.values(stepsOf(run)))], JSON.stringify(run?.steps)).toEqual(['succeeded']);
    expect((await lines()).at(-1)).toBe(
      'Kim Müller 100% needs help in Dispatch: https://www.openstreetmap.org/?mlat=37.012&mlon=127.106',
    );
    expect(rows().at(-1)).toMatchObject({
      Person: 'Kim Müller 100%',
      Channel: 'Dispatch',
      Lat: '37.012',
      Lon: '127.106',
      Kind: 'Function key',
    });
    expect(alerts()).toMatchObject([
      { channelId: supervisors, text: expect.stringMatching(/^KEY Kim Müller 100% #[0-9A-F]{4}$/) },
    ]);
  });

  test('a position of 0, 0 is unknown, in the chat and in the row', async () => {
    await press('lee@company.ptt', { senderName: 'Lee', channelId: 3, latitude: 0, longitude: 0 });
    await bench.runs(automation, 2);
    expect((await lines()).at(-1)).toBe('Lee needs help in Évacuation: position unknown');
    expect(rows().at(-1)).toMatchObject({ Person: 'Lee', Lat: undefined, Lon: undefined });
  });

  test('repeated presses: the same press is one event, and the next within a minute causes no second alert', async () => {
    const before = { rows: rows().length, events: (await events('proptt2.function_key.pressed')).length };
    const ada = (more: object = {}) => press('ada@company.ptt', { senderName: 'Ada', ...more });
    const answers = [...(await Promise.all([ada(), ada(), ada()])), await ada({ latitude: 37.013 })];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    // The vendor names no press: after two seconds the same bytes are a new one.
    const later = vi.spyOn(systemClock, 'now').mockImplementation(() => Date.now() + 2_300);
    expect(await ada()).toMatchObject({ status: 200 });
    later.mockRestore();
    const runs = await bench.runs(automation, 5);
    expect((await events('proptt2.function_key.pressed')).length - before.events).toBe(3);
    expect(runs.map(({ state }) => state).sort()).toEqual([
      'succeeded',
      'succeeded',
      'succeeded',
      'suppressed',
      'suppressed',
    ]);
    expect(alertsOf('Ada')).toHaveLength(1);
    expect(rows()).toHaveLength(before.rows + 1);
    // The same person in another channel is another call for help.
    await ada({ channelId: 4 });
    await bench.runs(automation, 6);
    expect(alertsOf('Ada')).toHaveLength(2);
  });

  test('an unknown command is stored unchanged and starts nothing', async () => {
    const odd = { cmd: 'zz', more: { deep: [1, 'ü'] } };
    const answer = await post(odd);
    expect(answer.status).toBe(200);
    await expect.poll(() => events('proptt2.callback.received')).toHaveLength(1);
    const [event] = await events('proptt2.callback.received');
    expect(event?.data).toMatchObject({ cmd: 'zz', body: odd });
    expect(await bench.runs(automation, 6)).toHaveLength(6);
  });

  test('a wrong secret is 404 and stores nothing', async () => {
    const count = (await events('proptt2.*')).length;
    const path = new URL(url).pathname;
    const other = path.slice(0, -1) + (path.endsWith('A') ? 'B' : 'A');
    for (const wrong of [other, path.slice(0, -10), '/hooks/nothing'])
      expect((await post({ cmd: 'fn', channelId: 1, senderId: 'x', senderName: 'X' }, wrong)).status).toBe(404);
    expect(await events('proptt2.*')).toHaveLength(count);
  });

  test('invalid percent-encoding and invalid JSON break nothing', async () => {
    const before = (await bench.runs(automation, 6)).map(({ id }) => id);
    const answer = await post({
      cmd: 'fn',
      channelId: 1,
      senderId: 'mo@company.ptt',
      senderName: '100%%E0%A4%A',
      latitude: 'x',
      longitude: 1,
    });
    expect(answer.status).toBe(200);
    const run = (await bench.runs(automation, 7)).find(({ id }) => !before.includes(id));
    expect(stepsOf(run)).toMatchObject({ line: 'succeeded', row: 'succeeded', alert: 'succeeded' });
    expect((await lines()).at(-1)).toBe('100%%E0%A4%A needs help in Dispatch: position unknown');
    for (const broken of ['{"cmd":"fn"', '[]', 'null', '']) expect((await post(broken)).status).toBe(400);
    expect(await press('no@company.ptt', { senderName: 'No' })).toMatchObject({ status: 200 });
    expect(await bench.runs(automation, 8)).toHaveLength(8);
    expect(alertsOf('KEY No ')).toHaveLength(1);
  });
});
