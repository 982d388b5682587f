import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import { logIn } from '../../../test/support/timetonic-client.ts';
import { until } from '../../../test/support/until.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { newEvents } from '../../events/found.ts';
import type { NewEvent } from '../../events/log.ts';
import { events as sources } from './events/index.ts';

const minute = 60_000;
let tt: Awaited<ReturnType<typeof startTimetonic>>;
let connection: Awaited<ReturnType<typeof tt.connect>>;
let cursor: unknown;
beforeAll(async () => {
  tt = await startTimetonic();
});
afterAll(() => tt.stop());

/** One poll as the clock makes it, from the last cursor; `more` is followed at once. */
async function poll(source = 'books', services: Parameters<typeof connection.vendorCall>[0] = {}) {
  const events: NewEvent[] = [];
  const listener = connection.connection;
  let nextIn: number | undefined;
  let problem: string | undefined;
  for (let more = true; more; ) {
    const result = await sources[source]?.poll?.poll(cursor, connection.vendorCall(services) as never);
    if (!result) throw new Error('no source');
    cursor = JSON.parse(JSON.stringify(result.cursor));
    events.push(...(await newEvents(tt.gateway, { events: sources as never }, listener, result.events)));
    more = result.more === true;
    ({ nextIn, problem } = result);
  }
  return {
    events,
    nextIn,
    problem,
    found: events.map(({ type, data }) => [type.replace('timetonic.', ''), data.rowId ?? data.smid]),
  };
}

const incidents = () =>
  tt.sandbox.control.tables().Incidents ?? { id: '', rows: [] as string[], fields: {} as Record<string, string> };
const requests = (req: string) => tt.sandbox.journal.filter(({ body }) => body.includes(`req=${req}&`)).length;

