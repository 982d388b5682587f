import { cellJson } from './cells.ts';
import { commentUsers } from './comment-json.ts';
import { raw } from './exact-json.ts';
import type { Field, Row, Table, User, View } from './state.ts';
import { applyView, rowsOf, selectedView } from './table-filters.ts';
import type { Vendor } from './vendor.ts';

/** A time as some of the vendor's objects show it; others show the same as a number. */
export function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

/** A table without its values, as the lists of tables show it. */
export function tableJson(table: Table, user: User | undefined, rowIdsInViews: boolean): Record<string, unknown> {
  const pivot = table.pivot;
  return {
    id: raw(table.id),
    name: table.name,
    code: table.code,
    description: '',
    order: table.order,
    fpAutoExport: true,
    mobLargeColNb: 4,
    mobSmallColNb: 3,
    pivot_id: pivot ? raw(table.id) : null,
    p_catid: null,
    locked: 0,
    default_row_id: null,
    tplUrl: null,
    cssUrl: null,
    cssStamp: 0,
    sysFunc: table.sysFunc ?? null,
    triggerUpdateUrl: null,
    customCss: null,
    lastModified: dateText(table.lastModified),
    sstamp: String(table.lastModified),
    pivot_catid: pivot ? raw(pivot.tableId) : null,
    p_field_hz: pivot ? raw(pivot.hz) : null,
    p_field_vt: pivot ? raw(pivot.vt) : null,
    p_field_va: null,
    p_field_co: null,
    groups: [],
    prefs: { link_presentation: 2 },
    views: table.views.map((view) => viewJson(table, view, rowIdsInViews)),
    selectedViewId: raw(selectedView(table, user).id),
  };
}

function viewJson(table: Table, view: View, withRowIds: boolean): Record<string, unknown> {
  const group = view.filterGroup;
  const first = table.fields[0];
  const field = first ? raw(first.id) : null;
  return {
    id: raw(view.id),
    default_row_id: null,
    name: view.name,
    description: null,
    presentation: 1,
    locked: false,
    filterGroup: group && {
      id: raw(group.id),
      operator: group.operator,
      lastModified: dateText(table.lastModified),
      filters: group.filters.map(({ id, field_id, filter_type, json }) => {
        return {
          id: raw(id),
          field_id: raw(field_id),
          filter_type,
          json,
          lastModified: dateText(table.lastModified),
        };
      }),
    },
    restrictions: [],
    linkViewIds: [],
    applyHiddenFieldsInRowEdit: true,
    grid: { rowDisplay: null },
    card: { hz_field_id: field, layout: 1, title_field_id: null, co_field_id: null, free_order: 0 },
    calendar: { display_field_id: field, start_field_id: null, end_field_id: null, co_field_id: null },
    rowIds: withRowIds ? applyView(table, rowsOf(table), view).map(({ id }) => raw(id)) : undefined,
  };
}

/** A field without its values. */
export function fieldJson(table: Table, field: Field, withEnums = true): Record<string, unknown> {
  return {
    id: raw(field.id),
    group_id: null,
    name: field.name,
    code: field.code,
    fixed_code: field.fixed_code,
    description: null,
    type: field.type,
    ctype: '',
    order: field.order,
    defaultDay: false,
    defaultValueConfig: 0,
    notifActiv: '0',
    timeAndDate: field.type === 'date',
    textFormat: 0,
    codeScan: false,
    lastIncrement: null,
    pixelWidth: 118,
    mobTitle: false,
    mobLargeColNb: 1,
    mobSmallColNb: 1,
    numformat: null,
    numlang: null,
    default_field_restriction: '0',
    section: '',
    activePresentation: 1,
    linkPresentation: 2,
    sysFunc: null,
    enumColors: withEnums ? field.enumColors : undefined,
    link_catid: field.linkTableId === undefined ? undefined : raw(field.linkTableId),
    lastModified: dateText(table.lastModified),
    hasRestrictions: false,
    readOnly: readOnly(field) ? 1 : 0,
  };
}

function readOnly(field: Field): boolean {
  return field.type === 'comments' || field.type === 'activity';
}

/** The parameters of a read of values. */
export interface ValuesReading {
  format: string;
  fields: Field[];
  reader: User | undefined;
  maxComments?: number;
  /** Every view then lists its rows, and the global list is left out. */
  allViews: boolean;
  dependencies: boolean;
  zeroLength: boolean;
}

/** The values of some rows of a table in one of the three formats. */
export function valuesJson(vendor: Vendor, table: Table, rows: Row[], reading: ValuesReading): Record<string, unknown> {
  const { fields, reader } = reading;
  const cell = (row: Row, field: Field) =>
    cellJson(vendor, row, field, {
      reader: reader?.u_c,
      ...(reading.maxComments !== undefined && { maxComments: reading.maxComments }),
    });
  if (reading.format === 'diff_ready_rows') {
    const values = (row: Row) => listOrMap(fields.map((field) => [field.id, cell(row, field).value]));
    return { rows: listOrMap(rows.map((row) => [row.id, values(row)])) };
  }

  const inRows = reading.format === 'rows';
  return {
    ...tableJson(table, reader, reading.allViews),
    totalRowCount: Object.keys(table.rows).length,
    forbidAddRow: false,
    forbidDeleteRow: false,
    fields: fields.map((field) => ({
      ...fieldJson(table, field),
      values: inRows ? undefined : rows.map((row) => ({ id: raw(row.id), ...cell(row, field) })),
      users: reading.maxComments !== undefined && field.type === 'comments' ? usersOf(vendor, field) : undefined,
    })),
    // Keyed by name: of two fields with one name the later wins, as at the vendor.
    rows: inRows
      ? rows.map((row) => ({ id: raw(row.id), fields: new Map(fields.map((field) => [field.name, cell(row, field)])) }))
      : undefined,
    rowInfos: reading.allViews ? undefined : listOrMap(rows.map((row, index) => [row.id, { order: row.order, index }])),
    rowInfosLength: reading.allViews ? undefined : reading.zeroLength ? 0 : rows.length,
    hiddenFields: [],
    dependencies: reading.dependencies ? linkedTables(table) : undefined,
  };
}

/** PHP writes an empty map as an empty list. */
function listOrMap(entries: [string, unknown][]): Map<string, unknown> | [] {
  return entries.length === 0 ? [] : new Map(entries);
}

function usersOf(vendor: Vendor, field: Field): Record<string, unknown> {
  return commentUsers(
    vendor,
    vendor.sandbox.state.comments.filter(({ fieldId }) => fieldId === field.id),
  );
}

function linkedTables(table: Table): bigint[] {
  const ids = table.fields.flatMap(({ linkTableId }) => (linkTableId === undefined ? [] : [linkTableId]));
  return [...new Set(ids)].map(raw);
}
