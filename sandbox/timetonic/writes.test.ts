import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
});
afterEach(() => sandbox.close());

const row = (id: string) => sandbox.state.tables.flatMap(({ rows }) => rows[id] ?? []).at(0);
const rowCount = (code: string) =>
  Object.keys(sandbox.state.tables.find((table) => table.code === code)?.rows ?? {}).length;
const write = (rowId: string, values: Record<string, unknown>, more: Record<string, string> = {}) =>
  demo.call('createOrUpdateTableRow', { rowId, fieldValues: JSON.stringify(values), ...more });

describe('writing rows', () => {
  it('makes a new row for a tmp id every time it is sent', async () => {
    const first = await write('tmp7F3A', { 1367490: 'E-991' });
    const id = Number(at(first, 'newRows.0.id'));
    expect(first.newRows).toEqual([{ id: expect.any(Number), tmpId: 'tmp7F3A', info: { order: 4 } }]);
    expect(at(first, 'rows.0.id')).toBe(id);
    const second = await write('tmp7F3A', { 1367490: 'E-991' });
    expect(at(second, 'newRows.0.id')).toBe(id + 1);
    expect(rowCount('incidents')).toBe(5);
  });

  it('updates a row, stamps it and logs the change', async () => {
    const before = row('19975056')?.sstamp ?? '0';
    const answer = await write('19975056', { 1367496: 'Closed' });
    expect(answer).toMatchObject({ status: 'ok', newRows: [], rows: [{ id: 19975056 }] });
    expect(row('19975056')).toMatchObject({ values: { 1367496: 'Closed' }, changes: 1, last: { u_c: 'demo' } });
    expect(BigInt(row('19975056')?.sstamp ?? '0')).toBeGreaterThan(BigInt(before));
    const updates = at(await demo.call('getTableValues', { catId: '126185' }), 'tableValues.fields.11.values.1');
    expect(updates).toMatchObject({
      text: "@demo: changed field 'Status' from 'Open' to 'Closed'",
      value: { total: 1 },
    });
  });

  it('takes one value at a time, also for a row that is not there yet', async () => {
    await demo.call('updateTableValue', { rowId: '19975055', fieldId: '1367491', value: 'S13' });
    expect(row('19975055')?.values[1367491]).toBe('S13');
    const made = await demo.call('updateTableValue', { rowId: 'tmp1', fieldId: '1367491', value: 'S14' });
    expect(row(String(at(made, 'newRows.0.id')))?.values).toEqual({ 1367491: 'S14' });
    expect((await demo.call('updateTableValue', { rowId: '"2"', fieldId: '1367491', value: 'x' })).status).toBe('nok');
  });

  it('answers bulk writes with counts only, and writes all or nothing', async () => {
    const rows = JSON.stringify({ 19975055: { 1367490: 'E-1' }, tmpA: { 1367490: 'E-2' }, tmpB: { 1367502: 'kim' } });
    const answer = await demo.call('createOrUpdateTableRows', { rows });
    expect(answer).toEqual({
      status: 'ok',
      modified: 1,
      created: 2,
      createdVNB: 'live-6.49q/6.49',
      req: 'createOrUpdateTableRows',
    });
    expect([rowCount('incidents'), rowCount('rota')]).toEqual([4, 5]);
    const broken = JSON.stringify({ tmpC: { 1367490: 'E-3' }, tmpD: { 1367503: 'twelve' } });
    expect((await demo.call('createOrUpdateTableRows', { rows: broken })).error).toBe('field 1367503: not a number');
    expect(rowCount('incidents')).toBe(4);
  });

  it('ends in a deadlock on demand, with some of the rows written', async () => {
    sandbox.control.deadlock({ times: 2, rowsWritten: 1 });
    const rows = JSON.stringify({ tmpA: { 1367490: 'A' }, tmpB: { 1367490: 'B' } });
    expect((await demo.call('createOrUpdateTableRows', { rows })).error).toContain('Deadlock');
    expect(rowCount('incidents')).toBe(4);
    sandbox.control.setSwitches({ nokShape: 'errorCode' });
    expect((await demo.call('createOrUpdateTableRows', { rows })).errorMsg).toContain('Deadlock');
    expect((await demo.call('createOrUpdateTableRows', { rows })).status).toBe('ok');
  });

  it.each([
    ['text in a number', { 1367503: 'many' }, 'not a number'],
    ['an invalid date', { 1367504: '5th of May' }, 'not a date'],
    ['a file by value', { 1367499: 'photo.jpg' }, 'files are not set by value'],
    ['a comment by value', { 1367500: 'hello' }, 'is read only'],
    ['an object in text', { 1367490: { a: 1 } }, 'value must be text or a number'],
    ['fields of two tables', { 1367490: 'E', 1367502: 'kim' }, 'is not in category'],
    ['a field that is not there', { 99: 'x' }, 'unknown field 99'],
    ['a table of the vendor', { 1367536: 'me' }, 'takes no writes'],
    ['a link to nowhere', { 1367517: 'E-000' }, 'no row of Incidents is called E-000'],
  ])('refuses %s', async (_what, values, reason) => {
    expect((await write('tmp1', values)).error).toContain(reason);
  });

  it('takes links by text with a separator and by row id, and dates in every form', async () => {
    await write('19975064', { 1367517: 'E-988; E-990' }, { linkSeparator: ';' });
    expect(row('19975064')?.values[1367517]).toEqual([
      { row_id: '19975055', value: 'E-988' },
      { row_id: '19975057', value: 'E-990' },
    ]);
    await write('19975064', { 1367517: [{ row_id: 19975056, value: 'text' }], 1367515: '2026-01-05T02:11:09+01:00' });
    expect(row('19975064')?.values).toMatchObject({
      1367517: [{ row_id: '19975056', value: 'E-989' }],
      1367515: '2026-01-05 01:11:09',
    });
    const shown = at(await demo.call('getTableValues', { catId: '126187' }), 'tableValues.fields.7.values.2');
    expect(shown).toMatchObject({ value: [{ row_id: 19975056, value: 'E-989' }], text: 'E-989' });
    await write('19975064', { 1367517: '', 1367515: null });
    expect(row('19975064')?.values).not.toHaveProperty('1367517');
  });

  it('fires the URL trigger only when it is asked to', async () => {
    await write('19975055', { 1367491: 'S1' });
    expect(sandbox.state.urlTriggers).toEqual([]);
    await write('19975055', { 1367491: 'S2' }, { bypassUrlTrigger: 'false' });
    expect(sandbox.state.urlTriggers).toMatchObject([{ tableId: '126185', rowId: '19975055' }]);
  });

  it('deletes a row once', async () => {
    const answer = await demo.call('deleteTableRow', { rowId: '19975055' });
    expect(answer).toMatchObject({
      status: 'ok',
      deletedRow: { id: '19975055' },
      formLastModified: expect.any(Number),
    });
    expect((await demo.call('deleteTableRow', { rowId: '19975055' })).error).toBe('unknown row 19975055');
  });

  it('stays inside the book that is named', async () => {
    expect((await write('19975055', { 1367491: 'x' }, { b_o: 'alex', b_c: 'noticeboard' })).status).toBe('nok');
    expect((await write('19975055', { 1367491: 'x' }, { b_o: 'demo', b_c: 'operations' })).status).toBe('ok');
  });

  it('takes nothing from a member who may only read', async () => {
    for (const member of sandbox.state.books[0]?.members ?? []) member.right = 1;
    expect((await write('19975055', { 1367491: 'x' })).error).toContain('no right to write');
    expect((await demo.call('sendMsg', { b_o: 'demo', b_c: 'operations', msg: 'x' })).error).toContain(
      'no right to write',
    );
    expect((await demo.call('getTableValues', { catId: '126185' })).status).toBe('ok');
  });

  it('by another user shows in the stamps that a poller reads', async () => {
    const known = String((await demo.call('getAllBooks')).sstamp);
    const changed = async () =>
      at(await demo.call('getAllBooks', { sstamp: known }), 'allBooks.books') as { b_c: string }[];
    expect(await changed()).toEqual([]);
    sandbox.advance(5000);
    const { rowId } = sandbox.control.addRow({ table: 'rota', values: { Person: 'kim', ChannelNo: 12 } });
    expect((await changed()).map(({ b_c }) => b_c)).toEqual(['operations']);
    const tables = await demo.call('getBookTables', { b_o: 'demo', b_c: 'operations' });
    const stamps = (at(tables, 'bookTables.categories') as { sstamp: string }[]).map(({ sstamp }) => Number(sstamp));
    expect(stamps.indexOf(Math.max(...stamps))).toBe(1);
    sandbox.control.updateRow({ rowId, values: { Role: 'Operator' } });
    sandbox.control.deleteRow({ rowId });
    expect(row(rowId)).toBeUndefined();
  });

  it('counts stamps and ids on beyond 2^53, and stops at 2^63-1', async () => {
    sandbox.control.setStamp({ sstamp: '9223372036854775806' });
    sandbox.control.setNextId({ kind: 'row', id: '9007199254740993' });
    const answer = await write('tmp1', { 1367491: 'S1' });
    expect(at(answer, 'newRows.0.id')).toBe(9007199254740993n);
    expect(at(answer, 'rows.0.sstamp')).toBe(9223372036854775807n);
    expect((await demo.call('getUserInfo', { sstamp: '9223372036854775807' })).userInfo).toBeUndefined();
    expect((await write('9007199254740993', { 1367491: 'S2' })).status).toBe('ok');
  });
});
