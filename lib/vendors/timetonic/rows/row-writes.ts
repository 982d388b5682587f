import * as z from 'zod/mini';
import { backoff } from '../../../core/clock.ts';
import { type FieldError, GatewayError } from '../../../core/errors.ts';
import { field, named } from '../../../core/field.ts';
import type { SendRequest } from '../../../core/operation.ts';
import { defined } from '../../../core/record.ts';
import { type TimetonicCall, timetonicError } from '../connection.ts';
import { fieldText, type TimetonicRequest } from '../wire/send.ts';
import { isDeadlock, sessionRequest } from '../wire/session-request.ts';
import { claim, giveUp, makeOnce, nameOf, settle } from '../writes/made-once.ts';
import { noteOwnDelete, noteOwnRows, noteOwnWrite } from '../writes/own-writes.ts';
import { type Trace, tracesOf } from './read-back.ts';

type Send = SendRequest<TimetonicRequest>;
type Values = Record<string, unknown>;
type Ok = { status: 'ok'; [field: string]: unknown };
/** The new row of a response, as it is recorded. */
type Made = {
  newRows?: { id: string; tmpId?: string | undefined; existing?: boolean | undefined }[];
  [field: string]: unknown;
};

/** TimeTonic handles ten rows at a time; more end in deadlocks. */
const batchSize = 10;
/** How often a batch that a deadlock ended is completed. */
const completions = 3;

const link = () =>
  named('RowLink', z.strictObject({ row_id: z.union([z.string(), z.int()]), value: z.optional(z.string()) }));
/** A value of a cell; link fields take `[{row_id, value}]`. */
export const value = () =>
  field(
    z.union([
      z.string(),
      z.number(),
      z.boolean(),
      z.null(),
      z.array(z.union([z.string(), link()])),
      z.record(z.string(), z.unknown()),
    ]),
    {
      description: 'Text, a number, or `[{"row_id": …, "value": "…"}]` for a link field; null empties the cell.',
      examples: ['Open'],
    },
  );
export const values = () =>
  field(
    z.record(
      z.string().check(z.regex(/^\d{1,19}$/, 'must be a field id: getBookTables with includeFields lists them')),
      value(),
    ),
    {
      description: 'Values by field id. Files are not set here: see fileUpload.',
      examples: [{ '1367490': 'E-991' }],
    },
  );
export const rowsToWrite = () =>
  field(
    z
      .record(
        z.string().check(z.regex(/^(?:\d{1,19}|tmp[^\s/]{0,120})$/, 'must be the id of a row, or begin with tmp')),
        values().check(z.refine(isFilled, 'must hold at least one value')),
      )
      .check(z.refine(isFilled, 'must hold at least one row')),
    {
      description: 'Values by row id; a row id that begins with `tmp` creates a row.',
      examples: [{ 'tmpE-991': { '1367490': 'E-991' } }],
    },
  );

/** True for more rows than fit in one request. */
export const isBulk = ({ rows }: { rows: Values }): boolean => Object.keys(rows).length > batchSize;

interface RowInput {
  rowId: string;
  fieldValues?: Values | undefined;
  tableId?: string | undefined;
  [field: string]: unknown;
}

/** Only a new row may be empty, and then its table must be named. */
export function rowProblem({ rowId, fieldValues = {}, tableId }: RowInput): FieldError | undefined {
  if (isFilled(fieldValues) || (tableId !== undefined && isNew(rowId))) return undefined;
  const message = isNew(rowId) ? 'is needed, or tableId for an empty row' : 'is needed to change a row';
  return { pointer: '/fieldValues', message };
}

/** Writes one row, created once for its tmp id and values. */
export async function writeRow(input: RowInput, sendRequest: Send, call: TimetonicCall): Promise<Ok> {
  const { rowId, fieldValues = {}, tableId } = input;
  const empty = !isFilled(fieldValues);
  const fields = { ...input, fieldValues: empty ? undefined : fieldValues };
  const write = (id: string) => sendRequest('req=createOrUpdateTableRow', { ...fields, rowId: id }) as Promise<Ok>;
  return withId(rowId, await writeOnce(call, rowId, [tableId ?? null, fieldValues], fieldValues, write));
}

/** Writes one value; creates a row if the row id starts with tmp. */
export async function writeValue(
  input: { rowId: string; fieldId: string; value: unknown; [field: string]: unknown },
  sendRequest: Send,
  call: TimetonicCall,
): Promise<Ok> {
  const { rowId, fieldId, value: given } = input;
  const write = (id: string) =>
    sendRequest('req=updateTableValue', { ...input, rowId: id, value: given === null ? '' : given }) as Promise<Ok>;
  return withId(rowId, await writeOnce(call, rowId, [fieldId, given], { [fieldId]: given }, write));
}

