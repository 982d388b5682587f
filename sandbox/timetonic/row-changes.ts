import { cellText, parseCell } from './cells.ts';
import { VendorRefusal } from './refusal.ts';
import type { Cell, Row, Table } from './state.ts';
import { findBook, nextId, nextStamp, now, touchBook, type Vendor } from './vendor.ts';

/** Who changes a row, and who is notified. */
export interface Change {
  by: string;
  linkSeparator?: string;
  /** The socket that requested it, which is not notified. */
  except?: unknown;
  /** Whether the table's URL trigger fires, as `bypassUrlTrigger=false` requests. */
  trigger?: boolean;
}

/** Values by field id, parsed for one table; an absent cell is emptied. */
export type Values = Map<string, Cell | undefined>;

/** Parses values for the fields of a table, so that nothing is written when one of them is invalid. */
export function readValues(vendor: Vendor, table: Table, values: Record<string, unknown>, linkSeparator = ','): Values {
  if (table.sysFunc || table.pivot) throw new VendorRefusal(`category ${table.id} takes no writes`);
  return new Map(
    Object.entries(values).map(([id, value]) => {
      const field = table.fields.find((candidate) => candidate.id === id);
      if (!field) throw new VendorRefusal(`field ${id} is not in category ${table.id}`);
      return [id, parseCell(vendor, field, value, linkSeparator)];
    }),
  );
}

/** Adds a row at the end of a table. */
export function createRow(vendor: Vendor, table: Table, values: Values, change: Change): Row {
  if (table.sysFunc || table.pivot) throw new VendorRefusal(`category ${table.id} takes no writes`);
  table.lastOrder += 1;
  const at = now(vendor);
  const row: Row = {
    id: nextId(vendor, 'row'),
    order: table.lastOrder,
    values: {},
    created: at,
    lastModified: at,
    sstamp: '0',
    changes: 0,
  };
  table.rows[row.id] = row;
  setValues(vendor, table, row, values, change);
  vendor.sandbox.effect(`row in ${table.name}: ${[...values].map(([, cell]) => cellText(cell)).join(', ')}`);
  return row;
}

/** Writes values into a row, with the side effects: stamps, the activity field, notifications to the attached sockets. */
export function setValues(vendor: Vendor, table: Table, row: Row, values: Values, change: Change): void {
  for (const [fieldId, cell] of values) {
    const before = cellText(row.values[fieldId]);
    if (cell === undefined) delete row.values[fieldId];
    else row.values[fieldId] = cell;
    if (cellText(cell) !== before) logChange(vendor, table, row, fieldId, before, change.by);
  }
  touchRow(vendor, table, row, change);
}

/** Stamps a row after a change in it, and its table and book with it. */
export function touchRow(vendor: Vendor, table: Table, row: Row, change: Change): void {
  row.lastModified = now(vendor);
  row.sstamp = nextStamp(vendor);
  touchTable(vendor, table, change);
  if (change.trigger)
    vendor.sandbox.state.urlTriggers.push({ at: vendor.sandbox.now(), tableId: table.id, rowId: row.id });
}

/** Removes a row with its comments and files. */
export function removeRow(vendor: Vendor, table: Table, row: Row, change: Change): void {
  const { state } = vendor.sandbox;
  delete table.rows[row.id];
  state.comments = state.comments.filter(({ rowId }) => rowId !== row.id);
  state.files = state.files.filter(({ rowId }) => rowId !== row.id);
  touchTable(vendor, table, change);
}

function touchTable(vendor: Vendor, table: Table, change: Change): void {
  if (vendor.sandbox.state.switches.tableStampsMove) table.lastModified = now(vendor);
  touchBook(vendor, findBook(vendor, table.b_o, table.b_c), change.by, { tables: true, except: change.except });
}

function logChange(vendor: Vendor, table: Table, row: Row, fieldId: string, oldValue: string, by: string): void {
  const field = table.fields.find(({ id }) => id === fieldId);
  const newValue = cellText(row.values[fieldId]);
  const fieldName = field?.name ?? '';
  row.changes += 1;
  row.last = {
    id: nextId(vendor, 'activity'),
    u_c: by,
    created: now(vendor),
    sstamp: nextStamp(vendor),
    text: `@${by}: changed field '${fieldName}' from '${oldValue}' to '${newValue}'`,
    action: { action: 'changeValue', fieldId, fieldName, newValue, oldValue, type: field?.type ?? '' },
  };
}

/** Adds a comment to a cell. */
export function addComment(vendor: Vendor, table: Table, row: Row, fieldId: string, text: string, by: string): string {
  const comment = { rowId: row.id, fieldId, u_c: by, text, created: now(vendor), sstamp: nextStamp(vendor) };
  const id = nextId(vendor, 'comment');
  vendor.sandbox.state.comments.push({ id, ...comment });
  touchRow(vendor, table, row, { by });
  return id;
}
