import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
let incidents: { id: string; fields: Record<string, string>; views: Record<string, string>; rows: string[] };
const readings = '126189';

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
  const found = sandbox.control.tables().Incidents;
  if (!found) throw new Error('the demo book has no incidents');
  incidents = found;
});
afterEach(() => sandbox.close());

const field = (name: string) => incidents.fields[name] ?? '';
const values = (fields: Record<string, string> = {}) => demo.call('getTableValues', { catId: incidents.id, ...fields });
const rowsRead = (answer: Answer) =>
  (at(answer, 'tableValues.fields.0.values') as { id: number }[]).map(({ id }) => String(id));

describe('reading values', () => {
  it('gives columns by default, with the drifting types of the vendor', async () => {
    const { tableValues, catId } = await values();
    expect(catId).toBe(126185);
    expect(tableValues).toMatchObject({
      totalRowCount: 3,
      rowInfosLength: 3,
      locked: 0,
      fpAutoExport: true,
      sstamp: '1767571200',
    });
    expect(at(tableValues, 'lastModified')).toBe('2026-01-05 00:00:00');
    expect(at(tableValues, 'fields.0')).toMatchObject({
      id: 1367490,
      name: 'EventId',
      code: 'evt',
      fixed_code: 'event_id',
      type: 'text',
      notifActiv: '0',
    });
    expect(at(tableValues, 'fields.0.values.0')).toEqual({ id: 19975055, value: 'E-988' });
    expect(at(tableValues, 'rowInfos.19975056')).toEqual({ order: 2, index: 1 });
  });

  it('gives rows keyed by name, where the second of two equal names wins', async () => {
    await demo.call('createOrUpdateTableRow', {
      rowId: '19975067',
      fieldValues: '{"1367532":"first","1367533":"second"}',
    });
    const answer = await demo.call('getTableValues', { catId: readings, format: 'rows', maxRows: '1' });
    expect(at(answer, 'tableValues.rows.0')).toMatchObject({
      id: 19975067,
      fields: { Sensor: { value: 'S00' }, Note: { value: 'second' } },
    });
    expect(at(answer, 'tableValues.fields.0')).not.toHaveProperty('values');
  });

  it('gives diff_ready_rows by id without text, and an empty list for none', async () => {
    const answer = await values({ format: 'diff_ready_rows', maxRows: '1' });
    expect(answer.tableValues).toMatchObject({
      rows: { 19975055: { [field('EventId')]: 'E-988', [field('Photo')]: null } },
    });
    expect((await values({ format: 'diff_ready_rows', offset: '3' })).tableValues).toEqual({ rows: [] });
    expect(at(await values({ offset: '3' }), 'tableValues.rowInfos')).toEqual([]);
  });

  it('writes 64-bit numbers with all their digits', async () => {
    const answer = await demo.call('getTableValues', { catId: readings, offset: '258', format: 'diff_ready_rows' });
    expect(at(answer, 'tableValues.rows.19975325.1367530')).toBe(9007199254741251n);
    expect(at(answer, 'tableValues.rows.19975326.1367530')).toBe(9223372036854775807n);
    expect(at(await demo.call('getAllBooks'), 'allBooks.contacts.0.sstamp')).toBe(9223372036854775807n);
    const fieldValues = '{"1367530":9223372036854775806}';
    const written = await demo.call('createOrUpdateTableRow', { rowId: '19975326', fieldValues });
    expect(at(written, 'rows.0.fields.2.value')).toBe(9223372036854775806n);
  });

  it('stops at 100 rows by default, and counts without regard to the filter', async () => {
    const page = async (fields: Record<string, string>) => demo.call('getTableValues', { catId: readings, ...fields });
    expect(rowsRead(await page({}))).toHaveLength(100);
    expect(rowsRead(await page({ offset: '200' }))).toHaveLength(60);
    expect(rowsRead(await page({ maxRows: '1000' }))).toHaveLength(260);
    const filtered = await page({ filterRowIds: '{"applyViewFilters":264457}' });
    expect(rowsRead(filtered)).toHaveLength(20);
    expect(filtered.tableValues).toMatchObject({ totalRowCount: 260, rowInfosLength: 20 });
    sandbox.control.setSwitches({ zeroRowInfosLength: true });
    expect(at(await page({}), 'tableValues.rowInfosLength')).toBe(0);
    expect((await page({ maxRows: '0' })).status).toBe('nok');
  });

  it('lists the rows of every view when asked, and remembers the tab', async () => {
    const answer = await values({ getAllViews: 'true', getDependencies: '1', tabId: '2117' });
    expect(at(answer, 'tableValues.views.1.rowIds')).toEqual([19975056, 19975057]);
    expect(at(answer, 'tableValues')).not.toHaveProperty('rowInfos');
    const jobs = await demo.call('getTableValues', { catId: '126187', getDependencies: 'true' });
    expect(at(jobs, 'tableValues.dependencies')).toEqual([126185]);
    const tables = await demo.call('getBookTables', { b_o: 'demo', b_c: 'operations' });
    expect(tables.bookTables).toMatchObject({ lastTabId: 2117, lastModified: 1767571200 });
  });

  it('reads by sync codes of table and fields', async () => {
    const named = (fields: Record<string, string>) =>
      demo.call('getNamedTableValues', { b_o: 'demo', b_c: 'operations', catCode: 'incidents', ...fields });
    const answer = await named({ fieldCodes: 'ref, evt' });
    expect((at(answer, 'tableValues.fields') as { name: string }[]).map(({ name }) => name)).toEqual([
      'Ref',
      'EventId',
    ]);
    expect((await named({ fieldCodes: 'nothing' })).error).toBe('unknown field code nothing');
    expect((await named({ catCode: 'Incidents' })).error).toBe('unknown category code Incidents');
  });
});

