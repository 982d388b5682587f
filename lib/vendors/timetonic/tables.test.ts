import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { parseInput, schemasOf } from '../../core/operation.ts';
import { timetonic } from './index.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
let call: Awaited<ReturnType<typeof tt.connect>>['call'];
beforeAll(async () => {
  tt = await startTimetonic();
  call = (await tt.connect()).call;
});
afterEach(() => {
  tt.sandbox.clearFaults();
  tt.sandbox.control.setSwitches({ maxCells: 20_000, zeroRowInfosLength: false });
});
afterAll(() => {
  expect(tt.sandbox.journal.flatMap(({ refusal }) => refusal ?? [])).toEqual([]);
  return tt.stop();
});

const table = (name: string) => {
  const found = tt.sandbox.control.tables()[name];
  if (!found) throw new Error(`no table ${name}`);
  return found;
};
const rowIds = async (filterRowIds?: unknown) => {
  const body = (await call('getTableValues', {
    tableId: table('Incidents').id,
    format: 'diff_ready_rows',
    ...(filterRowIds !== undefined && { filterRowIds }),
  })) as { tableValues: { rows: object } };
  return Object.keys(body.tableValues.rows);
};

test('every form of filterRowIds chooses its rows', async () => {
  const { rows, fields, views } = table('Incidents');
  const [one = '', two = '', three = ''] = rows;
  expect(await rowIds()).toEqual(rows);
  expect(await rowIds(`${one}, ${three}`)).toEqual([one, three]);
  expect(await rowIds(`! ${one}`)).toEqual([two, three]);
  expect(await rowIds({ row_ids: [one, Number(two)] })).toEqual([one, two]);
  expect(await rowIds({ row_ids: [one], exclude: true })).toEqual([two, three]);
  expect(await rowIds({ applyViewFilters: Number(views.Open) })).toEqual([two, three]);
  expect(await rowIds({ applyViewFilters: views.Open, row_ids: [two], exclude: true })).toEqual([three]);
  tt.sandbox.control.selectView({ viewId: views.Open ?? '' });
  expect(await rowIds({ applyViewFilters: true })).toEqual([two, three]);
  const filters = [
    { id: 'tmpId', field_id: fields.Site, filter_type: 'text', json: { predicate: 'contains', operand: 'S12' } },
  ];
  expect(await rowIds({ applyViewFilters: { filterGroup: { operator: 'and', filters } } })).toEqual([one, three]);
});

test('a filter that TimeTonic would silently ignore is refused', async () => {
  expect((await failure(rowIds({ applyViewFilters: 1, exclude: false }))).message).toContain('exclude: false');
  expect(await failure(rowIds({ rows: [1] }))).toMatchObject({ code: 'invalid_input' });
  expect(await failure(rowIds('1; drop'))).toMatchObject({ code: 'invalid_input' });
});

test.each(['columns', 'rows', 'diff_ready_rows'])(
  'all: true reads every row as %s, and halves a page that is too much',
  async (format) => {
    tt.sandbox.control.setSwitches({ maxCells: 6 * 100, zeroRowInfosLength: true });
    const whole = (await call('getTableValues', { tableId: table('Readings').id, format, all: true })) as {
      rowCount: number;
      complete: boolean;
      tableValues: { rows?: unknown; fields?: { values: unknown[] }[] };
    };
    expect(whole).toMatchObject({ complete: true, rowCount: 260 });
    const { rows, fields } = whole.tableValues;
    expect(format === 'columns' ? fields?.[0]?.values.length : Object.keys(rows ?? {}).length).toBe(260);
  },
);

/** A client that does something once after a request whose body fits has been answered. */
function afterAnswer(pattern: RegExp, act: () => void): HttpClient {
  let done = false;
  return {
    ...tt.gateway.http,
    request: async (options) => {
      const answer = await tt.gateway.http.request(options);
      if (!done && pattern.test(String(options.body))) {
        done = true;
        act();
      }
      return answer;
    },
  };
}

