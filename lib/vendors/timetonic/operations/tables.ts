import * as z from 'zod/mini';
import { field, integer, named, only, text } from '../../../core/field.ts';
import {
  anyRowId,
  book,
  bypassUrlTrigger,
  fieldId,
  id,
  idList,
  linkSeparator,
  maybeBook,
  operation,
  rowId,
  tableId,
} from '../fields.ts';
import { filterRowIds, pivotFilter, rowIds } from '../rows/filter-rows.ts';
import { readAllRows, readAllValues, readPivot } from '../rows/read-all.ts';
import {
  deleteRow,
  isBulk,
  rowProblem,
  rowsToWrite,
  value,
  values,
  writeRow,
  writeRows,
  writeValue,
} from '../rows/row-writes.ts';
import {
  comments,
  deletedRow,
  pivotValues,
  tableRows,
  tables,
  tableValues,
  writtenRow,
  writtenRows,
} from '../shapes.ts';

const maybe = { boolean: () => z.optional(z.boolean()) };
const all = () =>
  field(z.optional(z.boolean()), {
    description: 'true reads page after page; `complete` in the response says whether all rows were read.',
  });

/** How values are read, by table id or by sync code. */
const reading = () => ({
  filterRowIds: z.optional(filterRowIds()),
  tabId: field(z.optional(id()), { description: "Is saved as the tab that the connection's user viewed last." }),
  offset: field(z.optional(integer(0)), { description: 'Rows to skip at the start.' }),
  maxRows: field(z.optional(integer(1, 10_000)), {
    description: 'The number of rows to return; TimeTonic returns 100 by default.',
  }),
  format: z.optional(z.enum(['columns', 'rows', 'diff_ready_rows'])),
  maxComments: z.optional(integer(1, 10)),
  getAllViews: maybe.boolean(),
  getDependencies: maybe.boolean(),
  all: all(),
});

const rowReading = () => ({
  rowIds: z.optional(rowIds()),
  pageSize: z.optional(integer(1, 10_000)),
  page: z.optional(integer(1)),
  getTableInfo: maybe.boolean(),
  all: all(),
});
const pivotReading = () => ({
  tableId: field(id(), { wire: 'catID', choices: { kind: 'tables', of: ['bookOwner', 'bookCode'] } }),
  viewId: field(id(), { choices: { kind: 'views', of: ['bookOwner', 'bookCode', 'tableId'] } }),
  filterRowIds: pivotFilter(),
});