describe('filterRowIds', () => {
  const [a, b, c] = ['19975055', '19975056', '19975057'];
  it.each([
    ['a list of ids', `${a}, ${c}`, [a, c]],
    ['a list of ids to leave out', `! ${a}, ${c}`, [b]],
    ['row_ids', `{"row_ids":[${a}]}`, [a]],
    ['row_ids as text', `{"row_ids":["${b}"],"exclude":false}`, [b]],
    ['row_ids to leave out', `{"row_ids":[${a}],"exclude":true}`, [b, c]],
    ['a saved view', '{"applyViewFilters":264449}', [b, c]],
    ['a saved view in its order', '{"applyViewFilters":"264450"}', [c, b]],
    ['a saved view without some rows', `{"applyViewFilters":264449,"row_ids":[${b}],"exclude":true}`, [c]],
    ['exclude=false, which switches the view off', '{"applyViewFilters":264449,"exclude":false}', [a, b, c]],
    ['row_ids, which come before the view', `{"applyViewFilters":264449,"row_ids":[${a}]}`, [a]],
    ['the view last selected, at first the default one', '{"applyViewFilters":true}', [a, b, c]],
    ['nothing', ' ', [a, b, c]],
  ])('takes %s', async (_what, filterRowIds, expected) => {
    expect(rowsRead(await values({ filterRowIds }))).toEqual(expected);
  });

  it.each([
    ['and', ['19975056']],
    ['or', ['19975055', '19975056', '19975057']],
  ])('joins conditions with %s', async (operator, expected) => {
    const condition = (name: string, predicate: string, operand: string) => ({
      id: 'x',
      field_id: Number(field(name)),
      filter_type: 'text',
      json: { predicate, operand },
    });
    const filters = [
      condition('Status', 'is', 'Open'),
      condition('Site', 'notcontains', '12'),
      condition('Kind', 'isnot', 'Fire'),
    ];
    const filterRowIds = JSON.stringify({ applyViewFilters: { filterGroup: { operator, filters } } });
    expect(rowsRead(await values({ filterRowIds }))).toEqual(expected);
  });

  it('takes the view a user selected', async () => {
    sandbox.control.selectView({ viewId: '264449' });
    expect(rowsRead(await values({ filterRowIds: '{"applyViewFilters":true}' }))).toEqual([b, c]);
  });

  it.each([
    [['contains', '7', 'and'], [b]],
    [
      ['is', 's12', 'and'],
      [a, c],
    ],
    [['isnot', 'S12', 'or'], [b]],
  ])('takes a view made up for the request: %j', async ([predicate, operand, operator], expected) => {
    const filters = [{ id: 'tmpId', json: { predicate, operand }, field_id: field('Site'), filter_type: 'text' }];
    const filterRowIds = JSON.stringify({ applyViewFilters: { filterGroup: { operator, filters } } });
    expect(rowsRead(await values({ filterRowIds }))).toEqual(expected);
  });

  it.each([
    'word',
    '1,,2',
    '[1]',
    '{"rows":[1]}',
    '{"row_ids":"1"}',
    '{"exclude":"yes"}',
    '{"applyViewFilters":99}',
    '{"applyViewFilters":{}}',
  ])('refuses %s', async (filterRowIds) => {
    expect((await values({ filterRowIds })).status).toBe('nok');
    expect(
      (await demo.call('computeTableOperation', { catId: incidents.id, operation: 'count', filterRowIds })).status,
    ).toBe('nok');
  });
});

