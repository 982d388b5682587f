import { isRecord } from '../../../core/record.ts';

/** A value or a row of a response; its shape is not checked. */
type Entry = { id?: unknown } | null;
type Field = { id?: unknown; values?: Entry[] };

/** Values of a table in one of the vendor's three formats. */
export interface TableValues {
  /** `columns` and `rows`; in `columns` each contains its values. */
  fields?: Field[];
  /** `rows` is a list, `diff_ready_rows` a map by row id. */
  rows?: Entry[] | Record<string, unknown> | null;
  rowInfos?: Record<string, unknown> | unknown[];
  [field: string]: unknown;
}

/** Whether a response contains its rows in one of the three formats. */
export function hasRows(values: TableValues | undefined): boolean {
  return Array.isArray(values?.rows) || isRecord(values?.rows) || Array.isArray(values?.fields);
}

/** The keys of a response's rows in any format: their ids, or the position of a row without one. */
export function rowIdsOf({ fields, rows }: TableValues, offset: number): string[] {
  if (isRecord(rows)) return Object.keys(rows);
  const columns = listOf<Field>(fields).map((field) => listOf<Entry>(field?.values));
  const longest = columns.reduce((one, other) => (other.length > one.length ? other : one), []);
  return (Array.isArray(rows) ? rows : longest).map((entry, at) => rowName(entry?.id, offset + at));
}

/** Identifies a row while pages are read. */
export function rowName(id: unknown, place: number): string {
  return id === undefined ? `at ${place}` : String(id);
}

/** Joins two pages; a row on both appears once, as in the later page. */
export function joinValues(one: TableValues, other: TableValues): TableValues {
  const joined: TableValues = { ...one };
  if (Array.isArray(one.rows)) joined.rows = unique([...one.rows, ...listOf<Entry>(other.rows)]);
  else if (isRecord(one.rows)) joined.rows = { ...one.rows, ...(isRecord(other.rows) && other.rows) };
  else if (Array.isArray(one.fields)) joined.fields = one.fields.map((field) => joinField(field, other));
  if (isRecord(one.rowInfos) || isRecord(other.rowInfos)) {
    joined.rowInfos = { ...(isRecord(one.rowInfos) && one.rowInfos), ...(isRecord(other.rowInfos) && other.rowInfos) };
    if (typeof one.rowInfosLength === 'number') joined.rowInfosLength = Object.keys(joined.rowInfos).length;
  }
  return joined;
}

function joinField(field: Field, other: TableValues): Field {
  const same = listOf<Field>(other.fields).find((each) => each?.id === field?.id);
  return { ...field, values: unique([...listOf<Entry>(field?.values), ...listOf<Entry>(same?.values)]) };
}

/** An entry without an id is kept: only an id shows that two entries are the same. */
function unique(items: Entry[]): Entry[] {
  return [...new Map(items.map((item, at) => [rowName(item?.id, at), item])).values()];
}

function listOf<T>(value: unknown): T[] {
  return Array.isArray(value) ? value : [];
}
