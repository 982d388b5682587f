const book = { bookOwner: '{{bookOwner}}', bookCode: '{{bookCode}}' };

/** Reads the tables of the book with their fields: writes take field ids, while people know names. */
export const readFields = (more: object = {}) => ({
  name: 'tables',
  call: 'timetonic/{{tables}}/getBookTables',
  input: { ...book, includeFields: true },
  ...more,
});

/** JSONata: the ids of the fields of a table, by name, as `$id`. */
export const fieldIds = (tableInput: string): string =>
  `$id := $merge($steps.tables.output.bookTables.categories[code = {{${tableInput}}}].fields.{name: $string(id)})`;

/** JSONata: an object of cells keyed by field id, from JSONata values by field name. Put it after `fieldIds`. */
export const cells = (values: Readonly<Record<string, string>>): string =>
  `{${Object.entries(values)
    .map(([name, value]) => `$lookup($id, '${name}'): ${value}`)
    .join(', ')}}`;

/** A step that writes one row. TimeTonic's own automations are triggered only if `bypassUrlTrigger` is false. */
export const writeRow = (
  name: string,
  tableInput: string,
  rowId: string,
  values: Readonly<Record<string, string>>,
  more: object = {},
) => ({
  name,
  call: 'timetonic/{{tables}}/createOrUpdateTableRow',
  input: {
    rowId,
    bypassUrlTrigger: true,
    fieldValues: `{% (${fieldIds(tableInput)}; ${cells(values)}) %}`,
  },
  ...more,
});
