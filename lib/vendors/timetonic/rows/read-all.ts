import type * as z from 'zod/mini';
import { GatewayError } from '../../../core/errors.ts';
import type { SendCall } from '../../../core/operation.ts';
import type { TimetonicCall } from '../connection.ts';
import type { pivotValues, tableRows, tableValues } from '../shapes.ts';
import type { TimetonicRequest } from '../wire/send.ts';
import { countedPage, readPages } from './overlapping-pages.ts';
import { joinValues, rowIdsOf, type TableValues } from './table-pages.ts';

type Send = SendCall<TimetonicRequest>;
type Ok = { status: 'ok'; [field: string]: unknown };
/** What the operations' own schemas, which check every answer, take. */
type ValuesAnswer = z.input<ReturnType<typeof tableValues>>;
type RowsAnswer = z.input<ReturnType<typeof tableRows>>;

/** Rows of a page to begin with: it is halved while TimeTonic answers 500. */
const firstPageRows = 512;

interface ValuesInput {
  all?: boolean | undefined;
  offset?: number | undefined;
  maxRows?: number | undefined;
  getAllViews?: boolean | undefined;
  [field: string]: unknown;
}

/** Reads values once or, with `all`, page after page until a page is short: TimeTonic's totals ignore filters. */
export async function readAllValues(
  request: TimetonicRequest,
  { all, ...input }: ValuesInput,
  send: Send,
  call: TimetonicCall,
): Promise<ValuesAnswer> {
  if (all !== true)
    return normalized((await send(request, input)) as object as Record<string, unknown>) as ValuesAnswer;
  const { offset = 0, maxRows } = input;
  let joined: TableValues | undefined;
  const { first, rowCount, next } = await readPages(call, {
    start: offset,
    pageRows: maxRows ?? firstPageRows,
    place: (at, rows) => ({ offset: at, rows }),
    read: async (at, rows) => {
      const body = normalized((await send(request, { ...input, offset: at, maxRows: rows })) as Ok);
      if (body.tableValues === undefined) throw malformed('table values');
      const rowIds = rowIdsOf(body.tableValues);
      return {
        body,
        ids: rowIds,
        keep: () => {
          joined = joined ? joinValues(joined, body.tableValues ?? {}) : body.tableValues;
        },
        // With all views every row comes at once, whatever the page.
        last: input.getAllViews === true || rowIds.length < rows,
      };
    },
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
  const pageRows = input.pageSize ?? firstPageRows;
  const rows = new Map<string, Record<string, unknown>>();
  const { first, rowCount, next } = await readPages(call, {
    start: ((input.page ?? 1) - 1) * pageRows,
    pageRows,
    place: countedPage,
    read: async (at, pageSize) => {
      const page = Math.floor(at / pageSize) + 1;
      const body = (await send('req=getTableRows', { ...input, pageSize, page })) as Ok & {
        rows?: Record<string, unknown>[];
      };
      if (!Array.isArray(body.rows)) throw malformed('rows');
      const found = body.rows.map((row) => [String(row.id), row] as const);
      return {
        body,
        ids: found.map(([id]) => id),
        keep: () => {
          for (const [id, row] of found) rows.set(id, row);
        },
        last: found.length < pageSize,
      };
    },
  });
  return {
    ...first,
    rows: [...rows.values()],
    ...ending(rowCount, next, (at) => ({ page: Math.floor(at / pageRows) + 1, pageSize: pageRows })),
  } as RowsAnswer;
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

function ending(rowCount: number, next: number | undefined, place: (at: number) => Record<string, number>) {
  if (next === undefined) return { complete: true, rowCount };
  const warning = 'The limits of one reading were reached; ask for the rest with what stands in next.';
  return { complete: false, rowCount, next: place(next), warning };
}

function malformed(what: string): GatewayError {
  return new GatewayError('vendor_malformed', `TimeTonic answered without ${what}.`, {
    vendor: 'timetonic',
    retryable: true,
  });
}

/** Values under the name that the server gives them (its document says `values`), with maps that PHP wrote as lists as maps. */
export function normalized({ values, ...body }: Record<string, unknown>): Ok & { tableValues?: TableValues } {
  // Both names hold the same; what neither fits is passed on as it came.
  const found = (body.tableValues ?? values) as TableValues | undefined;
  if (found === null || typeof found !== 'object') return { ...body, ...(values !== undefined && { values }) } as Ok;
  const { fields, rows } = found;
  const isEmptyMap = fields === undefined && Array.isArray(rows) && rows.length === 0;
  return { ...body, status: 'ok', tableValues: isEmptyMap ? { ...found, rows: {} } : found };
}
