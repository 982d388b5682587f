import { createHash } from 'node:crypto';
import { isRecord } from '../../../core/record.ts';
import type { TableRows } from '../rows/whole-table.ts';
import { digestOf } from '../writes/own-writes.ts';

/** A table as of its last read: digests instead of values. */
export interface Snapshot {
  /** When it was first taken, in epoch milliseconds: part of the ids of later changes. */
  since: number;
  /** How many times rows were added or removed: part of their ids, since a restored row can be deleted again. */
  turns?: number;
  rows: Record<string, RowSnapshot>;
}

export interface RowSnapshot {
  /** Digest by field id. */
  cells: Record<string, string>;
  /** The number of changes found. */
  changes: number;
  /** The last comment's stamp by field id. */
  comments: Record<string, string>;
}

/** One change of one row. */
export interface RowChange {
  kind: 'created' | 'updated' | 'deleted';
  rowId: string;
  /** Unique among the changes of the table, and the same when the comparison is repeated. */
  id: string;
  changed: string[];
  values: Record<string, unknown>;
}

/** Cells with new comments. */
export interface Commented {
  rowId: string;
  fieldId: string;
  /** Only comments with a higher stamp are new. */
  after: string;
}

/** The rows of a snapshot that are missing from a later read. */
export function missingRows(before: Snapshot | undefined, rows: TableRows): string[] {
  return Object.keys(before?.rows ?? {}).filter((rowId) => !Object.hasOwn(rows, rowId));
}

/** Compares a table with its last snapshot. Without one, everything is history. */
export function compare(
  before: Snapshot | undefined,
  rows: TableRows,
  now: number,
): { snapshot: Snapshot; changes: RowChange[]; commented: Commented[] } {
  const gone = missingRows(before, rows);
  const isNew = (rowId: string) => before !== undefined && !Object.hasOwn(before.rows, rowId);
  const turns = (before?.turns ?? 0) + (gone.length > 0 || Object.keys(rows).some(isNew) ? 1 : 0);
  const snapshot: Snapshot = { since: before?.since ?? now, turns, rows: {} };
  const turnId = (rowId: string) => `${rowId}-${digest([snapshot.since, turns])}`;
  const changes: RowChange[] = [];
  const commented: Commented[] = [];
  for (const [rowId, all] of Object.entries(rows)) {
    const { values, comments } = partsOf(all);
    const cells = Object.fromEntries(Object.entries(values).map(([field, value]) => [field, digestOf(value)]));
    const last = before?.rows[rowId];
    const changed = Object.keys({ ...last?.cells, ...cells }).filter(
      (field) => (last?.cells[field] ?? digestOf(null)) !== (cells[field] ?? digestOf(null)),
    );
    const isChange = last !== undefined && changed.length > 0;
    const row: RowSnapshot = { cells, comments, changes: (last?.changes ?? 0) + (isChange ? 1 : 0) };
    snapshot.rows[rowId] = row;
    if (!before) continue;
    if (!last) changes.push({ kind: 'created', rowId, id: turnId(rowId), changed: Object.keys(values), values });
    else if (isChange)
      changes.push({
        kind: 'updated',
        rowId,
        id: `${rowId}-${digest([before.since, before.turns ?? 0, row.changes, cells])}`,
        changed,
        values,
      });
    for (const [fieldId, stamp] of Object.entries(comments)) {
      const after = last?.comments[fieldId] ?? '0';
      if (after !== stamp) commented.push({ rowId, fieldId, after });
    }
  }
  for (const rowId of gone) changes.push({ kind: 'deleted', rowId, id: turnId(rowId), changed: [], values: {} });
  return { snapshot, changes, commented };
}

/** User-written values, except comments and the vendor's own change log, which depend on the reader. */
function partsOf(all: Readonly<Record<string, unknown>>): {
  values: Record<string, unknown>;
  comments: Record<string, string>;
} {
  const values: Record<string, unknown> = {};
  const comments: Record<string, string> = {};
  for (const [fieldId, value] of Object.entries(all)) {
    const object = isRecord(value) ? value : {};
    const summary = object.summary as { sstamp?: unknown } | null | undefined;
    if (summary !== undefined && summary !== null) comments[fieldId] = String(summary.sstamp ?? '0');
    else if (!('last' in object && 'total' in object)) values[fieldId] = value;
  }
  return { values, comments };
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 16);
}