export const tableOperations = {
  getBookTables: operation({
    summary: 'List the tables of a book with their views and fields',
    effect: 'read',
    input: () => ({
      ...book(),
      externViews: maybe.boolean(),
      format: z.optional(z.literal('android')),
      includeFields: maybe.boolean(),
      includeEnums: maybe.boolean(),
      getRowIds: maybe.boolean(),
    }),
    output: tables,
    call: 'req=getBookTables',
  }),
  getTableRows: operation({
    summary: 'Read whole rows of a table, page by page',
    effect: 'read',
    input: () => ({ tableId: tableId(), ...rowReading(), ...maybeBook() }),
    output: tableRows,
    slow: (input) => input.all === true,
    rawRoute: 'req=getTableRows',
    call: (input, sendRequest, call) => readAllRows(input, sendRequest, call),
  }),
  getTableValues: operation({
    summary: 'Read values of a table in one of three formats',
    effect: 'read',
    input: () => ({ tableId: tableId(), ...reading(), ...maybeBook() }),
    output: tableValues,
    slow: (input) => input.all === true,
    rawRoute: 'req=getTableValues',
    call: (input, sendRequest, call) => readAllValues('req=getTableValues', input, sendRequest, call),
  }),
  getNamedTableValues: operation({
    summary: 'Read values of a table by its sync code',
    effect: 'read',
    input: () => ({
      ...book(),
      tableCode: field(text(200), { wire: 'catCode' }),
      fieldCodes: z.optional(text(5000)),
      ...reading(),
    }),
    output: tableValues,
    slow: (input) => input.all === true,
    rawRoute: 'req=getNamedTableValues',
    call: (input, sendRequest, call) => readAllValues('req=getNamedTableValues', input, sendRequest, call),
  }),
  getTableValueSubset: operation({
    summary: 'Read chosen fields of chosen rows, in the order given',
    effect: 'read',
    input: () => ({ tableId: tableId(), fieldIds: idList('Fields.'), rowIds: idList('Rows.'), ...maybeBook() }),
    output: () =>
      named('TableValueSubset', z.looseObject({ status: z.literal('ok'), tableValues: z.array(z.array(z.unknown())) })),
    call: 'req=getTableValueSubset',
  }),
  computeTableOperation: operation({
    summary: 'Count the rows of a table',
    effect: 'read',
    input: () => ({
      tableId: tableId(),
      operation: only('count'),
      filterRowIds: z.optional(filterRowIds()),
      ...maybeBook(),
    }),
    output: () => z.looseObject({ status: z.literal('ok'), result: z.unknown() }),
    call: 'req=computeTableOperation',
  }),
  updateTableValue: operation({
    summary: 'Write one value',
    effect: 'write',
    input: () => ({
      value: value(),
      rowId: anyRowId(),
      fieldId: fieldId(),
      ...maybeBook(),
      bypassUrlTrigger: bypassUrlTrigger(),
    }),
    output: writtenRow,
    rawRoute: 'req=updateTableValue',
    call: (input, sendRequest, call) => writeValue(input, sendRequest, call),
  }),
  createOrUpdateTableRow: operation({
    summary: 'Create or change a row',
    effect: 'write',
    input: () => ({
      rowId: anyRowId(),
      fieldValues: z.optional(values()),
      tableId: z.optional(tableId()),
      linkSeparator: linkSeparator(),
      ...maybeBook(),
      bypassUrlTrigger: bypassUrlTrigger(),
    }),
    output: writtenRow,
    rule: rowProblem,
    rawRoute: 'req=createOrUpdateTableRow',
    call: (input, sendRequest, call) => writeRow(input, sendRequest, call),
    example: { rowId: 'tmpE-991', fieldValues: { '1367490': 'E-991' } },
  }),
  createOrUpdateTableRows: operation({
    summary: 'Create or change many rows of a table, ten at a time',
    description: 'After a failure, the same call with the same tmp ids continues where it stopped.',
    effect: 'write',
    input: () => ({
      rows: rowsToWrite(),
      linkSeparator: linkSeparator(),
      ...maybeBook(),
      bypassUrlTrigger: bypassUrlTrigger(),
    }),
    output: writtenRows,
    slow: isBulk,
    rawRoute: 'req=createOrUpdateTableRows',
    call: (input, _send, call) => writeRows(input, call),
  }),
  deleteTableRow: operation({
    summary: 'Delete a row',
    effect: 'write',
    input: () => ({ rowId: rowId(), ...maybeBook(), bypassUrlTrigger: bypassUrlTrigger() }),
    output: deletedRow,
    rawRoute: 'req=deleteTableRow',
    call: (input, sendRequest, call) => deleteRow(input, sendRequest, call),
  }),
  getTableValueComments: operation({
    summary: 'Read the comments of a cell, oldest first',
    effect: 'read',
    input: () => ({ fieldId: fieldId(), rowId: rowId(), ...maybeBook() }),
    output: comments,
    call: 'req=getTableValueComments',
  }),
  getPivotValues: operation({
    summary: 'Read the values of a pivot table',
    effect: 'read',
    input: () => ({ ...pivotReading(), ...maybeBook() }),
    output: pivotValues,
    rawRoute: 'req=getPivotValues',
    call: (input, sendRequest, call) => readPivot(input, sendRequest, call),
  }),
};
