/** Values of a table in one of the vendor's three formats. */
export interface TableValues {
  /** `columns` and `rows`; in `columns` each holds its values. */
  fields?: { id: unknown; values?: { id: unknown }[] }[];
  /** `rows` a list, `diff_ready_rows` a map by row id. */
  rows?: { id: unknown }[] | Record<string, unknown>;
  rowInfos?: Record<string, unknown> | unknown[];
  [field: string]: unknown;
}

/** The ids of an answer's rows, whichever its format. */
export function rowIdsOf({ fields = [], rows }: TableValues): string[] {
  if (Array.isArray(rows)) return rows.map(({ id }) => String(id));
  if (rows !== undefined) return Object.keys(rows);
  const columns = fields.map(({ values = [] }) => values);
  const longest = columns.reduce((one, other) => (other.length > one.length ? other : one), []);
  return longest.map(({ id }) => String(id));
}

/** Joins two pages; a row that is on both is there once, as the later page has it. */
export function joinValues(one: TableValues, other: TableValues): TableValues {
  const joined: TableValues = { ...one };
  if (Array.isArray(one.rows)) joined.rows = unique([...one.rows, ...(Array.isArray(other.rows) ? other.rows : [])]);
  else if (one.rows !== undefined) joined.rows = { ...one.rows, ...(Array.isArray(other.rows) ? {} : other.rows) };
  else if (one.fields) joined.fields = one.fields.map((field) => joinField(field, other));
  if (isMap(one.rowInfos) || isMap(other.rowInfos)) {
    joined.rowInfos = { ...(isMap(one.rowInfos) && one.rowInfos), ...(isMap(other.rowInfos) && other.rowInfos) };
    if (typeof one.rowInfosLength === 'number') joined.rowInfosLength = Object.keys(joined.rowInfos).length;
  }
  return joined;
}

function joinField(field: NonNullable<TableValues['fields']>[number], other: TableValues) {
  const more = other.fields?.find(({ id }) => id === field.id)?.values ?? [];
  return { ...field, values: unique([...(field.values ?? []), ...more]) };
}

function unique<T extends { id: unknown }>(items: T[]): T[] {
  return [...new Map(items.map((item) => [String(item.id), item])).values()];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
