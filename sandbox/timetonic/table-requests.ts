import { raw } from './exact-json.ts';
import type { FieldRule } from './form.ts';
import { refused, tooBigPage, VendorRefusal } from './refusal.ts';
import type { Field, Table } from './state.ts';
import { selectRows } from './table-filters.ts';
import { fieldJson, tableJson, valuesJson } from './table-json.ts';
import { type ApiRequest, bookKey, bookOfTable, type Call, checkAccess, findBook, findTable } from './vendor.ts';

const reading: Record<string, FieldRule> = {
  filterRowIds: 'any?',
  tabId: 'id?',
  offset: 'int?',
  maxRows: 'int?',
  format: ['columns', 'rows', 'diff_ready_rows'],
  maxComments: 'int?',
  getAllViews: 'boolean?',
  getDependencies: 'boolean?',
};

/** The requests that list tables and read their values. */
export const tableRequests: Record<string, ApiRequest> = {
  getBookTables: {
    session: 'public',
    fields: {
      b_o: 'text',
      b_c: 'text',
      externViews: 'boolean?',
      format: ['android'],
      includeFields: 'boolean?',
      includeEnums: 'boolean?',
      getRowIds: 'boolean?',
    },
    answer: bookTables,
  },
  getTableValues: {
    session: 'public',
    fields: { ...reading, catId: 'id', b_o: 'text?', b_c: 'text?' },
    answer: (call) => {
      const table = findTable(call.vendor, call.form.text('catId'));
      bookOfTable(call, table, 'read');
      return readValues(call, table, table.fields);
    },
  },
  getNamedTableValues: {
    session: 'public',
    fields: { ...reading, catCode: 'text', fieldCodes: 'text?', b_o: 'text', b_c: 'text' },
    answer: (call) => {
      const { vendor, form, user } = call;
      checkAccess(findBook(vendor, form.text('b_o'), form.text('b_c')), user, 'read');
      const table = vendor.sandbox.state.tables.find(
        ({ code, b_o, b_c }) => code === form.text('catCode') && b_o === form.text('b_o') && b_c === form.text('b_c'),
      );
      if (!table) throw new VendorRefusal(`unknown category code ${form.text('catCode')}`);
      const codes = form.maybe('fieldCodes')?.split(',') ?? [];
      return readValues(
        call,
        table,
        codes.length > 0 ? codes.map((code) => fieldByCode(table, code.trim())) : table.fields,
      );
    },
  },
};

function fieldByCode(table: Table, code: string): Field {
  const field =
    table.fields.find((candidate) => candidate.fixed_code === code) ??
    table.fields.find((candidate) => candidate.code === code);
  if (!field) throw new VendorRefusal(`unknown field code ${code}`);
  return field;
}

function readValues(call: Call, table: Table, fields: Field[]): Record<string, unknown> {
  const { vendor, form, user } = call;
  const { switches, sstamp } = vendor.sandbox.state;
  if (table.pivot) throw new VendorRefusal(`category ${table.id} is a pivot table`);
  const offset = form.number('offset', 0);
  const maxRows = form.number('maxRows', 100);
  const maxComments = form.number('maxComments', 0);
  if (offset < 0) throw refused('invalid offset: must not be negative');
  if (maxRows < 1) throw refused('invalid maxRows: must be at least 1');
  if (form.maybe('maxComments') !== undefined && (maxComments < 1 || maxComments > 10))
    throw refused('invalid maxComments: 1 to 10');

  const selected = selectRows(table, form.maybe('filterRowIds'), user);
  const allViews = form.flag('getAllViews');
  const rows = allViews ? selected : selected.slice(offset, offset + maxRows);
  if (rows.length * fields.length > switches.maxCells) throw tooBig();

  const tabId = form.maybe('tabId');
  if (tabId !== undefined && user) user.lastTabs[bookKey(table)] = tabId;
  const tableValues = valuesJson(vendor, table, rows, {
    format: form.maybe('format') ?? 'columns',
    fields,
    reader: user,
    allViews,
    dependencies: form.flag('getDependencies'),
    zeroLength: switches.zeroRowInfosLength,
    ...(maxComments > 0 && { maxComments }),
  });
  return { sstamp: raw(sstamp), catId: raw(table.id), [switches.valuesName]: tableValues };
}

/** The response to a read of too many cells. */
export function tooBig(): VendorRefusal {
  return new VendorRefusal('too many values at once', { page: { status: 500, html: tooBigPage } });
}

function bookTables({ vendor, form, user }: Call): Record<string, unknown> {
  const book = findBook(vendor, form.text('b_o'), form.text('b_c'));
  checkAccess(book, user, 'read');
  const tables = vendor.sandbox.state.tables.filter(({ b_o, b_c }) => b_o === book.b_o && b_c === book.b_c);
  const android = form.maybe('format') === 'android';
  const withFields = form.flag('includeFields');
  const withRowIds = android && withFields && form.flag('getRowIds');
  const right = book.members.find(({ u_c }) => u_c === user?.u_c)?.right ?? 1;
  const categories = tables.map((table) => ({
    ...tableJson(table, user, withRowIds),
    totalRowCount: Object.keys(table.rows).length,
    fields: withFields
      ? table.fields.map((field) => ({ ...fieldJson(table, field, form.flag('includeEnums', true)), values: [] }))
      : null,
    rowInfos: [],
    rowInfosLength: 0,
    hiddenFields: [],
  }));
  return {
    sstamp: raw(vendor.sandbox.state.sstamp),
    bookTables: {
      id: raw(book.sfpid),
      name: `${book.b_c}.${book.b_o}`,
      description: null,
      creator: book.b_o,
      timetonic: false,
      system: false,
      public: book.public,
      lastModified: book.formLastModified,
      rights: { modify: right > 1, select: 1 },
      right,
      tabs: tables.map((table) => ({
        id: raw(table.tabId),
        category_id: raw(table.id),
        view_id: null,
        order: table.order,
        hidden: false,
        lastModified: table.lastModified,
      })),
      categories,
      externViews: form.flag('externViews') ? [] : undefined,
      lastTabId: raw(user?.lastTabs[bookKey(book)] ?? tables[0]?.tabId ?? '0'),
    },
  };
}
