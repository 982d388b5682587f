import { styleText } from 'node:util';
import { printable, printableLines } from '../lib/core/printable.ts';
import { ApiError } from './failures.ts';

/** Where a command writes. `json` asks for machine-readable lines and nothing else on standard output. */
export interface Output {
  readonly json: boolean;
  /** A result: text for people, JSON for programs. */
  result(value: unknown, text?: string): void;
  /** A remark for people; programs do not see it. */
  note(text: string): void;
  /** A failure, on standard error. */
  failure(error: unknown): void;
}

export function outputOf(json: boolean, stdout = process.stdout, stderr = process.stderr): Output {
  return {
    json,
    result(value, text) {
      stdout.write(`${json ? JSON.stringify(value) : (text ?? textOf(value))}\n`);
    },
    note(text) {
      if (!json) stderr.write(`${text}\n`);
    },
    failure(error) {
      if (json) {
        const problem = error instanceof ApiError ? error.problem : { message: messageOf(error) };
        stderr.write(`${JSON.stringify({ error: problem })}\n`);
        return;
      }
      stderr.write(`${styleText('red', '✗', { stream: stderr })} ${printableLines(messageOf(error))}\n`);
      if (!(error instanceof ApiError)) return;
      const errors = recordsOf(error.problem.errors);
      // The message says a single one already.
      for (const { pointer = '', message = '' } of errors.length > 1 ? errors : []) {
        stderr.write(`  ${printable(`${String(pointer)} ${String(message)}`)}\n`);
      }
      if (error.problem.requestId !== undefined) stderr.write(`  requestId ${String(error.problem.requestId)}\n`);
    },
  };
}

/** The sign of a finding of a check. */
export function signOf(state: unknown): string {
  return state === 'good' ? '✓' : state === 'warning' ? '!' : '✗';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A value as people read it: a list of records as a table, anything else as indented JSON. */
function textOf(value: unknown): string {
  if (value === undefined) return 'Done.';
  const rows = rowsOf(value);
  if (rows) return tableOf(rows);
  return printableLines(typeof value === 'string' ? value : JSON.stringify(value, undefined, 2));
}

/** The list in an answer: the answer itself, or its only property. */
function rowsOf(value: unknown): Record<string, unknown>[] | undefined {
  const list = Array.isArray(value) ? value : onlyList(value);
  return list !== undefined && list.length > 0 && list.every(isRecord) ? list : undefined;
}

function onlyList(value: unknown): unknown[] | undefined {
  if (!isRecord(value)) return undefined;
  const [first, ...more] = Object.values(value);
  return Array.isArray(first) && more.length === 0 ? first : undefined;
}

const maxColumns = 8;
const maxCellLength = 48;

/** Columns for the plain fields that the rows have, in their order. */
export function tableOf(rows: readonly Record<string, unknown>[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    .filter((name) => rows.some((row) => row[name] !== null && typeof row[name] !== 'object'))
    .slice(0, maxColumns);
  const cells = [names, ...rows.map((row) => names.map((name) => cellOf(row[name])))];
  const widths = names.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  return cells
    .map((line, at) => {
      const text = line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd();
      return at === 0 ? styleText('bold', text) : text;
    })
    .join('\n');
}

function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = printable(typeof value === 'object' ? JSON.stringify(value) : String(value)).replace(/\s+/g, ' ');
  return text.length > maxCellLength ? `${text.slice(0, maxCellLength - 1)}…` : text;
}

/** The records of a list; none if it is not a list. */
export function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
