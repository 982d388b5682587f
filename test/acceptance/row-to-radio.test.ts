import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** R4: a TimeTonic row is sent to a person's radio as text, and the row shows the outcome. */
let bench: Bench;
let hook: { path: string; secret: string };
let dispatch: string;
let watcher: string;

const jobs = () => {
  const table = bench.demo.timetonic.state.tables.find(({ code }) => code === 'jobs');
  if (!table) throw new Error('The demo has no table of jobs');
  return table;
};
const newRow = (title: string) =>
  bench.demo.timetonic.control.addRow({ table: 'Jobs', values: { Title: title, Status: 'New' } }).rowId;
const cell = async (rowId: string, name: string) => {
  const field = jobs().fields.find((each) => each.name === name)?.id ?? '';
  const { body } = await bench.call<{ tableValues: unknown[][] }>('POST', '/v1/timetonic/demo/getTableValueSubset', {
    bookOwner: 'demo',
    bookCode: 'operations',
    tableId: jobs().id,
    fieldIds: [field],
    rowIds: [rowId],
  });
  return body.tableValues[0]?.[0];
};
const job = (rowId: string, more: object = {}) => ({
  rowId,
  title: 'Leak, B2',
  site: '12',
  assignee: 'user4@company.com',
  prio: '2',
  ...more,
});
const post = (body: object, secret = hook.secret) =>
  bench.call<{ eventId: string }>('POST', hook.path, body, { authorization: `Bearer ${secret}` });
const sent = () => bench.demo.proptt2.state.sent;
const stepsOf = (run: ShownRun | undefined) =>
  Object.fromEntries((run?.steps ?? []).map(({ name, state }) => [name, state]));
const runOf = async (eventId: string, count: number) =>
  (await bench.runs(dispatch, count)).find((run) => run.eventId === eventId);

const body = '$event.data.body';
const fields = "$fields := $steps.tables.output.bookTables.categories[name = 'Jobs'].fields";
const key = (name: string) => `$string($fields[name = '${name}'].id)`;

beforeAll(async () => {
  bench = await startBench();
  const made = await bench.call<{ id: string; url: string; secret: string }>('POST', '/v1/hooks', {
    name: 'Jobs',
    verify: { kind: 'bearer' },
    dedupe: { body: true },
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  hook = { path: new URL(made.body.url).pathname, secret: made.body.secret };
  const person = `$steps.users.output.users[strId = ${body}.assignee].id`;
  const text = `'JOB ' & ${body}.rowId & ' ' & ${body}.title & ' @' & ${body}.site & ' P' & ${body}.prio`;
  const automation = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Dispatch a job',
    when: { hook: made.body.id },
    do: [
      { name: 'users', call: 'proptt2/demo/getUserList' },
      { name: 'channels', call: 'proptt2/demo/getChannelList' },
      {
        name: 'tables',
        call: 'timetonic/demo/getBookTables',
        input: { bookOwner: 'demo', bookCode: 'operations', includeFields: true },
      },
      {
        name: 'text',
        if: `{% ${body}.prio != '1' and $exists(${person}) %}`,
        call: 'proptt2/demo/sendMessageToUser',
        input: { userId: `{% ${person} %}`, message: `{% ${text} %}` },
      },
      {
        name: 'alert',
        if: `{% ${body}.prio = '1' or $not($exists(${person})) %}`,
        call: 'proptt2/demo/sendAlertToChannel',
        input: { channelId: `{% $steps.channels.output.channels[no = ${body}.site].id %}`, message: `{% ${text} %}` },
      },
      {
        name: 'row',
        call: 'timetonic/demo/createOrUpdateTableRow',
        input: {
          rowId: '{% event.data.body.rowId %}',
          fieldValues: `{% (${fields}; {${key('Status')}: $exists(${person}) ? 'Dispatched' : 'Dispatch failed: user not found', ${key('DispatchRef')}: $run.ref}) %}`,
        },
      },
    ],
  });
  expect(automation.status, JSON.stringify(automation.body)).toBe(201);
  dispatch = automation.body.id;
  const other = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'A job has changed',
    when: { event: 'timetonic.row.updated', connection: 'timetonic/demo' },
    do: [
      {
        name: 'tell',
        call: 'proptt2/demo/sendMessageToChannel',
        input: { channelId: 5, message: '{% "CHANGED " & event.data.rowId %}' },
      },
    ],
  });
  expect(other.status, JSON.stringify(other.body)).toBe(201);
  watcher = other.body.id;
});
afterAll(() => bench.close());

