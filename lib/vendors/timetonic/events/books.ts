import type { FoundEvent, PollResult } from '../../../core/event-type.ts';
import type { TimetonicCall } from '../connection.ts';
import { maxRows } from '../rows/overlapping-pages.ts';
import { sessionRequest } from '../wire/session-request.ts';
import { newMessages } from './messages.ts';
import {
  type BookTable,
  compareTable,
  readSnapshot,
  type SeenTable,
  type TableReading,
  tablesOf,
  writeSnapshot,
} from './tables.ts';

/** A book in the cursor. Times are epoch milliseconds. */
interface SeenBook {
  smid: string;
  /** `changed` since its tables were compared, or `reading` them over several polls. */
  tables?: 'changed' | 'reading';
  /** The last change included a message. */
  messaged?: boolean;
  /** When every table is to be read next, regardless of its stamp. */
  readAllAt?: number;
  /** When every table was last read. */
  allReadAt?: number;
}

interface Cursor {
  sstamp: string;
  books: Record<string, SeenBook>;
  /** Tables by `owner/code`, then by id. */
  seen: Record<string, Record<string, SeenTable>>;
  /**
   * Whether a table's stamp moves when values change. TimeTonic does not document it; the first value change that is found shows
   * it. Until then, and if the stamp does not move, a change of the book causes all of its tables to be read.
   */
  stamps?: 'move' | 'stay';
}

interface Book {
  b_o?: unknown;
  b_c?: unknown;
  del?: unknown;
  lastMsg?: { smid?: unknown } | null;
}

/** The number of tables read in one poll; the others wait for the next, which follows immediately. */
const maxTables = 15;
/** Snapshots are kept as files for a month; those of quiet tables are rewritten before that. */
const renewAfterMs = 14 * 24 * 60 * 60_000;
/** While it is unknown whether stamps move, a book whose change is explained by a message has its tables read at this interval. */
const readAllEveryMs = 15 * 60_000;

/** One request shows whether anything has changed; only then are messages, table lists and changed tables read. */
export async function pollBooks(given: unknown, call: TimetonicCall): Promise<PollResult> {
  const cursor = (given ?? undefined) as Cursor | undefined;
  const fields = cursor ? { sstamp: cursor.sstamp } : {};
  const body = await sessionRequest(call, { req: 'getAllBooks', fields, effect: 'read' });
  const next: Cursor = {
    sstamp: String(body.sstamp ?? cursor?.sstamp ?? '0'),
    books: { ...cursor?.books },
    seen: { ...cursor?.seen },
    ...(cursor?.stamps && { stamps: cursor.stamps }),
  };
  const events: FoundEvent[] = [];
  for (const book of ((body.allBooks ?? {}) as { books?: Book[] }).books ?? []) {
    const name = `${String(book.b_o)}/${String(book.b_c)}`;
    if (!isWatched(name, call)) continue;
    if (book.del === true) forget(next, name);
    else events.push(...(await readBook(call, book, name, next)));
  }
  const tables = await readTables(call, next);
  if (!tables.more) await renewOldest(call, next);
  return {
    events: cursor ? [...events, ...tables.events] : [],
    cursor: next,
    problem: problemOf(next),
    ...(tables.more && { more: true }),
  };
}

/** The tables without events, as a sentence. */
function problemOf({ seen }: Cursor): string | undefined {
  const names = Object.values(seen)
    .flatMap((tables) => Object.entries(tables))
    .flatMap(([id, { unread }]) => (unread === undefined ? [] : [`${unread} (${id})`]))
    .sort();
  if (names.length === 0) return undefined;
  const tables = names.length === 1 ? 'the table' : 'the tables';
  return `No events come from ${tables} ${names.join(', ')}: more than ${maxRows} rows or 20 MB, or not readable within one poll.`;
}

function isWatched(name: string, call: TimetonicCall): boolean {
  const { watchBooks } = call.connection.settings;
  return watchBooks === undefined || watchBooks.includes(name);
}

function forget(cursor: Cursor, name: string): void {
  delete cursor.books[name];
  delete cursor.seen[name];
}