describe('rows that are deleted while a table is read', () => {
  const read = async (operation: string, input: Record<string, unknown>, deleted: number) => {
    const before = table('Readings').rows;
    const [gone, kept] = [before.slice(0, deleted), before.slice(deleted)];
    const http = afterAnswer(/offset=0\b|page=1\b/, () => {
      for (const rowId of gone) tt.sandbox.control.deleteRow({ rowId });
    });
    const { vendorCall } = await tt.connect();
    const declared = timetonic.operations[operation];
    if (!declared) throw new Error(operation);
    const parsed = parseInput(schemasOf(declared).input, { tableId: table('Readings').id, all: true, ...input });
    const answer = await timetonic.send(operation, declared, parsed, vendorCall({ http }) as never);
    const body = ('body' in answer ? answer.body : {}) as Record<string, unknown>;
    tt.sandbox.control.fillTable({ table: 'Readings', rows: deleted });
    return { body, kept };
  };

  test.each([
    [16, 1],
    [16, 2],
    [16, 40],
    [64, 1],
    [64, 100],
  ])('in pages of %i, %i deleted rows hide no other row of getTableValues', async (maxRows, deleted) => {
    const { body, kept } = await read('getTableValues', { format: 'diff_ready_rows', maxRows }, deleted);
    expect(body).toMatchObject({ complete: true });
    const { rows } = body.tableValues as { rows: object };
    expect(kept.filter((id) => !Object.hasOwn(rows, id))).toEqual([]);
    expect(body.rowCount).toBe(Object.keys(rows).length);
  });

  test.each([
    [16, 1],
    [16, 40],
    [64, 3],
    [64, 100],
  ])('in pages of %i, %i deleted rows hide no other row of getTableRows', async (pageSize, deleted) => {
    const { body, kept } = await read('getTableRows', { pageSize }, deleted);
    const rows = (body.rows as { id: unknown }[]).map(({ id }) => String(id));
    expect(kept.filter((id) => !rows.includes(id))).toEqual([]);
    expect(new Set(rows).size).toBe(rows.length);
    expect(body.rowCount).toBe(rows.length);
  });
});

test('values are read under the name that the document gives them, too', async () => {
  tt.sandbox.control.setSwitches({ valuesName: 'values' });
  const one = await call('getTableValues', { tableId: table('Incidents').id });
  const all = await call('getTableValues', { tableId: table('Incidents').id, all: true });
  tt.sandbox.control.setSwitches({ valuesName: 'tableValues' });
  expect(one).toMatchObject({ tableValues: { fields: expect.any(Array) } });
  expect(all).toMatchObject({ complete: true, tableValues: { fields: expect.any(Array) } });
});

test('without all, a read that is too much is 502 with advice, and one page is one page', async () => {
  tt.sandbox.control.setSwitches({ maxCells: 50 });
  const error = await failure(call('getTableValues', { tableId: table('Readings').id }));
  expect(error).toMatchObject({ code: 'vendor_failed', vendorCode: '500', retryable: false });
  expect(error.message).toContain('all: true');
  tt.sandbox.control.setSwitches({ maxCells: 20_000 });
  const page = (await call('getTableRows', { tableId: table('Readings').id })) as {
    rows: unknown[];
    complete?: boolean;
  };
  expect([page.rows.length, page.complete]).toEqual([100, undefined]);
  const all = (await call('getTableRows', { tableId: table('Readings').id, all: true, pageSize: 64 })) as {
    rows: unknown[];
    complete?: boolean;
  };
  expect([all.rows.length, all.complete]).toEqual([260, true]);
});

test('an empty answer of rows is a map, as a full one is', async () => {
  expect(await rowIds('1')).toEqual([]);
  const body = (await call('getTableValues', {
    tableId: table('Incidents').id,
    format: 'diff_ready_rows',
    filterRowIds: '1',
  })) as { tableValues: { rows: unknown } };
  expect(body.tableValues.rows).toEqual({});
});

