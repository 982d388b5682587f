import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { type ErrorCode, GatewayError, undefinedIfNotFound } from '../../../core/errors.ts';
import type { FoundEvent } from '../../../core/event-type.ts';
import { parseJson } from '../../../core/json.ts';
import type { TimetonicCall } from '../connection.ts';
import { maxRows } from '../rows/overlapping-pages.ts';
import { normalized } from '../rows/read-all.ts';
import { readWholeTable, type TableRows } from '../rows/whole-table.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { authorsOf } from '../writes/own-writes.ts';
import { type Commented, compare, missingRows, type RowChange, type Snapshot } from './snapshot.ts';

/** A table in the cursor: the stamp of its last change, and the location of its snapshot. */
export interface SeenTable {
  stamp: string;
  /** False if it changed in the second in which it was read: then it is read again. */
  settled: boolean;
  /** Absent for a table that was never read. */
  file?: string;
  /** The previous snapshot, which is removed when the next one is written. */
  before?: string;
  /** Epoch milliseconds; files are kept for a month, so an older snapshot is rewritten. */
  writtenAt: number;
  /** The name of a table that cannot be compared, because it could not be read to its end. */
  unread?: string;
}

/** A table of a book, except pivots and the vendor's system tables. */
export interface BookTable {
  id: string;
  name: string;
  stamp: string;
}

const settleMs = 5_000;
/** How TimeTonic may refuse an id that no longer exists. */
const meansUnknownRow: ReadonlySet<ErrorCode> = new Set(['vendor_not_found', 'vendor_bad_request']);
/** The maximum number of rows per request by id. */
const maxRowIds = 500;

/** The tables of a book that contain user rows. */
export async function tablesOf(call: TimetonicCall, b_o: string, b_c: string): Promise<BookTable[]> {
  const body = await sessionRequest(call, { req: 'getBookTables', fields: { b_o, b_c }, effect: 'read' });
  const { categories = [] } = (body.bookTables ?? {}) as { categories?: Record<string, unknown>[] };
  return categories
    .filter(({ pivot_id, pivot_catid, sysFunc }) => !pivot_id && !pivot_catid && !sysFunc)
    .map(({ id, name, lastModified }) => ({
      id: String(id),
      name: String(name ?? ''),
      stamp: String(lastModified ?? ''),
    }));
}

/** The result of a comparison: events, the table's new entry in the cursor, and the kinds of changes, including our own. */
export interface TableReading {
  events: FoundEvent[];
  seen?: SeenTable;
  kinds: ReadonlySet<RowChange['kind']>;
}

/** Compares a table with its snapshot. One that cannot be read to its end produces no events, and is marked as unread. */
export async function compareTable(
  call: TimetonicCall,
  place: { bookOwner: string; bookCode: string },
  table: BookTable,
  seen: SeenTable | undefined,
): Promise<TableReading> {
  const startedAt = call.clock.now();
  // A count costs one call, reading a table that is too large a hundred.
  const isTooLarge = seen?.unread !== undefined && ((await countOf(call, table.id)) ?? 0) > maxRows;
  const read = isTooLarge ? undefined : await readWholeTable(call, table.id);
  if (!read) {
    const { name: unread, stamp } = table;
    return { events: [], kinds: new Set(), seen: { ...seen, stamp, settled: true, writtenAt: startedAt, unread } };
  }
  const before = seen?.file === undefined ? undefined : await readSnapshot(call, seen.file);
  const missing = missingRows(before, read);
  if (missing.length > 0 && Object.keys(read).length === 0 && (await countOf(call, table.id)) !== 0) {
    return { events: [], kinds: new Set(), ...(seen && { seen }) };
  }
  // Rows move between pages during a read: only a row that is not found by its id is deleted.
  const rows = { ...read, ...(await rowsById(call, table.id, missing)) };
  const { snapshot, changes, commented } = compare(before, rows, startedAt);
  const about = { ...place, tableId: table.id, tableName: table.name };
  const events = [
    ...(await rowEvents(call, about, changes, startedAt)),
    ...(await commentEvents(call, about, commented)),
  ];
  const settled = startedAt - modifiedAt(table.stamp) > settleMs;
  return {
    events,
    kinds: new Set(changes.map(({ kind }) => kind)),
    seen: { ...(await writeSnapshot(call, table.id, snapshot, seen)), stamp: table.stamp, settled },
  };
}

