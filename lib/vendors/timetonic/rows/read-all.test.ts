import { expect, test } from 'vitest';
import { playedCall } from '../../../../test/support/played-call.ts';
import type { TimetonicCall } from '../connection.ts';
import { readAllRows, readAllValues } from './read-all.ts';

const settings = { baseUrl: 'https://timetonic.test/live', user: 'demo' };
const call = playedCall('timetonic', { settings, credentials: {}, session: {} }, []).call as TimetonicCall;

/** A table of so many rows; `before` runs before each page and may change it. */
function tableOf(count: number, before: (rows: string[], page: number) => void = () => undefined) {
  const rows = Array.from({ length: count }, (_, at) => String(1000 + at));
  let pages = 0;
  return {
    rows,
    values: async (_request: string, { offset = 0, maxRows = 100 }: Record<string, unknown>) => {
      before(rows, ++pages);
      const page = rows.slice(Number(offset), Number(offset) + Number(maxRows));
      return { status: 'ok', tableValues: { rows: Object.fromEntries(page.map((id) => [id, { f: id }])) } };
    },
    whole: async (_request: string, { page = 1, pageSize = 100 }: Record<string, unknown>) => {
      before(rows, ++pages);
      const start = (Number(page) - 1) * Number(pageSize);
      return { status: 'ok', rows: rows.slice(start, start + Number(pageSize)).map((id) => ({ id })) };
    },
  };
}

test('values are read under the name of the document as under that of the servers', async () => {
  const rows = { 19975326: { 1367528: 'S12' } };
  for (const all of [true, false]) {
    const documented = await readAllValues(
      'req=getTableValues',
      { all },
      async () => ({ status: 'ok', values: { rows } }),
      call,
    );
    expect(documented).toMatchObject({ status: 'ok', tableValues: { rows } });
    const used = await readAllValues(
      'req=getTableValues',
      { all },
      async () => ({ status: 'ok', tableValues: { rows } }),
      call,
    );
    expect(used.tableValues).toEqual(documented.tableValues);
  }
});

test('a row is read even if rows before it are deleted during the read', async () => {
  for (const deleted of [1, 7, 8, 9, 40, 250]) {
    const table = tableOf(400, (rows, page) => {
      if (page === 2) rows.splice(0, deleted);
    });
    const input = { format: 'diff_ready_rows', all: true, maxRows: 64 };
    const answer = await readAllValues('req=getTableValues', input, table.values, call);
    const read = Object.keys((answer.tableValues as { rows: object }).rows);
    expect(table.rows.filter((id) => !read.includes(id))).toEqual([]);
    expect(answer).toMatchObject({ complete: true });
  }
});

test('the same holds for pages that are counted', async () => {
  for (const deleted of [1, 9, 60]) {
    const table = tableOf(400, (rows, page) => {
      if (page === 3) rows.splice(0, deleted);
    });
    const answer = await readAllRows({ all: true, pageSize: 64 }, table.whole, call);
    const read = answer.rows.map((row) => Reflect.get(row, 'id'));
    expect(table.rows.filter((id) => !read.includes(id))).toEqual([]);
    expect(answer).toMatchObject({ complete: true });
  }
});

test('a page of one row is enough to continue', async () => {
  const table = tableOf(5);
  const answer = await readAllValues('req=getTableValues', { all: true, maxRows: 1 }, table.values, call);
  expect(answer).toMatchObject({ complete: true, rowCount: 5 });
});

test('a vendor that returns the same page for every offset ends the read, which reports it', async () => {
  const rows = Array.from({ length: 16 }, (_, id) => ({ id }));
  const same = async () => ({ status: 'ok', tableValues: { rows } });
  const answer = await readAllValues('req=getTableValues', { all: true, maxRows: 16 }, same, call);
  expect(answer).toMatchObject({ complete: false, rowCount: 16 });
});
