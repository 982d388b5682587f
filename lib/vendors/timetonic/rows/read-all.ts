import type * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import type { SendCall } from '../../../core/operation.ts';
import type { TimetonicCall } from '../connection.ts';
import type { pivotValues, tableRows, tableValues } from '../shapes.ts';
import type { TimetonicRequest } from '../wire/send.ts';
import { joinValues, rowCountOf, type TableValues } from './table-pages.ts';

type Send = SendCall<TimetonicRequest>;
type Ok = { status: 'ok'; [field: string]: unknown };
/** What the operations' own schemas, which check every answer, take. */
type ValuesAnswer = z.input<ReturnType<typeof tableValues>>;
type RowsAnswer = z.input<ReturnType<typeof tableRows>>;

/** Rows of a page to begin with: it is halved while TimeTonic answers 500. */
const firstPage = 512;
const smallestPage = 8;
/** What one reading holds at the most. */
const maxRows = 50_000;
const maxCharacters = 20_000_000;

interface ValuesInput {
  all?: boolean | undefined;
  offset?: number | undefined;
  maxRows?: number | undefined;
  getAllViews?: boolean | undefined;
  [field: string]: unknown;
}

/** Reads values once or, with `all`, page after page until a page is short: totals are not to be trusted. */
export async function readAllValues(
  request: TimetonicRequest,
  { all, ...input }: ValuesInput,
  send: Send,
  call: TimetonicCall,
): Promise<ValuesAnswer> {
  if (all !== true) return tidied((await send(request, input)) as Ok & { tableValues: TableValues }) as ValuesAnswer;
  const { offset = 0, maxRows } = input;
  let joined: TableValues | undefined;
  const { first, rowCount, next } = await readPages(call, maxRows ?? firstPage, offset, async (at, size) => {
    const body = tidied(
      (await send(request, { ...input, offset: at, maxRows: size })) as Ok & { tableValues: TableValues },
    );
    const rows = rowCountOf(body.tableValues);
    joined = joined ? joinValues(joined, body.tableValues) : body.tableValues;
    // With all views every row comes at once, whatever the page.
    return { body, rows, last: input.getAllViews === true || rows < size };
  });
  const whole = { ...first, tableValues: joined ?? first.tableValues };
  return { ...whole, ...ending(rowCount, next, (at) => ({ offset: at })) } as ValuesAnswer;
}

interface RowsInput {
  all?: boolean | undefined;
  page?: number | undefined;
  pageSize?: number | undefined;
  [field: string]: unknown;
}

/** The same for whole rows, whose pages are counted from 1. */
export async function readAllRows({ all, ...input }: RowsInput, send: Send, call: TimetonicCall): Promise<RowsAnswer> {
  if (all !== true) return (await send('req=getTableRows', input)) as RowsAnswer;
  const size = input.pageSize ?? firstPage;
  const rows = new Map<string, Record<string, unknown>>();
  const { first, rowCount, next } = await readPages(
    call,
    size,
    ((input.page ?? 1) - 1) * size,
    async (at, pageSize) => {
      const body = (await send('req=getTableRows', {
        ...input,
        pageSize,
        page: Math.floor(at / pageSize) + 1,
      })) as Ok & { rows: Record<string, unknown>[] };
      for (const row of body.rows) rows.set(String(row.id), row);
      return { body, rows: body.rows.length, last: body.rows.length < pageSize };
    },
  );
  return {
    ...first,
    rows: [...rows.values()],
    ...ending(rowCount, next, (at) => ({ page: Math.floor(at / size) + 1, pageSize: size })),
  };
}

/** The request whose name the document lost goes by the one that the connection's settings know. */
export async function readPivot(
  input: object,
  send: Send,
  call: TimetonicCall,
): Promise<z.input<ReturnType<typeof pivotValues>>> {
  const name = call.connection.settings.pivotRequest ?? 'getPivotValues';
  return (await send(`req=${name}`, { ...input })) as Ok;
}

interface Page<Body> {
  body: Body;
  rows: number;
  last: boolean;
}

/** Reads on from a row until a page is short, a limit is reached or the time is up. A page that is too much is halved. */
async function readPages<Body>(
  call: TimetonicCall,
  size: number,
  start: number,
  read: (at: number, size: number) => Promise<Page<Body>>,
): Promise<{ first: Body; rowCount: number; next?: number }> {
  let first: Body | undefined;
  let [at, pageSize, characters] = [start, size, 0];
  for (;;) {
    let page: Page<Body>;
    try {
      page = await read(at, pageSize);
    } catch (error) {
      if (first !== undefined && call.signal.aborted) return { first, rowCount: at - start, next: at };
      const smaller = Math.floor(pageSize / 2);
      // Only an even page can be halved without losing the place in pages that are counted.
      if (!isTooMuch(error) || smaller < smallestPage || pageSize % 2 === 1) throw error;
      pageSize = smaller;
      continue;
    }
    first ??= page.body;
    at += page.rows;
    characters += JSON.stringify(page.body).length;
    await call.progress?.(at - start, at - start);
    if (page.last) return { first, rowCount: at - start };
    if (at - start >= maxRows || characters >= maxCharacters) return { first, rowCount: at - start, next: at };
  }
}

function ending(rowCount: number, next: number | undefined, place: (at: number) => Record<string, number>) {
  if (next === undefined) return { complete: true, rowCount };
  const warning = 'The limits of one reading were reached; ask for the rest with what stands in next.';
  return { complete: false, rowCount, next: place(next), warning };
}

function isTooMuch(error: unknown): boolean {
  return error instanceof GatewayError && error.vendorCode === '500' && error.code === 'vendor_failed';
}

/** Maps that PHP wrote as empty lists are maps again. */
function tidied<B extends { tableValues: TableValues }>(body: B): B {
  const { tableValues } = body;
  const { fields, rows } = tableValues ?? {};
  if (fields === undefined && Array.isArray(rows) && rows.length === 0)
    return { ...body, tableValues: { ...tableValues, rows: {} } };
  return body;
}
