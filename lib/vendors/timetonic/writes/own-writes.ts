import { createHash } from 'node:crypto';
import type { TimetonicCall } from '../connection.ts';

/** As long as the interval between two polls may be, plus a margin. */
const keptSeconds = 24 * 60 * 60;

/**
 * Records what this connection itself wrote into a row, so that polls do not report it as an event: an automation that writes
 * back into the row that triggered it must not trigger itself. Records nothing if the connection is not polled.
 */
export async function noteOwnWrite(
  call: TimetonicCall,
  rowId: string,
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (call.connection.settings.pollEvents === false) return;
  const name = `own write ${rowId}`;
  const before = (await call.notes.read(name))?.value as Record<string, string> | undefined;
  const written = Object.fromEntries(Object.entries(values).map(([field, value]) => [field, digestOf(value)]));
  await call.notes.write(name, { ...before, ...written }, keptSeconds);
}

/** Records a row that was deleted here. */
export async function noteOwnDelete(call: TimetonicCall, rowId: string): Promise<void> {
  if (call.connection.settings.pollEvents === false) return;
  await call.notes.write(`own delete ${rowId}`, true, keptSeconds);
}

export async function isOwnDelete(call: TimetonicCall, rowId: string): Promise<boolean> {
  return (await call.notes.read(`own delete ${rowId}`)) !== undefined;
}

/** True for a row that was created here: its id was recorded when the vendor returned it. */
export async function isOwnRow(call: TimetonicCall, rowId: string): Promise<boolean> {
  return (await call.notes.read(`own write ${rowId}`)) !== undefined;
}

/** The last rows created in bulk, whose ids the vendor does not return. */
const maxBulk = 1000;
const bulkNote = 'own rows in bulk';

/** Records rows by their content: which fields, and a digest of their values. */
export async function noteOwnRows(
  call: TimetonicCall,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  if (call.connection.settings.pollEvents === false) return;
  const before = ((await call.notes.read(bulkNote))?.value ?? []) as string[];
  await call.notes.write(bulkNote, [...before, ...rows.map(markOf)].slice(-maxBulk), keptSeconds);
}

/** Those marks; they identify a row that was created in bulk. */
export async function ownRowMarks(call: TimetonicCall): Promise<ReadonlySet<string>> {
  return new Set(((await call.notes.read(bulkNote))?.value ?? []) as string[]);
}

/** Which fields of a row have values, and a digest of the values. */
export function markOf(values: Readonly<Record<string, unknown>>): string {
  const filled = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = filled
    .map(([field, value]) => `${field}=${digestOf(value)}`)
    .sort()
    .join('&');
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/** True when this connection was the last to write each of these values into its cell. */
export async function isOwnWrite(
  call: TimetonicCall,
  rowId: string,
  values: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  const written = (await call.notes.read(`own write ${rowId}`))?.value as Record<string, string> | undefined;
  return written !== undefined && Object.entries(values).every(([field, value]) => written[field] === digestOf(value));
}

/** A value in a form that both sides share: numbers equal their text, dates have no `T` and zone, links are the rows they name. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(plain(value)).digest('base64url').slice(0, 16);
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) {
    return value
      .map((each) =>
        each !== null && typeof each === 'object' && 'row_id' in each ? `row ${String(each.row_id)}` : plain(each),
      )
      .sort()
      .join(',');
  }
  if (typeof value === 'object') return JSON.stringify(value);
  const text = String(value);
  const date = /^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}/.test(text)
    ? Date.parse(`${text.replace(' ', 'T')}${/(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? '' : 'Z'}`)
    : Number.NaN;
  return Number.isNaN(date) ? text : `time ${Math.floor(date / 1000)}`;
}