/** Records that a book has changed, and finds its new messages. */
async function readBook(call: TimetonicCall, book: Book, name: string, next: Cursor): Promise<FoundEvent[]> {
  const known = next.books[name];
  const before = known?.smid ?? '0';
  const smid = String(book.lastMsg?.smid ?? before);
  const messaged = BigInt(smid) > BigInt(before);
  const { messaged: _, ...rest } = known ?? { allReadAt: call.clock.now() };
  next.books[name] = { ...rest, smid: messaged ? smid : before, tables: 'changed', ...(messaged && { messaged }) };
  return known && messaged ? newMessages(call, String(book.b_o), String(book.b_c), before) : [];
}

/** Reads the tables of books that have changed, and those that changed in the second in which they were read. */
async function readTables(call: TimetonicCall, next: Cursor): Promise<{ events: FoundEvent[]; more: boolean }> {
  const events: FoundEvent[] = [];
  const now = call.clock.now();
  let left = maxTables;
  for (const [name, book] of Object.entries(next.books)) {
    const seen = { ...next.seen[name] };
    const isUnsettled = Object.values(seen).some(({ settled }) => !settled);
    const isOwed = book.readAllAt !== undefined && book.readAllAt <= now;
    if (!book.tables && !isUnsettled && !isOwed) continue;
    const [bookOwner = '', bookCode = ''] = name.split('/');
    const tables = await tablesOf(call, bookOwner, bookCode);
    const hasMoved = (table: BookTable) => seen[table.id] !== undefined && seen[table.id]?.stamp !== table.stamp;
    const readAllAt = readAllTime(book, next.stamps, tables.some(hasMoved), now);
    const readAll = readAllAt !== undefined && readAllAt <= now;
    let done = true;
    for (const table of tables) {
      const known = seen[table.id];
      const isRead = !readAll || (known?.writtenAt ?? 0) >= readAllAt;
      if (known?.settled && !hasMoved(table) && isRead) continue;
      if (left-- <= 0 || call.signal.aborted) {
        done = false;
        break;
      }
      const moved = hasMoved(table);
      const found = await compareTable(call, { bookOwner, bookCode }, table, known);
      events.push(...found.events);
      if (found.seen) seen[table.id] = found.seen;
      if (known?.settled) learn(next, moved, found);
    }
    next.seen[name] = seen;
    const { tables: _, readAllAt: __, ...rest } = book;
    if (!done) {
      next.books[name] = { ...rest, tables: 'reading', ...(readAllAt !== undefined && { readAllAt }) };
      return { events, more: true };
    }
    for (const id of Object.keys(seen)) if (!tables.some((table) => table.id === id)) delete seen[id];
    const owed = readAllAt !== undefined && !readAll && next.stamps !== 'move';
    next.books[name] = { ...rest, ...(owed && { readAllAt }), ...(readAll && { allReadAt: now }) };
  }
  return { events, more: false };
}

/** When all tables of a book are to be read regardless of their stamps; undefined if the stamps are sufficient. */
function readAllTime(book: SeenBook, stamps: Cursor['stamps'], moved: boolean, now: number): number | undefined {
  if (stamps === 'move' || book.tables !== 'changed') return book.readAllAt;
  const explained = stamps === undefined && (moved || book.messaged === true);
  const at = explained ? Math.max(now, (book.allReadAt ?? 0) + readAllEveryMs) : now;
  return Math.min(at, book.readAllAt ?? at);
}

/** Learns from a table change whether stamps move with values. */
function learn(cursor: Cursor, moved: boolean, { kinds }: TableReading): void {
  if (cursor.stamps !== undefined) return;
  if (moved && kinds.has('updated')) cursor.stamps = 'move';
  else if (!moved && kinds.size > 0) cursor.stamps = 'stay';
}

/** Rewrites one old snapshot of a quiet table in each poll. */
async function renewOldest(call: TimetonicCall, next: Cursor): Promise<void> {
  for (const [name, tables] of Object.entries(next.seen)) {
    for (const [id, seen] of Object.entries(tables)) {
      if (call.clock.now() - seen.writtenAt < renewAfterMs) continue;
      const snapshot = seen.file === undefined ? undefined : await readSnapshot(call, seen.file);
      if (!snapshot) continue;
      next.seen[name] = { ...tables, [id]: { ...seen, ...(await writeSnapshot(call, id, snapshot, seen)) } };
      return;
    }
  }
}
