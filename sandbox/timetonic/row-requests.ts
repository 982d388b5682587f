import { cellJson, cellText } from './cells.ts';
import { commentsJson, commentsOf, commentUsers } from './comment-json.ts';
import { raw } from './exact-json.ts';
import { asObject, onlyKeys } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import type { Row, Table } from './state.ts';
import { rowsOf, selectRows } from './table-filters.ts';
import { dateText, fieldJson, tableJson } from './table-json.ts';
import { tooBig } from './table-requests.ts';
import {
  type ApiRequest,
  bookOfTable,
  type Call,
  findRow,
  findTable,
  findTableOfField,
  type Vendor,
} from './vendor.ts';

const inBook = { b_o: 'text?', b_c: 'text?' } as const;

/** Reads of single rows and cells, counts, comments and pivots. */
export const rowRequests: Record<string, ApiRequest> = {
  getTableRows: {
    session: 'public',
    fields: { catId: 'id', rowIds: 'json?', pageSize: 'int?', page: 'int?', getTableInfo: 'boolean?', ...inBook },
    answer: tableRows,
  },
  getTableValueSubset: {
    session: 'public',
    fields: { catId: 'id', fieldIds: 'idList', rowIds: 'idList', ...inBook },
    answer: (call) => {
      const table = readableTable(call, 'catId');
      const fields = call.form.ids('fieldIds').map((id) => fieldOf(table, id));
      const rows = call.form.ids('rowIds').map((id) => rowOf(table, id));
      const values = (row: Row) =>
        fields.map((field) => cellJson(call.vendor, row, field, { reader: call.user?.u_c }).value);
      return { tableValues: rows.map(values) };
    },
  },
  computeTableOperation: {
    session: 'public',
    fields: { catId: 'id', operation: 'text', filterRowIds: 'any?', ...inBook },
    answer: (call) => {
      const table = readableTable(call, 'catId');
      if (call.form.text('operation') !== 'count') throw refused('invalid operation: only count is supported');
      return { result: { count: selectRows(table, call.form.maybe('filterRowIds'), call.user).length } };
    },
  },
  getTableValueComments: {
    session: 'public',
    fields: { fieldId: 'id', rowId: 'id', ...inBook },
    answer: (call) => {
      const { vendor, form, user } = call;
      const { table, row } = findRow(vendor, form.text('rowId'));
      const book = bookOfTable(call, table, 'read');
      const field = fieldOf(table, form.text('fieldId'));
      const all = commentsOf(vendor, row.id, field.id);
      const shown = commentsJson(all, user?.u_c, all.length);
      const none = { summary: { sstamp: 0, total: 0, totalUnread: 0, notifSubscribe: null, from: 0 }, comments: [] };
      const data = {
        status: 'ok',
        formLastModified: book.formLastModified,
        users: commentUsers(vendor, all),
        ...(shown ?? none),
      };
      return { sstamp: raw(vendor.sandbox.state.sstamp), fieldId: raw(field.id), rowId: raw(row.id), data };
    },
  },
};

/** The request whose name is missing from the document; its field is `catID`, unlike everywhere else. */
export const pivotRequest: ApiRequest = {
  session: 'public',
  fields: { catID: 'id', viewId: 'id', filterRowIds: 'json', ...inBook },
  answer: (call) => {
    const { vendor, form } = call;
    const table = findTable(vendor, form.text('catID'));
    bookOfTable(call, table, 'read');
    if (!table.pivot) throw new VendorRefusal(`category ${table.id} is not a pivot table`);
    if (!table.views.some(({ id }) => id === form.text('viewId')))
      throw new VendorRefusal(`unknown view ${form.text('viewId')}`);
    const filter = asObject(form.json('filterRowIds'), 'filterRowIds');
    onlyKeys(filter, ['applyViewFilters'], 'filterRowIds');
    if (String(filter.applyViewFilters) !== form.text('viewId'))
      throw refused('filterRowIds[applyViewFilters] must be the viewId');
    return { catID: raw(table.id), viewId: raw(form.text('viewId')), pivotValues: countBy(vendor, table.pivot) };
  },
};