describe('single rows and cells', () => {
  it('are read by page, by id, and as a plain grid', async () => {
    const page = await demo.call('getTableRows', { catId: readings, pageSize: '100', page: '3' });
    expect(page.rows).toHaveLength(60);
    const chosen = await demo.call('getTableRows', {
      catId: readings,
      rowIds: '[19975056,19975055]',
      getTableInfo: 'true',
    });
    expect(chosen.rows).toMatchObject([{ id: 19975056, sstamp: 15583609109175 }, { id: 19975055 }]);
    expect(at(chosen, 'table.name')).toBe('Incidents');
    const fieldIds = `${field('Ref')},${field('Site')}`;
    const grid = await demo.call('getTableValueSubset', { catId: incidents.id, fieldIds, rowIds: '19975056,19975055' });
    expect(grid.tableValues).toEqual([
      ['88AE', 'S07'],
      ['1C20', 'S12'],
    ]);
    const count = await demo.call('computeTableOperation', {
      catId: incidents.id,
      operation: 'count',
      filterRowIds: '{"applyViewFilters":264449}',
    });
    expect(count.result).toEqual({ count: 2 });
    expect((await demo.call('computeTableOperation', { catId: incidents.id, operation: 'sum' })).status).toBe('nok');
  });

  it('carry comments, summed up or in full', async () => {
    sandbox.control.addComment({ rowId: '19975055', text: 'On my way' });
    const { id } = sandbox.control.addComment({ rowId: '19975055', text: 'Done', user: 'demo' });
    const answer = await demo.call('getTableValueComments', { rowId: '19975055', fieldId: field('Comments') });
    expect(answer.data).toMatchObject({
      status: 'ok',
      summary: { total: 2, totalUnread: 1, from: 884761 },
      users: { alex: { n: 'Alex Berg' } },
    });
    expect(at(answer, 'data.comments.0')).toMatchObject({ m: 'On my way', uc: 'alex', ur: true });
    const summary = at(await values(), 'tableValues.fields.10.values.0.value');
    expect(summary).toMatchObject({ summary: { total: 2 } });
    expect(summary).not.toHaveProperty('comments');
    const last = await values({ maxComments: '1' });
    expect(at(last, 'tableValues.fields.10.values.0.value.comments')).toMatchObject([{ id: Number(id), m: 'Done' }]);
    expect(at(last, 'tableValues.fields.10.users')).toHaveProperty('demo');
  });

  it('are counted in a pivot under the name that a switch gives the request', async () => {
    const pivot = { catID: '126190', viewId: '264458', filterRowIds: '{"applyViewFilters":264458}' };
    expect((await demo.call('getPivotValues', pivot)).pivotValues).toEqual({
      columns: ['Fire', 'Intrusion', 'Leak'],
      rows: ['S07', 'S12'],
      values: [
        [0, 1, 0],
        [1, 0, 1],
      ],
    });
    sandbox.control.setSwitches({ pivotRequest: 'getViewPivot' });
    expect((await demo.call('getPivotValues', pivot)).error).toBe('unknown request getPivotValues');
    expect((await demo.call('getViewPivot', pivot)).status).toBe('ok');
    expect((await demo.call('getViewPivot', { ...pivot, filterRowIds: '{"applyViewFilters":1}' })).status).toBe('nok');
    expect((await demo.call('getTableValues', { catId: '126190' })).error).toContain('pivot');
  });

  it('of a public book need no session, and of another one are refused without it', async () => {
    const notices = { version: '1.47', req: 'getTableValues', catId: '126192' };
    expect(rowsRead(await demo.send(notices))).toHaveLength(2);
    expect((await demo.send({ ...notices, catId: incidents.id })).status).toBe('nok');
    expect(
      (await demo.send({ ...notices, catId: incidents.id, o_u: 'demo', u_c: 'demo', sesskey: 'dead' })).error,
    ).toContain('sesskey');
  });
});
