import { cellText } from './cells.ts';
import { parseExact } from './exact-json.ts';
import { asObject, onlyKeys } from './form.ts';
import { refused, VendorRefusal } from './refusal.ts';
import type { Filter, Row, Table, User, View } from './state.ts';

/** The rows of a table in their own order. */
export function rowsOf(table: Table): Row[] {
  return Object.values(table.rows).sort((a, b) => a.order - b.order);
}

/** The rows that `filterRowIds` keeps, in the order of the view it names. Accepts every form the document shows. */
export function selectRows(table: Table, filterRowIds: string | undefined, user: User | undefined): Row[] {
  const rows = rowsOf(table);
  if (filterRowIds === undefined || filterRowIds.trim() === '') return rows;
  if (!filterRowIds.trim().startsWith('{')) return selectListed(rows, filterRowIds);

  const filter = asObject(readJson(filterRowIds), 'filterRowIds');
  onlyKeys(filter, ['row_ids', 'exclude', 'applyViewFilters'], 'filterRowIds');
  const { exclude, applyViewFilters } = filter;
  if (exclude !== undefined && typeof exclude !== 'boolean')
    throw refused('invalid filterRowIds: exclude must be true or false');
  const listed = rowIdsOf(filter.row_ids);

  if (exclude === true) {
    const kept = applyViewFilters === undefined ? rows : applyView(table, rows, viewOf(table, applyViewFilters, user));
    return listed ? kept.filter(({ id }) => !listed.has(id)) : kept;
  }
  // Without exclude=true the ids come first; and a literal exclude=false switches the view off even when there are none.
  if (listed) return rows.filter(({ id }) => listed.has(id));
  if (exclude === false || applyViewFilters === undefined) return rows;
  return applyView(table, rows, viewOf(table, applyViewFilters, user));
}

function selectListed(rows: Row[], list: string): Row[] {
  const parts = /^\s*(!?)\s*(\d+(?:\s*,\s*\d+)*)\s*$/.exec(list);
  if (!parts) throw refused('invalid filterRowIds: neither a json object nor a list of ids');
  const ids = new Set((parts[2] ?? '').split(',').map((id) => id.trim()));
  return rows.filter(({ id }) => ids.has(id) !== (parts[1] === '!'));
}

function readJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    throw refused('invalid filterRowIds: not json');
  }
}

function rowIdsOf(value: unknown): Set<string> | undefined {
  if (value === undefined) return undefined;
  const ids = Array.isArray(value) ? value.map(String) : [''];
  if (ids.some((id) => !/^\d+$/.test(id))) throw refused('invalid filterRowIds: row_ids must be a list of row ids');
  return new Set(ids);
}

/** The view that `applyViewFilters` refers to: a saved one, the last selected one, or one defined for this request. */
function viewOf(table: Table, value: unknown, user: User | undefined): Pick<View, 'filterGroup'> {
  if (value === true) return selectedView(table, user);
  if (typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && /^\d+$/.test(value))) {
    const view = table.views.find(({ id }) => id === String(value));
    if (!view) throw new VendorRefusal(`unknown view ${value}`);
    return view;
  }
  const group = asObject(asObject(value, 'applyViewFilters').filterGroup, 'filterGroup');
  if (group.operator !== 'and' && group.operator !== 'or')
    throw refused('invalid filterGroup: operator must be and or or');
  if (!Array.isArray(group.filters)) throw refused('invalid filterGroup: filters must be a list');
  return { filterGroup: { id: '0', operator: group.operator, filters: group.filters.map(madeUpFilter) } };
}

function madeUpFilter(value: unknown): Filter {
  const filter = asObject(value, 'filters');
  const { predicate, operand } = asObject(filter.json, 'filters json');
  if (filter.id === undefined || filter.field_id === undefined || typeof filter.filter_type !== 'string') {
    throw refused('invalid filters: each needs id, field_id, filter_type and json');
  }
  if (typeof predicate !== 'string') throw refused('invalid filters: json needs a predicate');
  return {
    id: String(filter.id),
    field_id: String(filter.field_id),
    filter_type: filter.filter_type,
    json: { predicate, operand: String(operand ?? '') },
  };
}

/** The view that a user last selected in a table; otherwise its first. */
export function selectedView(table: Table, user: User | undefined): View {
  const id = user?.selectedViews[table.id];
  const view = table.views.find((candidate) => candidate.id === id) ?? table.views[0];
  if (!view) throw new VendorRefusal(`category ${table.id} has no view`);
  return view;
}

/** Rows filtered and ordered by a view. */
export function applyView(table: Table, rows: Row[], view: Pick<View, 'filterGroup'>): Row[] {
  const group = view.filterGroup;
  if (!group) return rows;
  const isOrder = ({ json }: Filter) => json.predicate === 'asc' || json.predicate === 'desc';
  const tests = group.filters.filter((filter) => !isOrder(filter)).map((filter) => test(table, filter));
  const passes = (row: Row) =>
    tests.length === 0 ||
    (group.operator === 'and' ? tests.every((check) => check(row)) : tests.some((check) => check(row)));
  const kept = rows.filter(passes);
  // The first order has precedence, and sorting is stable: so the last is applied first.
  for (const filter of group.filters.filter(isOrder).reverse()) sortBy(table, kept, filter);
  return kept;
}

/** Only `contains`, `is` and `desc` were seen in public; the others are inferred from them. */
function test(table: Table, { field_id, json }: Filter): (row: Row) => boolean {
  checkField(table, field_id);
  const operand = json.operand.toLowerCase();
  const text = (row: Row) => cellText(row.values[field_id]).toLowerCase();
  switch (json.predicate) {
    case 'is':
      return (row) => text(row) === operand;
    case 'isnot':
      return (row) => text(row) !== operand;
    case 'contains':
      return (row) => text(row).includes(operand);
    case 'notcontains':
      return (row) => !text(row).includes(operand);
    default:
      throw refused(`invalid filters: unknown predicate ${json.predicate}`);
  }
}

function sortBy(table: Table, rows: Row[], { field_id, json }: Filter): void {
  checkField(table, field_id);
  const numbers = table.fields.find(({ id }) => id === field_id)?.type === 'number';
  const text = (row: Row) => cellText(row.values[field_id]);
  const compare = (a: Row, b: Row) =>
    numbers ? Number(text(a)) - Number(text(b)) : text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
  rows.sort((a, b) => (json.predicate === 'desc' ? compare(b, a) : compare(a, b)));
}

function checkField(table: Table, fieldId: string): void {
  if (!table.fields.some(({ id }) => id === fieldId))
    throw new VendorRefusal(`field ${fieldId} is not in category ${table.id}`);
}
