import { GatewayError } from '../../../core/errors.ts';
import type { TimetonicCall } from '../connection.ts';

/** A page that TimeTonic answers with 500 is halved down to this size. */
const minPageRows = 8;
/** Smaller pages could not overlap. */
const minFirstPageRows = 16;
/** The limits of one read. */
export const maxRows = 50_000;
const maxCharacters = 20_000_000;

/** One page of a list. */
export interface Page<Body> {
  body: Body;
  ids: string[];
  /** True if the rows have a format other than the requested one. */
  unreadable?: boolean;
  /** Adds the page to the result. */
  keep(): void;
  last: boolean;
}

/** How a list is paged. */
export interface Paging<Body> {
  /** The first row to read, from 0. */
  start: number;
  pageRows: number;
  /** A page of about this many rows that starts at a row, or slightly before it, and extends beyond the rows read so far. */
  place(at: number, rows: number, end: number): { offset: number; rows: number };
  read(offset: number, rows: number): Promise<Page<Body>>;
}

/**
 * Reads from a row until a page is short, a limit is reached or the time is up. A page that is too large is halved. Rows may be
 * deleted while the pages are read, which moves every later row forward. Pages therefore overlap: a page counts only if it
 * contains a row that was read before, and is otherwise read again from further back.
 */
export async function readPages<Body>(
  call: TimetonicCall,
  { start, pageRows, place, read }: Paging<Body>,
): Promise<{ first: Body; rowCount: number; next?: number }> {
  const known = new Set<string>();
  let first: Body | undefined;
  let rows = Math.max(pageRows, minFirstPageRows);
  let [end, overlap, characters] = [start, 0, 0];
  for (;;) {
    const wanted = first === undefined ? { offset: start, rows } : place(Math.max(start, end - overlap), rows, end);
    let page: Page<Body>;
    try {
      page = await read(wanted.offset, wanted.rows);
    } catch (error) {
      if (first !== undefined && call.signal.aborted) return { first, rowCount: known.size, next: end };
      const half = Math.floor(rows / 2);
      if (!isTooMuch(error) || half < minPageRows) throw error;
      rows = half;
      continue;
    }
    if (!page.unreadable && wanted.offset > start && !page.ids.some((id) => known.has(id))) {
      overlap *= 2;
      continue;
    }
    first ??= page.body;
    page.keep();
    const before = known.size;
    for (const id of page.ids) known.add(id);
    end = wanted.offset + page.ids.length;
    overlap = Math.max(1, Math.min(16, Math.floor(rows / 8)));
    characters += JSON.stringify(page.body).length;
    await call.progress?.(known.size, known.size);
    if (page.last && !page.unreadable) return { first, rowCount: known.size };
    // A server that ignores the offset returns the same page endlessly.
    const stuck = page.unreadable || known.size === before;
    if (stuck || known.size >= maxRows || characters >= maxCharacters)
      return { first, rowCount: known.size, next: end };
  }
}

/**
 * A page in numbered paging: it can start only at a multiple of its size, so the size is chosen with which it starts at or before
 * the row and extends furthest.
 */
export function countedPage(at: number, rows: number, end: number): { offset: number; rows: number } {
  const reaching = (from: number, to: number) => {
    let best = { offset: 0, rows: to };
    for (let size = to; size >= from; size--) {
      const offset = Math.floor(at / size) * size;
      if (offset + size > best.offset + best.rows) best = { offset, rows: size };
    }
    return best;
  };
  const best = reaching(Math.ceil(rows / 2), rows);
  return best.offset + best.rows > end ? best : reaching(rows + 1, 2 * rows);
}

function isTooMuch(error: unknown): boolean {
  return error instanceof GatewayError && error.vendorCode === '500' && error.code === 'vendor_failed';
}
