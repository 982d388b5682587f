import type { TimetonicCall } from '../connection.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { readWholeTable, type TableRows } from './whole-table.ts';

/** What a table shows of a row that may have been written; `unclear` where it cannot be determined. */
export type Trace = 'made' | 'missing' | 'unclear';

type Values = Readonly<Record<string, unknown>>;

/**
 * Looks for new rows whose write may have stopped in the middle. A row is recognised by its texts and numbers, which TimeTonic stores as
 * they are; links, dates and files are not compared. Where more rows look alike than were written, or their table cannot be read, it is
 * unclear.
 */
export async function tracesOf(
  call: TimetonicCall,
  { b_o, b_c }: Readonly<Record<string, string>>,
  rows: readonly Values[],
): Promise<Trace[]> {
  const fieldIds = new Set(rows.flatMap((row) => Object.keys(row)));
  let stored: TableRows | undefined;
  try {
    const tableId = b_o === undefined || b_c === undefined ? undefined : await tableWith(call, { b_o, b_c }, fieldIds);
    stored = tableId === undefined ? undefined : await readWholeTable(call, tableId);
  } catch {
    // If the table cannot be read, the outcome stays unclear. The caller reports the failure of the write.
  }
  if (!stored) return rows.map(() => 'unclear');
  const isPlain = plainFields(stored);
  const keys = rows.map((row) => {
    const fields = Object.keys(row).filter((field) => isPlain(field) && plain(row[field]) !== undefined);
    return fields.length === 0 ? undefined : fields.sort().map((field) => [field, plain(row[field])] as const);
  });
  const left = new Map<string, number>();
  return keys.map((key) => {
    if (key === undefined) return 'unclear';
    const name = JSON.stringify(key);
    const wanted = keys.filter((other) => JSON.stringify(other) === name).length;
    const found = Object.values(stored).filter((row) =>
      key.every(([field, value]) => plain(row[field]) === value),
    ).length;
    if (found > wanted) return 'unclear';
    const rest = left.get(name) ?? found;
    left.set(name, rest - 1);
    return rest > 0 ? 'made' : 'missing';
  });
}

/** The id of the only table of a book that has all of these fields. */
async function tableWith(
  call: TimetonicCall,
  book: { b_o: string; b_c: string },
  fieldIds: ReadonlySet<string>,
): Promise<string | undefined> {
  const fields = { ...book, includeFields: 'true' };
  const body = await sessionRequest(call, { req: 'getBookTables', fields, effect: 'read' });
  const { categories = [] } = (body.bookTables ?? {}) as {
    categories?: { id?: unknown; fields?: { id?: unknown }[] }[];
  };
  const holding = categories.filter(({ fields: columns = [] }) => {
    const ids = new Set(columns.map(({ id }) => String(id)));
    return [...fieldIds].every((id) => ids.has(id));
  });
  return holding.length === 1 ? String(holding[0]?.id) : undefined;
}

/** Fields whose cells hold texts and numbers alone. */
function plainFields(stored: TableRows): (field: string) => boolean {
  const others = new Set(
    Object.values(stored).flatMap((row) =>
      Object.entries(row).flatMap(([field, value]) => (value !== null && typeof value === 'object' ? [field] : [])),
    ),
  );
  return (field) => !others.has(field);
}

/** A text or number in one form; undefined for everything that TimeTonic may store in another form. */
function plain(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value).trim().normalize();
  if (text === '' || /^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  return /^-?\d+(?:\.\d+)?$/.test(text) && text.length < 16 ? String(Number(text)) : text;
}
