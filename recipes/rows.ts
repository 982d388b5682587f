const book = { bookOwner: '{{bookOwner}}', bookCode: '{{bookCode}}' };

/** Reads the tables of the book with their fields: writes take field ids, while people know names. */
export const readFields = (more: object = {}) => ({
  name: 'tables',
  call: 'timetonic/{{tables}}/getBookTables',
  input: { ...book, includeFields: true },
  ...more,
});

/** Reads all rows of a table, or those that `filter` names, with its fields. */
export const readRows = (name: string, tableInput: string, more: object = {}, filter?: string) => ({
  name,
  call: 'timetonic/{{tables}}/getNamedTableValues',
  input: {
    ...book,
    tableCode: `{{${tableInput}}}`,
    format: 'rows',
    all: true,
    ...(filter !== undefined && { filterRowIds: filter }),
  },
  ...more,
});

/** JSONata: an object with the id of each field by name, from a step of `readFields`. */
export const fieldIds = (tableInput: string): string =>
  `$merge($steps.tables.output.bookTables.categories[code = {{${tableInput}}}].fields.{name: $string(id)})`;

/** The same, from a step of `readRows`. */
export const fieldIdsRead = (step: string): string =>
  `$merge($steps.${step}.output.tableValues.fields.{name: $string(id)})`;

/** JSONata: `$field(name)` gives the id of a field, from an object of ids by name. A missing field fails by name. */
export const fieldFrom = (ids: string): string =>
  `$ids := ${ids}; $field := function($name) {
    $exists($lookup($ids, $name)) ? $lookup($ids, $name) : $error('The table has no field ' & $name)}`;

/** JSONata: an object of cells keyed by field id, from JSONata values by field name. Put it after `fieldFrom`. */
export const cells = (values: Readonly<Record<string, string>>): string =>
  `{${Object.entries(values)
    .map(([name, value]) => `$field('${name}'): ${value}`)
    .join(', ')}}`;

/** JSONata: a time in epoch milliseconds as the text of a date cell, in UTC. */
export const dateCell = (millis: string): string => `$fromMillis(${millis}, '[Y0001]-[M01]-[D01] [H01]:[m01]:[s01]')`;

/**
 * A step that writes one row, with the field ids that a JSONata expression gives. TimeTonic's own automations are triggered only
 * if `bypassUrlTrigger` is false.
 */
export const writeRowWith = (
  name: string,
  ids: string,
  rowId: string,
  values: Readonly<Record<string, string>>,
  more: object = {},
) => ({
  name,
  call: 'timetonic/{{tables}}/createOrUpdateTableRow',
  input: { rowId, bypassUrlTrigger: true, fieldValues: `{% (${fieldFrom(ids)}; ${cells(values)}) %}` },
  ...more,
});

/**
 * JSONata: an object of cells by row id, for `writeRows`. `rowId` and the values are JSONata over an item of the list, which is also
 * `$one`.
 */
export const rowsOf = (ids: string, list: string, rowId: string, values: Readonly<Record<string, string>>): string => {
  const columns = Object.keys(values);
  return `(
  ${fieldFrom(ids)};
  ${columns.map((name, at) => `$column${at} := $field('${name}');`).join(' ')}
  $merge(${list}.($one := $; {${rowId}: {${columns.map((name, at) => `$column${at}: ${values[name]}`).join(', ')}}}))
)`;
};

/**
 * A step that writes many rows, an object of cells by row id. The book lets it complete what a deadlock of TimeTonic has left
 * half done.
 */
export const writeRows = (name: string, rows: string, more: object = {}) => ({
  name,
  call: 'timetonic/{{tables}}/createOrUpdateTableRows',
  input: { ...book, bypassUrlTrigger: true, rows: `{% ${rows} %}` },
  ...more,
});

/** A step that writes one row of a table; put it after `readFields`. */
export const writeRow = (
  name: string,
  tableInput: string,
  rowId: string,
  values: Readonly<Record<string, string>>,
  more: object = {},
) => writeRowWith(name, fieldIds(tableInput), rowId, values, more);