describe('polling the books', () => {
  beforeEach(async () => {
    connection = await tt.connect();
    cursor = undefined;
    expect((await poll()).events).toEqual([]);
    tt.clock.advance(minute);
    expect((await poll()).events).toEqual([]);
    tt.clock.advance(minute);
    tt.sandbox.reset();
  });

  test('nothing changed costs one request', async () => {
    expect((await poll()).events).toEqual([]);
    expect(tt.sandbox.journal).toHaveLength(1);
  });

  test('new, changed and deleted rows, comments and messages are found, once each', async () => {
    const control = tt.sandbox.control;
    const { rowId } = control.addRow({ table: 'Incidents', values: { EventId: 'E-1', Site: 'S1' } });
    const [first = ''] = incidents().rows;
    control.updateRow({ rowId: first, values: { Site: 'changed' } });
    const gone = control.addRow({ table: 'Jobs', values: {} }).rowId;
    const { smid } = control.postMessage({ msg: 'hello' });
    const { id: comment } = control.addComment({ rowId: first, text: 'On my way' });
    const { events, found } = await poll();
    expect(found).toEqual(
      expect.arrayContaining([
        ['message.created', smid],
        ['row.created', rowId],
        ['row.created', gone],
        ['row.updated', first],
        ['comment.created', first],
      ]),
    );
    expect(events).toHaveLength(5);
    expect(events.find(({ type }) => type === 'timetonic.row.updated')?.data).toMatchObject({
      changed: [incidents().fields.Site],
      ...inBook,
      tableName: 'Incidents',
    });
    expect(events.find(({ type }) => type === 'timetonic.comment.created')).toMatchObject({
      id: comment,
      data: { text: 'On my way', user: 'alex' },
    });
    for (const { type, data } of events)
      expect(sources.books?.types[type]?.data().safeParse(data).success, type).toBe(true);
    tt.clock.advance(minute);
    expect((await poll()).events).toEqual([]);
    control.deleteRow({ rowId: gone });
    tt.clock.advance(minute);
    expect((await poll()).found).toEqual([['row.deleted', gone]]);
  });

  test('only the table that changed is read', async () => {
    tt.sandbox.control.addRow({ table: 'Incidents', values: { EventId: 'E-2' } });
    await poll();
    expect([requests('getBookTables'), requests('getTableValues')]).toEqual([1, 1]);
  });

  test('a repeated poll finds the same ids; the same value again later is another event', async () => {
    const [first = ''] = incidents().rows;
    const change = (value: string) => tt.sandbox.control.updateRow({ rowId: first, values: { Site: value } });
    const ids: string[] = [];
    for (const value of ['A', 'B', 'A', 'B']) {
      change(value);
      const before = cursor;
      const { events } = await poll();
      cursor = before;
      expect((await poll()).events.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      ids.push(...events.map(({ id }) => id));
      tt.clock.advance(minute);
    }
    expect(new Set(ids).size).toBe(4);
  });

  test('a change in the second of the last poll is not missed', async () => {
    const [first = ''] = incidents().rows;
    tt.sandbox.control.updateRow({ rowId: first, values: { Site: 'one' } });
    expect((await poll()).found).toEqual([['row.updated', first]]);
    tt.sandbox.control.updateRow({ rowId: first, values: { Site: 'two' } });
    expect((await poll()).found).toEqual([['row.updated', first]]);
  });

  test('a row that moves between two pages is not reported as deleted, and a deleted one is', async () => {
    tt.sandbox.control.fillTable({ table: 'Jobs', rows: 544 });
    await poll();
    tt.clock.advance(minute);
    const [gone = ''] = tt.sandbox.control.tables().Jobs?.rows ?? [];
    tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
    const http: HttpClient = {
      ...tt.gateway.http,
      request: async (options) => {
        const answer = await tt.gateway.http.request(options);
        if (String(options.body).includes('offset=0&')) tt.sandbox.control.deleteRow({ rowId: gone });
        return answer;
      },
    };
    expect((await poll('books', { http })).found.map(([type]) => type)).toEqual(['row.created']);
    tt.clock.advance(minute);
    expect((await poll()).found).toEqual([['row.deleted', gone]]);
    tt.clock.advance(minute);
    expect((await poll()).found).toEqual([]);
  });

  test('a row that is missing from a read is requested by its id before it counts as deleted', async () => {
    const [first = '', second = ''] = incidents().rows;
    tt.sandbox.control.updateRow({ rowId: second, values: { Site: 'moved' } });
    const http: HttpClient = {
      ...tt.gateway.http,
      request: async (options) => {
        const answer = await tt.gateway.http.request(options);
        if (!String(options.body).includes('offset=0&')) return answer;
        const body = JSON.parse(answer.text());
        delete body.tableValues.rows[first];
        return { ...answer, text: () => JSON.stringify(body) };
      },
    };
    expect((await poll('books', { http })).found).toEqual([['row.updated', second]]);
    tt.clock.advance(minute);
    expect((await poll()).found).toEqual([]);
  });

  test('a row that is deleted, restored and deleted again is reported four times', async () => {
    const ids = new Set<string>();
    const { rowId } = tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
    const jobs = tt.sandbox.state.tables.find(({ name }) => name === 'Jobs');
    const row = jobs?.rows[rowId];
    if (!jobs || !row) throw new Error('no row');
    const next = async () => {
      const { events, found } = await poll();
      for (const { id, type } of events) ids.add(`${type} ${id}`);
      tt.clock.advance(minute);
      return found;
    };
    const created = [['row.created', rowId]];
    const deleted = [['row.deleted', rowId]];
    expect(await next()).toEqual(created);
    tt.sandbox.control.deleteRow({ rowId });
    expect(await next()).toEqual(deleted);
    jobs.rows[rowId] = row;
    tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
    expect(await next()).toEqual(expect.arrayContaining(created));
    tt.sandbox.control.deleteRow({ rowId });
    expect(await next()).toEqual(deleted);
    expect(ids.size).toBe(5);
  });

  test('rows are found where a change of values moves the stamp of the book alone', async () => {
    const [first = ''] = incidents().rows;
    tt.sandbox.control.setSwitches({ tableStampsMove: false });
    try {
      tt.sandbox.control.updateRow({ rowId: first, values: { Site: 'one' } });
      expect((await poll()).found).toEqual([['row.updated', first]]);
      tt.clock.advance(minute);
      // It is known now, so a message at the same time hides nothing.
      tt.sandbox.control.postMessage({ msg: 'hello' });
      tt.sandbox.control.updateRow({ rowId: first, values: { Site: 'two' } });
      expect((await poll()).found.map(([type]) => type)).toEqual(['message.created', 'row.updated']);
    } finally {
      tt.sandbox.control.setSwitches({ tableStampsMove: true });
    }
  });

  test('every message of a busy minute is found, one that is deleted in between aside', async () => {
    const smids = Array.from({ length: 130 }, (_, at) => tt.sandbox.control.postMessage({ msg: `m${at}` }).smid);
    const gone = smids.at(-1) ?? '';
    const http: HttpClient = {
      ...tt.gateway.http,
      request: async (options) => {
        const answer = await tt.gateway.http.request(options);
        if (/req=getBookMessages.*page=1\b/.test(String(options.body)))
          tt.sandbox.state.messages = tt.sandbox.state.messages.filter(({ smid }) => smid !== gone);
        return answer;
      },
    };
    expect((await poll('books', { http })).found).toEqual(smids.map((smid) => ['message.created', smid]));
  });

  test('if stamps move, a message does not cause a table to be read', async () => {
    const [first = ''] = incidents().rows;
    tt.sandbox.control.updateRow({ rowId: first, values: { Site: 'known' } });
    await poll();
    tt.clock.advance(20 * minute);
    await poll();
    tt.sandbox.reset();
    tt.sandbox.control.postMessage({ msg: 'hello' });
    expect((await poll()).found.map(([type]) => type)).toEqual(['message.created']);
    expect(requests('getTableValues')).toBe(0);
  });

  test('what this connection wrote itself is no event, what others write into the same row is', async () => {
    const { rows, fields } = incidents();
    const [first = '', second = ''] = rows;
    const { call } = connection;
    await call('createOrUpdateTableRow', {
      rowId: first,
      fieldValues: { [fields.Status ?? '']: 'Dispatched', [fields.ClosedAt ?? '']: '2026-01-05T02:20:00Z' },
    });
    await call('createOrUpdateTableRow', { rowId: 'tmpOwn', fieldValues: { [fields.EventId ?? '']: 'own' } });
    await call('createOrUpdateTableRows', { rows: { tmpOwnB: { [fields.EventId ?? '']: 'own in bulk' } } });
    await call('sendMsg', { ...inBook, msg: 'own', uuid: 'mine' });
    await call('deleteTableRow', { rowId: second });
    expect((await poll()).found).toEqual([]);
    tt.clock.advance(minute);
    tt.sandbox.control.updateRow({ rowId: first, values: { Status: 'Open' } });
    expect((await poll()).found).toEqual([['row.updated', first]]);
  });
});

test('what another account of the installation wrote is marked as own, and what a person wrote is not', async () => {
  connection = await tt.connect();
  cursor = undefined;
  await poll();
  tt.clock.advance(minute);
  await poll();
  tt.clock.advance(minute);
  const other = await tt.connect({ user: 'alex' }, { oauthkey: (await logIn(tt.sandbox, 'alex')).oauthkey });
  const { rows, fields } = incidents();
  const [first = '', second = '', third = ''] = rows;
  await other.call('createOrUpdateTableRow', { rowId: first, fieldValues: { [fields.Site ?? '']: 'by another' } });
  await other.call('createOrUpdateTableRow', { rowId: 'tmpOther', fieldValues: { [fields.EventId ?? '']: 'other' } });
  await other.call('createOrUpdateTableRows', { rows: { tmpOtherB: { [fields.EventId ?? '']: 'other in bulk' } } });
  await other.call('sendMsg', { ...inBook, msg: 'from another', uuid: 'other' });
  await other.call('deleteTableRow', { rowId: second });
  tt.sandbox.control.updateRow({ rowId: third, values: { Site: 'by hand' } });
  const { events } = await poll();
  expect(events.map(({ type, own }) => [type.replace('timetonic.', ''), own ?? false]).sort()).toEqual([
    ['message.created', true],
    ['row.created', true],
    ['row.created', true],
    ['row.deleted', true],
    ['row.updated', false],
    ['row.updated', true],
  ]);
  expect(events.find(({ own }) => !own)?.data).toMatchObject({ rowId: third });
});

test('a table that cannot be read to its end is named, and read again once it can', async () => {
  connection = await tt.connect();
  cursor = undefined;
  const jobs = tt.sandbox.control.tables().Jobs?.id ?? '';
  const http: HttpClient = {
    ...tt.gateway.http,
    request: async (options) => {
      const answer = await tt.gateway.http.request(options);
      const sent = String(options.body);
      if (!sent.includes(`catId=${jobs}`)) return answer;
      const text = sent.includes('req=computeTableOperation')
        ? '{"status":"ok","result":{"count":50001}}'
        : '{"status":"ok","tableValues":{"rows":"too many"}}';
      return { ...answer, text: () => text };
    },
  };
  const words = `No events come from the table Jobs (${jobs})`;
  expect(await poll('books', { http })).toMatchObject({ problem: expect.stringContaining(words) });
  tt.clock.advance(minute);
  tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
  tt.sandbox.reset();
  expect(await poll('books', { http })).toMatchObject({ found: [], problem: expect.stringContaining(words) });
  const asked = tt.sandbox.journal.filter(({ body }) => body.includes(`catId=${jobs}`));
  expect(asked.map(({ body }) => /req=(\w+)/.exec(body)?.[1])).toEqual(['computeTableOperation']);

  tt.clock.advance(minute);
  tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
  expect(await poll()).toMatchObject({ found: [], problem: undefined });
  tt.clock.advance(minute);
  const { rowId } = tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
  expect(await poll()).toMatchObject({ found: [['row.created', rowId]] });
});

test('books that are not watched are not polled', async () => {
  connection = await tt.connect({ watchBooks: ['alex/noticeboard'] });
  cursor = undefined;
  await poll();
  tt.clock.advance(minute);
  tt.sandbox.control.postMessage({ msg: 'elsewhere' });
  expect((await poll()).events).toEqual([]);
});

test('the socket is used only if a setting enables it', async () => {
  connection = await tt.connect();
  cursor = undefined;
  tt.sandbox.reset();
  expect((await poll('socket')).nextIn).toBeGreaterThan(minute);
  expect(tt.sandbox.journal).toEqual([]);

  connection = await tt.connect({ listenSeconds: 1 });
  const polled = poll('socket');
  await until(() => tt.sandbox.control.attachedSockets().length > 0);
  tt.sandbox.control.postMessage({ msg: 'over the socket' });
  tt.sandbox.control.addRow({ table: 'Jobs', values: {} });
  tt.sandbox.control.pushSocket({
    frame: { type: 11, u_c: 'alex', msg: 'clearNotRead', b_o: 'demo', b_c: 'operations' },
  });
  const { events } = await polled;
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['timetonic.message.received', 'timetonic.book.updated', 'timetonic.system.received']),
  );
  for (const { type, data } of events)
    expect(sources.socket?.types[type]?.data().safeParse(data).success, type).toBe(true);
});

test('every sample fits its schema', () => {
  for (const source of Object.values(sources)) {
    for (const [type, { data, sample }] of Object.entries(source.types))
      expect(z.safeParse(data(), sample).success, type).toBe(true);
  }
});