/** The response with the id of the written row at its top level, as for everything that is created. */
function withId(rowId: string, answer: Ok): Ok {
  return { ...answer, id: newRowsOf(answer)[0]?.id ?? rowId };
}

/** Deletes a row, and records that it was deleted here. */
export async function deleteRow(
  input: { rowId: string; [field: string]: unknown },
  sendRequest: Send,
  call: TimetonicCall,
): Promise<Ok> {
  const answer = (await sendRequest('req=deleteTableRow', input)) as Ok;
  await noteOwnDelete(call, input.rowId);
  return answer;
}

async function writeOnce(
  call: TimetonicCall,
  rowId: string,
  properties: unknown,
  written: Values,
  write: (rowId: string) => Promise<Ok>,
): Promise<Ok> {
  if (!isNew(rowId)) {
    const answer = await write(rowId);
    await noteOwnWrite(call, rowId, written);
    return answer;
  }
  // `tmp` alone does not name a row: each one is a separate row.
  if (rowId === 'tmp') return noted(call, await write(`tmp${call.random.bytes(12).toString('hex')}`), written);
  let whole: Ok | undefined;
  const { answer } = await makeOnce<Made>(call, nameOf('row', [rowId, properties]), `the row ${rowId}`, async () => {
    whole = await noted(call, await write(rowId), written);
    return { newRows: newRowsOf(whole) };
  });
  return whole ?? { status: 'ok', newRows: (answer.newRows ?? []).map((row) => ({ ...row, existing: true })) };
}

async function noted(call: TimetonicCall, answer: Ok, written: Values): Promise<Ok> {
  for (const { id } of newRowsOf(answer)) await noteOwnWrite(call, id, written);
  return answer;
}

function newRowsOf({ newRows }: Ok): { id: string; tmpId?: string }[] {
  if (!Array.isArray(newRows)) return [];
  return newRows.flatMap((row: { id?: unknown; tmpId?: unknown } | null) =>
    row?.id === undefined ? [] : [{ id: String(row.id), ...(typeof row.tmpId === 'string' && { tmpId: row.tmpId }) }],
  );
}

interface Entry {
  rowId: string;
  written: Values;
  /** The name under which a new row is claimed. */
  name?: string;
}

/**
 * Writes many rows in batches of ten, one after another. A batch of known rows may be sent again after a deadlock. Of a batch of new
 * rows it is unknown how many were created, as it is after a lost answer: they are read back. Only after a deadlock are those that are
 * missing sent again. Written rows are recorded one by one, so that repeating the same call continues.
 */
