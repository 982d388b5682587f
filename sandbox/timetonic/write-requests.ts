import { raw } from './exact-json.ts';
import { asObject } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import { type Change, createRow, readValues, removeRow, setValues, type Values } from './row-changes.ts';
import { rowJson, tableOfFields } from './row-requests.ts';
import type { Row, Table } from './state.ts';
import { type ApiRequest, bookOfTable, type Call, findRow, findTable } from './vendor.ts';

const everywhere = { b_o: 'text?', b_c: 'text?', bypassUrlTrigger: 'boolean?' } as const;

/** The requests that write rows. A row id that starts with `tmp` creates a new row each time it is sent. */
export const writeRequests: Record<string, ApiRequest> = {
  updateTableValue: {
    session: 'public',
    fields: { value: 'any', rowId: 'rowId', fieldId: 'id', ...everywhere },
    changes: true,
    answer: (call) => {
      const value = call.form.text('value');
      return writeRow(call, call.form.text('rowId'), { [call.form.text('fieldId')]: jsonList(value) ?? value });
    },
  },
  createOrUpdateTableRow: {
    session: 'public',
    fields: { rowId: 'rowId', fieldValues: 'json?', catId: 'id?', linkSeparator: 'any?', ...everywhere },
    changes: true,
    answer: (call) => {
      const { form } = call;
      const values = form.maybe('fieldValues') === undefined ? {} : asObject(form.json('fieldValues'), 'fieldValues');
      if (Object.keys(values).length === 0 && form.maybe('catId') === undefined)
        throw refused('fieldValues or catId is needed');
      return writeRow(call, form.text('rowId'), values, form.maybe('catId'));
    },
  },
  createOrUpdateTableRows: {
    session: 'public',
    fields: { rows: 'json', linkSeparator: 'any?', ...everywhere },
    changes: true,
    answer: writeRows,
  },
  deleteTableRow: {
    session: 'public',
    fields: { rowId: 'id', ...everywhere },
    changes: true,
    answer: (call) => {
      const { table, row } = findRow(call.vendor, call.form.text('rowId'));
      const book = bookOfTable(call, table, 'write');
      if (table.sysFunc) throw new VendorRefusal(`category ${table.id} takes no writes`);
      removeRow(call.vendor, table, row, changeOf(call));
      return { formLastModified: book.formLastModified, deletedRow: { id: row.id } };
    },
  },
};

/** Link values are a JSON list, even if a form field contains only one value. */
function jsonList(text: string): unknown[] | undefined {
  if (!text.trim().startsWith('[')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function changeOf({ form, user }: Call): Change {
  return { by: user?.u_c ?? 'guest', trigger: !form.flag('bypassUrlTrigger', true) };
}

interface Planned {
  rowId: string;
  table: Table;
  row: Row | undefined;
  values: Values;
}

/** Determines what one row's write would do, or throws the vendor's refusal, before anything is written. */
function plan(call: Call, rowId: string, given: Record<string, unknown>, catId?: string): Planned {
  const { vendor, form } = call;
  const found = rowId.startsWith('tmp') ? undefined : findRow(vendor, rowId);
  const fieldIds = Object.keys(given);
  if (found && fieldIds.length === 0) throw refused('fieldValues is needed to update a row');
  const table = found?.table ?? (catId === undefined ? tableOfFields(vendor, fieldIds) : findTable(vendor, catId));
  if (catId !== undefined && catId !== table.id) throw new VendorRefusal(`row ${rowId} is not in category ${catId}`);
  bookOfTable(call, table, 'write');
  return { rowId, table, row: found?.row, values: readValues(vendor, table, given, form.maybe('linkSeparator')) };
}

function carryOut(call: Call, { table, row, values }: Planned): Row {
  if (!row) return createRow(call.vendor, table, values, changeOf(call));
  setValues(call.vendor, table, row, values, changeOf(call));
  return row;
}

function writeRow(call: Call, rowId: string, given: Record<string, unknown>, catId?: string): Record<string, unknown> {
  const planned = plan(call, rowId, given, catId);
  const row = carryOut(call, planned);
  const created = [{ id: raw(row.id), tmpId: rowId, info: { order: row.order } }];
  return {
    newRows: planned.row ? [] : created,
    rows: [rowJson(call.vendor, row, call.user?.u_c)],
    transactionId: raw(row.sstamp),
  };
}

function writeRows(call: Call): Record<string, unknown> {
  const rows = Object.entries(asObject(call.form.json('rows'), 'rows'));
  if (rows.length === 0) throw refused('invalid rows: empty');
  const planned = rows.map(([rowId, values]) => {
    if (!/^(?:\d+|tmp.*)$/.test(rowId)) throw refused(`invalid rows: ${rowId} is no row id`);
    const given = asObject(values, 'rows');
    if (Object.keys(given).length === 0) throw refused(`invalid rows: ${rowId} has no values`);
    return plan(call, rowId, given);
  });
  const deadlock = call.vendor.requestFaults.takeDeadlock();
  for (const each of planned.slice(0, deadlock?.rowsWritten ?? planned.length)) carryOut(call, each);
  if (deadlock) {
    throw new VendorRefusal(
      'SQLSTATE[40001]: Serialization failure: 1213 Deadlock found when trying to get lock; try restarting transaction',
    );
  }
  const modified = planned.filter(({ row }) => row).length;
  return { modified, created: planned.length - modified };
}
