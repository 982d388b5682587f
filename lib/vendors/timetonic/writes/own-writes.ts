import { createHash } from 'node:crypto';
import type { TimetonicCall } from '../connection.ts';

/** As long as a look for events may be away, and some more. */
const keptSeconds = 24 * 60 * 60;

/**
 * Notes what this connection itself wrote into a row, so that the look for events does not tell it as news: an automation that
 * writes back into the row it came from must not start itself. Nothing is noted where nobody looks.
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

/** Notes a row that was deleted here. */
export async function noteOwnDelete(call: TimetonicCall, rowId: string): Promise<void> {
  if (call.connection.settings.pollEvents === false) return;
  await call.notes.write(`own delete ${rowId}`, true, keptSeconds);
}

export async function isOwnDelete(call: TimetonicCall, rowId: string): Promise<boolean> {
  return (await call.notes.read(`own delete ${rowId}`)) !== undefined;
}

/** True for a row that was made here: its id was noted when the vendor answered it. */
export async function isOwnRow(call: TimetonicCall, rowId: string): Promise<boolean> {
  return (await call.notes.read(`own write ${rowId}`)) !== undefined;
}

/** The last rows that were made in bulk, whose ids the vendor does not tell. */
const maxBulk = 1000;
const bulkNote = 'own rows in bulk';

/** Notes rows by what is in them: which fields, and a digest of their values. */
export async function noteOwnRows(
  call: TimetonicCall,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  if (call.connection.settings.pollEvents === false) return;
  const before = ((await call.notes.read(bulkNote))?.value ?? []) as string[];
  await call.notes.write(bulkNote, [...before, ...rows.map(markOf)].slice(-maxBulk), keptSeconds);
}

/** Those marks; a row made in bulk is known by one of them. */
export async function ownRowMarks(call: TimetonicCall): Promise<ReadonlySet<string>> {
  return new Set(((await call.notes.read(bulkNote))?.value ?? []) as string[]);
}

/** Which fields of a row hold something, and a digest of what. */
export function markOf(values: Readonly<Record<string, unknown>>): string {
  const filled = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = filled
    .map(([field, value]) => `${field}=${digestOf(value)}`)
    .sort()
    .join('&');
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/** True when every one of these values is what this connection wrote last into its cell. */
export async function isOwnWrite(
  call: TimetonicCall,
  rowId: string,
  values: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  const written = (await call.notes.read(`own write ${rowId}`))?.value as Record<string, string> | undefined;
  return written !== undefined && Object.entries(values).every(([field, value]) => written[field] === digestOf(value));
}

/** A value as both sides know it: numbers and their text alike, dates without `T` and zone, links by the rows they name. */
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