/** The existing rows among the given ids. If TimeTonic refuses a list because of one id, each half is requested. */
async function rowsById(call: TimetonicCall, catId: string, rowIds: readonly string[]): Promise<TableRows> {
  const found: Record<string, Readonly<Record<string, unknown>>> = {};
  const ask = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    try {
      const filterRowIds = `{"row_ids":[${ids.join(',')}]}`;
      const fields = { catId, format: 'diff_ready_rows', filterRowIds, maxRows: String(ids.length) };
      const body = normalized(await sessionRequest(call, { req: 'getTableValues', fields, effect: 'read' }));
      const rows = (body.tableValues?.rows ?? {}) as TableRows;
      for (const id of ids) if (rows[id] !== undefined) found[id] = rows[id];
    } catch (error) {
      if (!(error instanceof GatewayError) || !meansUnknownRow.has(error.code)) throw error;
      if (ids.length === 1) return;
      const half = Math.ceil(ids.length / 2);
      await ask(ids.slice(0, half));
      await ask(ids.slice(half));
    }
  };
  for (let at = 0; at < rowIds.length; at += maxRowIds) await ask(rowIds.slice(at, at + maxRowIds));
  return found;
}

/** How many rows a table has; undefined if the answer does not say. A response without rows may be a fault of the vendor. */
async function countOf(call: TimetonicCall, catId: string): Promise<number | undefined> {
  const body = await sessionRequest(call, {
    req: 'computeTableOperation',
    fields: { catId, operation: 'count' },
    effect: 'read',
  });
  const { result } = body as { result?: { count?: unknown } | number };
  const count = Number(typeof result === 'object' ? result?.count : result);
  return Number.isNaN(count) ? undefined : count;
}

async function rowEvents(call: TimetonicCall, about: object, changes: RowChange[], now: number): Promise<FoundEvent[]> {
  const timestamp = new Date(now).toISOString();
  const authors = changes.length === 0 ? [] : await authorsOf(call, changes);
  return changes.map(({ kind, rowId, id, changed, values }, at) => ({
    type: `timetonic.row.${kind}`,
    id,
    timestamp,
    data: {
      ...about,
      rowId,
      ...(kind === 'updated' && { changed }),
      ...(kind !== 'deleted' && { values }),
    },
    by: authors[at],
  }));
}

async function commentEvents(call: TimetonicCall, about: object, commented: Commented[]): Promise<FoundEvent[]> {
  const events: FoundEvent[] = [];
  for (const { rowId, fieldId, after } of commented) {
    const body = await sessionRequest(call, {
      req: 'getTableValueComments',
      fields: { rowId, fieldId },
      effect: 'read',
    });
    const { comments = [] } = (body.data ?? {}) as { comments?: Record<string, unknown>[] };
    for (const { id, m, uc, c, s } of comments) {
      if (BigInt(String(s ?? 0)) <= BigInt(after)) continue;
      const at = typeof c === 'number' ? c * 1000 : call.clock.now();
      events.push({
        type: 'timetonic.comment.created',
        id: String(id),
        timestamp: new Date(at).toISOString(),
        data: { ...about, rowId, fieldId, commentId: String(id), text: String(m ?? ''), user: String(uc ?? '') },
      });
    }
  }
  return events;
}

/** The snapshot of a table; undefined if its file has expired: then the table is read as if for the first time. */
export async function readSnapshot(call: TimetonicCall, file: string): Promise<Snapshot | undefined> {
  const found = await call.files.get(file).catch(undefinedIfNotFound);
  return found && (parseJson(await text(found.stream)) as Snapshot);
}

/** Writes a snapshot under a new name: until the cursor has moved, the old one is valid. */
export async function writeSnapshot(
  call: TimetonicCall,
  tableId: string,
  snapshot: Snapshot,
  seen: SeenTable | undefined,
): Promise<Pick<SeenTable, 'file' | 'before' | 'writtenAt'>> {
  const connection = createHash('sha256').update(call.connection.name).digest('hex').slice(0, 12);
  const file = `events/timetonic/${connection}/${tableId}-${call.random.bytes(9).toString('hex')}`;
  await call.files.put(file, Buffer.from(JSON.stringify(snapshot)), 'application/json');
  if (seen?.before !== undefined) await call.files.remove(seen.before);
  return { file, writtenAt: call.clock.now(), ...(seen?.file !== undefined && { before: seen.file }) };
}

/** The time of a last change, given as seconds or as a UTC date; now if it cannot be parsed. */
function modifiedAt(stamp: string): number {
  if (/^\d+$/.test(stamp)) return Number(stamp) * 1000;
  const at = Date.parse(`${stamp.replace(' ', 'T')}Z`);
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : at;
}
