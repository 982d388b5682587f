import { createHash } from 'node:crypto';
import { accountOf, placeOf, type TimetonicCall } from '../connection.ts';

/** As long as the interval between two polls may be, plus a margin. */
const keptSeconds = 24 * 60 * 60;

/** What was last written into the cells of a row here: digest and account by field id. */
type Written = Record<string, readonly [digest: string, account: string]>;

const noteOf = ({ connection }: TimetonicCall, what: string) => `${placeOf(connection.settings)} ${what}`;
const rowNote = (call: TimetonicCall, rowId: string) => noteOf(call, `own write ${rowId}`);
const deleteNote = (call: TimetonicCall, rowId: string) => noteOf(call, `own delete ${rowId}`);
const contentNote = (call: TimetonicCall, mark: string) => noteOf(call, `own row ${mark}`);

/**
 * Records what a connection wrote into a row, so that polls know who did it: an automation that writes back into the row that
 * triggered it must not trigger itself, whichever of the installation's accounts writes and whichever listens.
 */
export async function noteOwnWrite(
  call: TimetonicCall,
  rowId: string,
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  const account = accountOf(call.connection);
  const before = (await call.sharedNotes.read(rowNote(call, rowId)))?.value as Written | undefined;
  const written = Object.entries(values).map(([field, value]) => [field, [digestOf(value), account]]);
  await call.sharedNotes.write(rowNote(call, rowId), { ...before, ...Object.fromEntries(written) }, keptSeconds);
}

/** Records a row that was deleted here. */
export async function noteOwnDelete(call: TimetonicCall, rowId: string): Promise<void> {
  await call.sharedNotes.write(deleteNote(call, rowId), accountOf(call.connection), keptSeconds);
}

/** Records rows that were created in bulk by their content, because the vendor does not return their ids. */
export async function noteOwnRows(
  call: TimetonicCall,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const account = accountOf(call.connection);
  await Promise.all(rows.map((row) => call.sharedNotes.write(contentNote(call, markOf(row)), account, keptSeconds)));
}

/** The parts of a row change that identify its author. */
interface Change {
  kind: 'created' | 'updated' | 'deleted';
  rowId: string;
  changed: readonly string[];
  values: Readonly<Record<string, unknown>>;
}

/** The accounts that made changes through this installation, in the order of the changes; undefined for what others did. */
export async function authorsOf(call: TimetonicCall, changes: readonly Change[]): Promise<(string | undefined)[]> {
  const notes = await call.sharedNotes.readMany(
    changes.flatMap(({ kind, rowId, values }) => {
      if (kind === 'deleted') return [deleteNote(call, rowId)];
      return [rowNote(call, rowId), ...(kind === 'created' ? [contentNote(call, markOf(values))] : [])];
    }),
  );
  const next = () => notes.shift()?.value;
  return changes.map(({ kind, changed, values }) => {
    if (kind === 'deleted') return next() as string | undefined;
    const written = next() as Written | undefined;
    if (kind === 'updated') return writerOf(written, changed, values);
    const creator = next() as string | undefined;
    return Object.values(written ?? {})[0]?.[1] ?? creator;
  });
}

/** The account that was the last to write each of the changed values into its cell. */
function writerOf(
  written: Written | undefined,
  changed: readonly string[],
  values: Readonly<Record<string, unknown>>,
): string | undefined {
  const isOwn = changed.every((field) => written?.[field]?.[0] === digestOf(values[field]));
  return isOwn ? written?.[changed[0] ?? '']?.[1] : undefined;
}

/** Which fields of a row have values, and a digest of the values. */
function markOf(values: Readonly<Record<string, unknown>>): string {
  const filled = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = filled
    .map(([field, value]) => `${field}=${digestOf(value)}`)
    .sort()
    .join('&');
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
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