function countBy(vendor: Vendor, { tableId, hz, vt }: NonNullable<Table['pivot']>): Record<string, unknown> {
  const rows = rowsOf(findTable(vendor, tableId));
  const of = (field: string) => [...new Set(rows.map((row) => cellText(row.values[field])))].sort();
  const count = (x: string, y: string) =>
    rows.filter((row) => cellText(row.values[hz]) === x && cellText(row.values[vt]) === y).length;
  const [columns, lines] = [of(hz), of(vt)];
  return { columns, rows: lines, values: lines.map((y) => columns.map((x) => count(x, y))) };
}

function tableRows(call: Call): Record<string, unknown> {
  const { vendor, form, user } = call;
  let table = readableTable(call, 'catId');
  const pageSize = form.number('pageSize', 100);
  const page = form.number('page', 1);
  if (pageSize < 1 || page < 1) throw refused('invalid page or pageSize: both start at 1');
  let rows = rowsOf(table);
  if (form.maybe('rowIds') !== undefined) {
    const ids = form.json('rowIds');
    if (!Array.isArray(ids) || ids.some((id) => !/^\d+$/.test(String(id))))
      throw refused('invalid rowIds: must be a stringified array of row ids');
    const found = ids.map((id) => findRow(vendor, String(id)));
    for (const each of found) bookOfTable(call, each.table, 'read');
    rows = found.map(({ row }) => row);
    // The row ids decide which table is described, even when they contradict catId.
    table = found.at(-1)?.table ?? table;
  }
  rows = rows.slice((page - 1) * pageSize, page * pageSize);
  if (rows.length * table.fields.length > vendor.sandbox.state.switches.maxCells) throw tooBig();
  const description = () => ({
    ...tableJson(table, user, true),
    fields: table.fields.map((field) => ({ ...fieldJson(table, field), values: [] })),
  });
  return {
    sstamp: raw(vendor.sandbox.state.sstamp),
    rows: rows.map((row) => rowJson(vendor, row, user?.u_c)),
    table: form.flag('getTableInfo') ? description() : undefined,
  };
}

/** A row with all its cells; the form is ours, the document shows none. */
export function rowJson(vendor: Vendor, row: Row, reader: string | undefined): Record<string, unknown> {
  const { table } = findRow(vendor, row.id);
  return {
    id: raw(row.id),
    catId: raw(table.id),
    order: row.order,
    sstamp: raw(row.sstamp),
    created: row.created,
    lastModified: dateText(row.lastModified),
    fields: table.fields.map((field) => ({ id: raw(field.id), ...cellJson(vendor, row, field, { reader }) })),
  };
}

function readableTable(call: Call, name: string): Table {
  const table = findTable(call.vendor, call.form.text(name));
  bookOfTable(call, table, 'read');
  if (table.pivot) throw new VendorRefusal(`category ${table.id} is a pivot table`);
  return table;
}

/** A field of that table, or the vendor's refusal. */
export function fieldOf(table: Table, id: string): Table['fields'][number] {
  const field = table.fields.find((candidate) => candidate.id === id);
  if (!field) throw new VendorRefusal(`field ${id} is not in category ${table.id}`);
  return field;
}

function rowOf(table: Table, id: string): Row {
  const row = Object.hasOwn(table.rows, id) ? table.rows[id] : undefined;
  if (!row) throw new VendorRefusal(`row ${id} is not in category ${table.id}`);
  return row;
}

/** The table that field ids belong to; all must belong to the same one. */
export function tableOfFields(vendor: Vendor, fieldIds: string[]): Table {
  const [first = '', ...others] = fieldIds;
  const table = findTableOfField(vendor, first);
  for (const id of others) fieldOf(table, id);
  return table;
}