describe('R4 A row to the radio', () => {
  test('a stranger is refused and nothing is sent', async () => {
    const answer = await post(job('1'), 'not-the-secret');
    expect(answer.status).toBe(401);
    const bare = await bench.call('POST', hook.path, job('1'), { authorization: '' });
    expect(bare.status).toBe(401);
    expect((await bench.call<object[]>('GET', `/v1/runs?automation=${dispatch}`)).body).toEqual([]);
    expect(sent()).toEqual([]);
  });

  test('delivered twice, at once and later, it is one message and one write to the row', async () => {
    const rowId = newRow('Leak, B2');
    const answers = await Promise.all([post(job(rowId)), post(job(rowId))]);
    answers.push(await post(job(rowId)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(answers.map(({ body: { eventId } }) => eventId)).size).toBe(1);
    const runs = await bench.runs(dispatch, 1);
    expect(runs, JSON.stringify(runs)).toHaveLength(1);
    expect(stepsOf(runs[0])).toMatchObject({ text: 'succeeded', alert: 'skipped', row: 'succeeded' });
    expect(sent()).toMatchObject([{ kind: 'message', userId: 4, text: `JOB ${rowId} Leak, B2 @12 P2` }]);
    expect(await cell(rowId, 'Status')).toBe('Dispatched');
    expect(await cell(rowId, 'DispatchRef')).toMatch(/^[0-9A-F]{4}$/);
  });

  test('what is urgent is an alert in the channel of the site', async () => {
    const rowId = newRow('Fire door');
    const before = sent().length;
    const { body: received } = await post(job(rowId, { prio: '1', site: '34' }));
    expect(stepsOf(await runOf(received.eventId, 2))).toMatchObject({
      text: 'skipped',
      alert: 'succeeded',
      row: 'succeeded',
    });
    expect(sent().slice(before)).toMatchObject([{ kind: 'alert', channelId: 2, text: `JOB ${rowId} Leak, B2 @34 P1` }]);
    expect(await cell(rowId, 'Status')).toBe('Dispatched');
  });

  test('an unknown assignee: the channel gets an alert, and the row says so', async () => {
    const rowId = newRow('Lost key');
    const before = sent().length;
    const { body: received } = await post(job(rowId, { assignee: 'nobody@company.com' }));
    expect(stepsOf(await runOf(received.eventId, 3))).toMatchObject({
      text: 'skipped',
      alert: 'succeeded',
      row: 'succeeded',
    });
    expect(sent().slice(before)).toMatchObject([{ kind: 'alert', channelId: 1 }]);
    expect(await cell(rowId, 'Status')).toBe('Dispatch failed: user not found');
  });

  test("the row's own write-back starts nothing; a person's change does", async () => {
    const rowId = newRow('Gate');
    await bench.poll('timetonic', 'demo');
    await bench.poll('timetonic', 'demo');
    const { body: received } = await post(job(rowId));
    expect(stepsOf(await runOf(received.eventId, 4))).toMatchObject({ row: 'succeeded' });
    await bench.poll('timetonic', 'demo');
    bench.demo.timetonic.control.updateRow({ rowId, values: { Status: 'Done' } });
    await bench.poll('timetonic', 'demo');
    const runs = await bench.runs(watcher, 1);
    expect(runs.map(({ state }) => state)).toEqual(['succeeded']);
    expect(sent().filter(({ text }) => text?.startsWith('CHANGED'))).toMatchObject([{ text: `CHANGED ${rowId}` }]);
    const { body: events } = await bench.call<{ data: { rowId: string; changed: string[]; values: object } }[]>(
      'GET',
      '/v1/events?type=timetonic.row.updated',
    );
    expect(events.map(({ data }) => data.rowId)).toEqual([rowId]);
    // Only what the person changed: our own write had been polled before, and was not reported.
    const status = jobs().fields.find(({ name }) => name === 'Status')?.id;
    expect(events[0]?.data).toMatchObject({ changed: [status] });
    expect(Object.values(events[0]?.data.values ?? {})).toContain('Done');
  });
});