test('a row for a tmp id is made once, however often it is sent; other values make another', async () => {
  const { fields } = table('Incidents');
  const before = table('Incidents').rows.length;
  const input = { rowId: 'tmpE-1', fieldValues: { [fields.EventId ?? '']: 'E-1' } };
  const first = (await call('createOrUpdateTableRow', input)) as { newRows: { id: string }[] };
  const again = (await call('createOrUpdateTableRow', input)) as { newRows: { id: string; existing: boolean }[] };
  expect(again.newRows).toMatchObject([{ id: first.newRows[0]?.id, existing: true }]);
  expect(table('Incidents').rows.length).toBe(before + 1);
  await call('createOrUpdateTableRow', { ...input, fieldValues: { [fields.EventId ?? '']: 'E-2' } });
  expect(table('Incidents').rows.length).toBe(before + 2);
});

test('a row whose answer was lost is unknown, and sending it again does not double it', async () => {
  const { fields } = table('Incidents');
  const before = table('Incidents').rows.length;
  const input = { rowId: 'tmpE-lost', fieldValues: { [fields.EventId ?? '']: 'E-lost' } };
  tt.sandbox.control.failRequest({ req: 'createOrUpdateTableRow', kind: 'reset', when: 'after' });
  expect(await failure(call('createOrUpdateTableRow', input))).toMatchObject({ code: 'outcome_unknown' });
  expect(await failure(call('createOrUpdateTableRow', input))).toMatchObject({ code: 'outcome_unknown' });
  expect(table('Incidents').rows.length).toBe(before + 1);
  tt.sandbox.control.failRequest({ req: 'createOrUpdateTableRow', kind: 'nok', text: 'field 1 is not in category 2' });
  const refused = { ...input, rowId: 'tmpE-refused' };
  expect(await failure(call('createOrUpdateTableRow', refused))).toMatchObject({ status: 404 });
  expect(await call('createOrUpdateTableRow', refused)).toMatchObject({ newRows: [{ tmpId: 'tmpE-refused' }] });
});

test('two callers at once make one row', async () => {
  const { fields } = table('Jobs');
  const before = table('Jobs').rows.length;
  const input = { rowId: 'tmpJ-1', fieldValues: { [Object.values(fields)[0] ?? '']: 'J-1' } };
  await Promise.allSettled(Array.from({ length: 5 }, () => call('createOrUpdateTableRow', input)));
  expect(table('Jobs').rows.length).toBe(before + 1);
});

const bulk = (prefix: string, count: number) => {
  const { fields } = table('Readings');
  return Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`tmp${prefix}${at}`, { [fields.Sensor ?? '']: `${prefix}${at}` }]),
  );
};

test('many rows go in batches of ten, one after another', async () => {
  tt.sandbox.reset();
  const before = table('Readings').rows.length;
  expect(await call('createOrUpdateTableRows', { rows: bulk('A', 25), ...inBook })).toMatchObject({
    created: 25,
    modified: 0,
    existing: 0,
  });
  expect(table('Readings').rows.length).toBe(before + 25);
  expect(tt.sandbox.journal.filter(({ body }) => body.includes('createOrUpdateTableRows'))).toHaveLength(3);
});

test('a deadlock among known rows is repeated', async () => {
  const { fields, rows } = table('Readings');
  const known = Object.fromEntries(rows.slice(0, 12).map((id) => [id, { [fields.Sensor ?? '']: 'K' }]));
  tt.sandbox.control.deadlock({ times: 2, rowsWritten: 3 });
  expect(await call('createOrUpdateTableRows', { rows: known })).toMatchObject({ modified: 12 });
});

const sensors = () => {
  const { fields } = table('Readings');
  const stored = tt.sandbox.state.tables.find(({ name }) => name === 'Readings')?.rows ?? {};
  return Object.values(stored).map(({ values }) => String(values[fields.Sensor ?? '']));
};

test.each([0, 1, 4, 10])(
  'a deadlock among new rows after %i of them is read back and completed, and none is doubled',
  async (rowsWritten) => {
    const prefix = `L${rowsWritten}-`;
    const rows = bulk(prefix, 12);
    tt.sandbox.control.deadlock({ times: 2, rowsWritten });
    expect(await call('createOrUpdateTableRows', { rows, ...inBook })).toMatchObject({ created: 12, existing: 0 });
    const wanted = Array.from({ length: 12 }, (_, at) => `${prefix}${at}`);
    expect(
      sensors()
        .filter((name) => name.startsWith(prefix))
        .sort(),
    ).toEqual(wanted.sort());
    expect(await call('createOrUpdateTableRows', { rows, ...inBook })).toMatchObject({ created: 0, existing: 12 });
    tt.sandbox.clearFaults();
  },
);

