import type * as z from 'zod/mini';
import type { SendRequest } from '../../../core/operation.ts';
import type { TimetonicCall } from '../connection.ts';
import type { pivotValues, tableRows, tableValues } from '../shapes.ts';
import type { TimetonicRequest } from '../wire/send.ts';
import { countedPage, readPages } from './overlapping-pages.ts';
import { hasRows, joinValues, rowIdsOf, rowName, type TableValues } from './table-pages.ts';

type Send = SendRequest<TimetonicRequest>;
type Ok = { status: 'ok'; [field: string]: unknown };
/** The input of the operations' own schemas, which validate every response. */
type ValuesAnswer = z.input<ReturnType<typeof tableValues>>;
type RowsAnswer = z.input<ReturnType<typeof tableRows>>;

/** The initial number of rows per page: it is halved while TimeTonic answers 500. */
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
  sendRequest: Send,
  call: TimetonicCall,
): Promise<ValuesAnswer> {
  if (all !== true) return normalized((await sendRequest(request, input)) as Ok) as ValuesAnswer;
  const { offset = 0, maxRows } = input;
  let joined: TableValues | undefined;
  const { first, rowCount, next } = await readPages(call, {
    start: offset,
    pageRows: maxRows ?? firstPageRows,
    place: (at, rows) => ({ offset: at, rows }),
    read: async (at, rows) => {
      const body = normalized((await sendRequest(request, { ...input, offset: at, maxRows: rows })) as Ok);
      const rowIds = rowIdsOf(body.tableValues ?? {}, at);
      return {
        body,
        ids: rowIds,
        unreadable: !hasRows(body.tableValues),
        keep: () => {
          joined = joined ? joinValues(joined, body.tableValues ?? {}) : body.tableValues;
        },
        // With all views, every row is returned at once, regardless of the page.
        last: input.getAllViews === true || rowIds.length < rows,
      };
    },
  });
  const whole = joined === undefined ? first : { ...first, tableValues: joined };
  return { ...whole, ...ending(rowCount, next, (at) => ({ offset: at })) } as ValuesAnswer;
}

/** A row of a response; its shape is not checked. */
type Row = Record<string, unknown> | null;

interface RowsInput {
  all?: boolean | undefined;
  page?: number | undefined;
  pageSize?: number | undefined;
  [field: string]: unknown;
}

/** The same for whole rows, whose pages are numbered from 1. */
export async function readAllRows(
  { all, ...input }: RowsInput,
  sendRequest: Send,
  call: TimetonicCall,
): Promise<RowsAnswer> {
  if (all !== true) return (await sendRequest('req=getTableRows', input)) as RowsAnswer;
  const pageRows = input.pageSize ?? firstPageRows;
  const rows = new Map<string, Row>();
  const { first, rowCount, next } = await readPages(call, {
    start: ((input.page ?? 1) - 1) * pageRows,
    pageRows,
    place: countedPage,
    read: async (at, pageSize) => {
      const page = Math.floor(at / pageSize) + 1;
      const body = (await sendRequest('req=getTableRows', { ...input, pageSize, page })) as Ok & {
        rows?: Row[];
      };
      const list = Array.isArray(body.rows) ? body.rows : [];
      const found = list.map((row, index) => [rowName(row?.id, at + index), row] as const);
      return {
        body,
        ids: found.map(([id]) => id),
        unreadable: !Array.isArray(body.rows),
        keep: () => {
          for (const [id, row] of found) rows.set(id, row);
        },
        last: found.length < pageSize,
      };
    },
  });
  return {
    ...first,
    ...(Array.isArray(first.rows) && { rows: [...rows.values()] }),
    ...ending(rowCount, next, (at) => ({ page: Math.floor(at / pageRows) + 1, pageSize: pageRows })),
  } as RowsAnswer;
}

/** The request whose name is missing from the document uses the name in the connection's settings. */
export async function readPivot(
  input: object,
  sendRequest: Send,
  call: TimetonicCall,
): Promise<z.input<ReturnType<typeof pivotValues>>> {
  const name = call.connection.settings.pivotRequest ?? 'getPivotValues';
  return (await sendRequest(`req=${name}`, { ...input })) as Ok;
}

function ending(rowCount: number, next: number | undefined, place: (at: number) => Record<string, number>) {
  if (next === undefined) return { complete: true, rowCount };
  const warning = 'Not every row was read. Ask for the rest with the fields of `next`.';
  return { complete: false, rowCount, next: place(next), warning };
}

/** Values under the name that the server uses (its document says `values`), with maps that PHP wrote as lists restored to maps. */
export function normalized({ values, ...body }: Record<string, unknown>): Ok & { tableValues?: TableValues } {
  // Both names contain the same; a value that fits neither is passed through unchanged.
  const found = (body.tableValues ?? values) as TableValues | undefined;
  if (found === null || typeof found !== 'object') return { ...body, ...(values !== undefined && { values }) } as Ok;
  const { fields, rows } = found;
  const isEmptyMap = fields === undefined && Array.isArray(rows) && rows.length === 0;
  return { ...body, status: 'ok', tableValues: isEmptyMap ? { ...found, rows: {} } : found };
}