export async function writeRows(
  input: { rows: Record<string, Values>; [field: string]: unknown },
  call: TimetonicCall,
): Promise<Ok & { modified: number; created: number; existing: number }> {
  const { rows, bookOwner, bookCode, linkSeparator, bypassUrlTrigger } = input;
  const settings = { b_o: bookOwner, b_c: bookCode, linkSeparator, bypassUrlTrigger };
  const shared = Object.fromEntries(
    Object.entries(settings).flatMap(([name, given]) => (given === undefined ? [] : [[name, fieldText(given)]])),
  );
  const entries: Entry[] = Object.entries(rows).map(([rowId, written]) => ({ rowId, written }));
  const sums = { modified: 0, created: 0, existing: 0 };
  const doubtful: string[] = [];
  const total = entries.length;
  const tell = () => call.progress?.(sums.modified + sums.created + sums.existing, total);

  for (const batch of batches(entries.filter(({ rowId }) => !isNew(rowId)))) {
    const body = await sendBatch(batch, true).catch((error: unknown) => {
      throw stopped(error, batch, sums, total);
    });
    sums.modified += numberOf(body.modified, batch.length);
    for (const { rowId, written } of batch) await noteOwnWrite(call, rowId, written);
    await tell();
  }
  for (const batch of batches(entries.filter(({ rowId }) => isNew(rowId)))) {
    const mine: Entry[] = [];
    for (const entry of batch) {
      const name = nameOf('row in bulk', [entry.rowId, entry.written]);
      const earlier = entry.rowId === 'tmp' ? undefined : await claim(call, name, `the row ${entry.rowId}`);
      if (earlier?.state === 'made') sums.existing++;
      else if (earlier?.state === 'unknown') doubtful.push(entry.rowId);
      else
        mine.push(
          entry.rowId === 'tmp'
            ? { ...entry, rowId: `tmp${call.random.bytes(12).toString('hex')}` }
            : { ...entry, name },
        );
    }
    if (mine.length === 0) continue;
    const { made, unsure, failure } = await createBatch(mine);
    sums.created += made.length;
    for (const { name } of made) if (name !== undefined) await settle(call, name, {});
    await noteOwnRows(
      call,
      made.map(({ written }) => written),
    );
    if (failure !== undefined) {
      for (const { name } of unsure) if (name !== undefined) await giveUp(call, name, failure);
      throw stopped(failure, unsure, sums, total);
    }
    await tell();
  }
  if (doubtful.length > 0) {
    throw stopped(
      halfDone(undefined),
      doubtful.map((rowId) => ({ rowId, written: {} })),
      sums,
      total,
    );
  }
  return { status: 'ok', ...sums };

  /**
   * Creates rows. If a deadlock ends the batch, the rows that are missing are sent again; those that are unclear are not. If the
   * answer is lost, TimeTonic may still be writing: what is missing then is unknown.
   */
  async function createBatch(batch: Entry[]): Promise<{ made: Entry[]; unsure: Entry[]; failure?: unknown }> {
    const made: Entry[] = [];
    const unclear: Entry[] = [];
    const ended = (missing: Entry[], error: unknown) => ({
      made,
      unsure: [...unclear, ...missing],
      failure: unclear.length > 0 ? halfDone(error) : error,
    });
    let missing = batch;
    for (let repeat = 0; missing.length > 0; repeat++) {
      try {
        await sendBatch(missing, false);
        made.push(...missing);
        missing = [];
      } catch (error) {
        const isDead = isDeadlock(error);
        if (!isDead && !isUnknown(error)) return ended(missing, error);
        const written = missing.map((entry) => entry.written);
        const traces = await tracesOf(call, shared, written);
        const withTrace = (trace: Trace) => missing.filter((_, at) => traces[at] === trace);
        made.push(...withTrace('made'));
        unclear.push(...withTrace('unclear'));
        missing = withTrace('missing');
        if (missing.length > 0 && !isDead) return ended(missing, error);
        if (missing.length > 0 && repeat >= completions) return ended(missing, halfDone(error));
        await call.clock.sleep(backoff(repeat, 100, 1500, call.random), call.signal).catch(() => undefined);
      }
    }
    return unclear.length > 0 ? ended([], undefined) : { made, unsure: [] };
  }

  function sendBatch(batch: Entry[], repeatDeadlock: boolean): Promise<Record<string, unknown>> {
    const text = JSON.stringify(Object.fromEntries(batch.map(({ rowId, written }) => [rowId, written])));
    const fields = { ...shared, rows: text };
    return sessionRequest(call, {
      req: 'createOrUpdateTableRows',
      fields,
      effect: 'write',
      repeatDeadlock,
      timeoutMs: 20_000,
    });
  }
}

const isUnknown = (error: unknown): boolean => error instanceof GatewayError && error.outcome === 'unknown';

function halfDone(cause: unknown): GatewayError {
  return timetonicError('outcome_unknown', 'TimeTonic may have made some of these rows before it stopped.', {
    outcome: 'unknown',
    ...(cause !== undefined && { cause }),
  });
}

/** The error of a bulk write that stopped: its progress, and the affected rows. */
function stopped(error: unknown, batch: Entry[], sums: Record<string, number>, total: number): unknown {
  if (!(error instanceof GatewayError)) return error;
  const written = Object.values(sums).reduce((sum, each) => sum + each, 0);
  const message = error.outcome === 'unknown' ? 'may have been written' : 'was not written';
  return timetonicError(
    error.code,
    `${error.message} ${written} of ${total} rows are written; sent again, those are not made twice${error.outcome === 'unknown' ? ', and those in doubt are left to you' : ''}.`,
    {
      status: error.status,
      retryable: error.retryable,
      cause: error, // After some rows were written, this is no longer a clean refusal.
      outcome: written > 0 && error.outcome === 'no' ? 'refused' : error.outcome,
      errors: batch.map(({ rowId }) => ({ pointer: `/rows/${rowId}`, message })),
      ...defined({ vendorCode: error.vendorCode, retryAfter: error.retryAfter }),
    },
  );
}

function batches(entries: Entry[]): Entry[][] {
  return Array.from({ length: Math.ceil(entries.length / batchSize) }, (_, at) =>
    entries.slice(at * batchSize, (at + 1) * batchSize),
  );
}

const isNew = (rowId: string): boolean => rowId.startsWith('tmp');
const numberOf = (given: unknown, fallback: number): number => (typeof given === 'number' ? given : fallback);
function isFilled(map: Values): boolean {
  return Object.keys(map).length > 0;
}
