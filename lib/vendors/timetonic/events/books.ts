import type { FoundEvent, PollResult } from '../../../core/event-type.ts';
import type { TimetonicCall } from '../connection.ts';
import { budgetOf, pauseFor } from '../wire/budget.ts';
import { exchange } from '../wire/exchange.ts';
import { newMessages } from './messages.ts';
import { lookAtTable, readSnapshot, type SeenTable, tablesOf, writeSnapshot } from './tables.ts';

/** What was seen of a book: its newest message, and whether its tables are still to be looked at. */
interface SeenBook {
  smid: string;
  /** When anything in its tables last changed, as the vendor says. */
  tables: string;
  waiting?: boolean;
}

interface Cursor {
  sstamp: string;
  books: Record<string, SeenBook>;
  /** Tables by `owner/code`, then by id. */
  seen: Record<string, Record<string, SeenTable>>;
}

interface Book {
  b_o?: unknown;
  b_c?: unknown;
  del?: unknown;
  lastMsg?: { smid?: unknown } | null;
  fpForm?: { lastModified?: unknown } | null;
}

/** Tables that are read in one look; the others wait for the next, which follows at once. */
const maxTables = 15;
/** Calls that a look makes when something has changed. */
const callsPerPoll = 3;
/** Snapshots are kept for a month as files; those of quiet tables are written anew before that. */
const renewAfter = 14 * 24 * 60 * 60_000;

/** One request tells whether anything has changed at all; only then messages, lists of tables and changed tables are read. */
export async function pollBooks(given: unknown, call: TimetonicCall, every: number): Promise<PollResult> {
  const cursor = (given ?? undefined) as Cursor | undefined;
  const budget = await budgetOf(call);
  const pause = budget && pauseFor(budget, every, callsPerPoll, call.clock.now());
  if (budget && budget.used >= budget.limit * 0.95)
    return { events: [], cursor: cursor ?? null, nextIn: pause ?? every };

  const fields = cursor ? { sstamp: cursor.sstamp } : {};
  const body = await exchange(call, { req: 'getAllBooks', fields, effect: 'read' });
  const next: Cursor = {
    sstamp: String(body.sstamp ?? cursor?.sstamp ?? '0'),
    books: { ...cursor?.books },
    seen: { ...cursor?.seen },
  };
  const events: FoundEvent[] = [];
  for (const book of ((body.allBooks ?? {}) as { books?: Book[] }).books ?? []) {
    const name = `${String(book.b_o)}/${String(book.b_c)}`;
    if (!isWatched(name, call)) continue;
    if (book.del === true) forget(next, name);
    else events.push(...(await lookAtBook(call, book, name, next)));
  }
  const tables = await lookAtTables(call, next);
  if (!tables.more) await renewOldest(call, next);
  return {
    events: cursor ? [...events, ...tables.events] : [],
    cursor: next,
    ...(tables.more && { more: true }),
    ...(pause !== undefined && pause !== every && !tables.more && { nextIn: pause }),
  };
}

function isWatched(name: string, call: TimetonicCall): boolean {
  const { watchBooks } = call.connection.settings;
  return watchBooks === undefined || watchBooks.includes(name);
}

function forget(cursor: Cursor, name: string): void {
  delete cursor.books[name];
  delete cursor.seen[name];
}

async function lookAtBook(call: TimetonicCall, book: Book, name: string, next: Cursor): Promise<FoundEvent[]> {
  const known = next.books[name];
  const smid = String(book.lastMsg?.smid ?? known?.smid ?? '0');
  const tables = String(book.fpForm?.lastModified ?? '');
  // Stamps of tables have seconds: a change within the second of the last look shows in the book's own stamp alone.
  next.books[name] = { smid: highest(smid, known?.smid ?? '0'), tables, waiting: true };
  if (!known || BigInt(smid) <= BigInt(known.smid)) return [];
  return newMessages(call, String(book.b_o), String(book.b_c), known.smid);
}

/** Looks at the tables of waiting books, and at those that changed while they were read. */
async function lookAtTables(call: TimetonicCall, next: Cursor): Promise<{ events: FoundEvent[]; more: boolean }> {
  const events: FoundEvent[] = [];
  let left = maxTables;
  for (const [name, book] of Object.entries(next.books)) {
    const seen = { ...next.seen[name] };
    const unsettled = Object.values(seen).some(({ settled }) => !settled);
    if (!book.waiting && !unsettled) continue;
    const [bookOwner = '', bookCode = ''] = name.split('/');
    const tables = await tablesOf(call, bookOwner, bookCode);
    let done = true;
    for (const table of tables) {
      const known = seen[table.id];
      if (known?.settled && known.stamp === table.stamp) continue;
      if (left-- <= 0 || call.signal.aborted) {
        done = false;
        break;
      }
      const found = await lookAtTable(call, { bookOwner, bookCode }, table, known);
      events.push(...found.events);
      if (found.seen) seen[table.id] = found.seen;
    }
    next.seen[name] = seen;
    if (!done) return { events, more: true };
    for (const id of Object.keys(seen)) if (!tables.some((table) => table.id === id)) delete seen[id];
    next.books[name] = { smid: book.smid, tables: book.tables };
  }
  return { events, more: false };
}

/** One old snapshot of a quiet table in each look. */
async function renewOldest(call: TimetonicCall, next: Cursor): Promise<void> {
  for (const [name, tables] of Object.entries(next.seen)) {
    for (const [id, seen] of Object.entries(tables)) {
      if (call.clock.now() - seen.writtenAt < renewAfter) continue;
      const snapshot = await readSnapshot(call, seen.file);
      if (!snapshot) continue;
      next.seen[name] = { ...tables, [id]: { ...seen, ...(await writeSnapshot(call, id, snapshot, seen)) } };
      return;
    }
  }
}

function highest(one: string, other: string): string {
  return BigInt(one) > BigInt(other) ? one : other;
}