test('new rows whose answer was lost are read back: those in the table are written, the others unknown', async () => {
  const rows = bulk('Lost', 12);
  const lose = { req: 'createOrUpdateTableRows', kind: 'reset' } as const;
  tt.sandbox.control.failRequest({ ...lose, when: 'after' });
  expect(await call('createOrUpdateTableRows', { rows, ...inBook })).toMatchObject({ created: 12, existing: 0 });
  expect(await call('createOrUpdateTableRows', { rows, ...inBook })).toMatchObject({ created: 0, existing: 12 });
  expect(sensors().filter((name) => name.startsWith('Lost'))).toHaveLength(12);

  const more = bulk('Unsent', 2);
  tt.sandbox.control.failRequest({ ...lose, when: 'before' });
  expect(await failure(call('createOrUpdateTableRows', { rows: more, ...inBook }))).toMatchObject({
    code: 'outcome_unknown',
    errors: [{ pointer: '/rows/tmpUnsent0' }, { pointer: '/rows/tmpUnsent1' }],
  });
  expect(sensors().filter((name) => name.startsWith('Unsent'))).toEqual([]);
});

test('rows that cannot be distinguished, or whose table is unknown, are named and not sent again', async () => {
  const { fields } = table('Readings');
  const twin = { [fields.Sensor ?? '']: 'twin' };
  for (const rowId of ['tmpTwin1', 'tmpTwin2']) await call('createOrUpdateTableRow', { rowId, fieldValues: twin });
  tt.sandbox.control.deadlock({ rowsWritten: 1 });
  const rows = { ...bulk('T', 3), tmpTwin3: twin };
  const stopped = await failure(call('createOrUpdateTableRows', { rows, ...inBook }));
  expect(stopped).toMatchObject({ code: 'outcome_unknown', retryable: false });
  expect((stopped.errors as { pointer: string }[]).map(({ pointer }) => pointer)).toContain('/rows/tmpTwin3');
  expect(sensors().filter((name) => name === 'twin')).toHaveLength(2);

  const before = table('Readings').rows.length;
  const twelve = bulk('D', 12);
  tt.sandbox.control.deadlock({ rowsWritten: 4 });
  expect((await failure(call('createOrUpdateTableRows', { rows: twelve }))).errors).toHaveLength(10);
  expect(table('Readings').rows.length).toBe(before + 4);
  // The rest is written by the same call sent again; the ten in doubt are left alone.
  expect(await failure(call('createOrUpdateTableRows', { rows: twelve }))).toMatchObject({ code: 'outcome_unknown' });
  expect(table('Readings').rows.length).toBe(before + 6);
});

test('after a refusal in the middle, the same call continues where it stopped', async () => {
  const before = table('Readings').rows.length;
  const rows = bulk('R', 25);
  tt.sandbox.control.failRequest({ req: 'createOrUpdateTableRows', kind: 'reset', when: 'before', times: 0 });
  tt.sandbox.clearFaults();
  const broken = { ...rows, tmpR15: { '1': 'no such field' } };
  const error = await failure(call('createOrUpdateTableRows', { rows: broken }));
  expect(error.message).toContain('10 of 25 rows are written');
  expect(await call('createOrUpdateTableRows', { rows })).toMatchObject({ created: 15, existing: 10 });
  expect(table('Readings').rows.length).toBe(before + 25);
});

test('URL triggers do not fire unless requested', async () => {
  const { fields, rows } = table('Incidents');
  const input = { rowId: rows[0], fieldId: fields.Site, value: 'S77' };
  const before = tt.sandbox.state.urlTriggers.length;
  await call('updateTableValue', input);
  expect(tt.sandbox.state.urlTriggers.length).toBe(before);
  await call('updateTableValue', { ...input, bypassUrlTrigger: false });
  expect(tt.sandbox.state.urlTriggers.length).toBe(before + 1);
});
