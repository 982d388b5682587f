import { hash } from 'node:crypto';
import {
  appendFileSync,
  createReadStream,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { progress } from '@clack/prompts';
import { parse } from 'csv-parse';
import { lineCutter } from '../../lib/core/lines.ts';
import type { Api } from '../api.ts';
import { ApiError, exitCodes, Unreachable, UsageError } from '../failures.ts';
import { requireOperation } from '../input.ts';
import { isRecord, messageOf, type Output } from '../output.ts';

export interface BulkOptions {
  /** Calls a second at most. */
  rate: number;
  /** Start over, ignoring the progress of an earlier run. */
  restart?: boolean;
  signal: AbortSignal;
}

const byteOrderMark = /^\ufeff/;
const maxTries = 6;
const firstPauseMs = 1_000;

/**
 * `trunkline bulk FILE OPERATION`: one call for each row of a CSV file or each line of a JSON Lines file. Progress is kept in
 * `FILE.progress`, so that an interrupted bulk continues where it stopped. Each row has its own idempotency key, so that it is carried out
 * once even if the interruption came between a call and its note. Rejected rows go to `FILE.failed.jsonl`.
 */
export async function bulk(api: Api, output: Output, file: string, operation: string, options: BulkOptions) {
  requireOperation(operation);
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}.`);
  const notes = { progress: `${file}.progress`, failed: `${file}.failed.jsonl` };
  const identity = identityOf(file, operation);
  if (options.restart) for (const note of Object.values(notes)) rmSync(note, { force: true });
  const before = progressOf(notes.progress);
  if (before !== undefined && before.identity !== identity) {
    throw new UsageError(
      `${notes.progress} belongs to another file or operation. Start over with --restart, which repeats rows that were sent.`,
    );
  }
  // A row that was rejected after the last note is sent again, with the same result.
  if (before !== undefined && existsSync(notes.failed)) truncateSync(notes.failed, before.failedBytes);
  const counts = { sent: 0, failed: before?.failed ?? 0, skipped: before?.done ?? 0 };
  const bar = output.json || !process.stdout.isTTY ? undefined : progress({ max: await rowCount(file) });
  bar?.start(operation);
  bar?.advance(counts.skipped);
  let done = counts.skipped;
  const stopped = () => `Stopped after ${rowsText(done)}. Run the same command to continue.`;
  // While the bar is shown, Clack reads the keys, and ends the process with 0 on Ctrl-C.
  const onExit = () => {
    output.note(stopped());
    process.exitCode = exitCodes.failed;
  };
  if (bar) process.once('exit', onExit);
  let next = performance.now();
  for await (const [at, row] of rowsOf(file)) {
    if (options.signal.aborted) break;
    if (at < counts.skipped) continue;
    const pause = next - performance.now();
    if (pause > 0) await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
    if (options.signal.aborted) break;
    next = Math.max(next, performance.now()) + 1000 / options.rate;
    const problem = await sendRow(api, operation, row, `bulk-${identity}-${at}`, options.signal);
    if (problem === 'interrupted') break;
    if (problem === undefined) counts.sent++;
    else {
      counts.failed++;
      appendFileSync(notes.failed, `${JSON.stringify({ row: at + 1, input: row, error: problem })}\n`);
    }
    done = at + 1;
    storeProgress(notes.progress, { identity, done, failed: counts.failed, failedBytes: sizeOf(notes.failed) });
    bar?.advance(1, `${rowsText(done)}, ${counts.failed} failed`);
  }
  process.off('exit', onExit);
  const interrupted = options.signal.aborted;
  bar?.stop(interrupted ? 'Interrupted' : 'Done');
  if (!interrupted) rmSync(notes.progress, { force: true });
  const summary = { rows: done, sent: counts.sent, failed: counts.failed, interrupted };
  const rest = counts.failed > 0 ? ` ${rowsText(counts.failed)} rejected: see ${notes.failed}.` : '';
  output.result(summary, interrupted ? `${stopped()}${rest}` : `${rowsText(counts.sent)} sent.${rest}`);
  return !interrupted && counts.failed === 0;
}

function rowsText(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}

/** Sends a row until its outcome is known: undefined if it was carried out, else the problem that refused it. */
async function sendRow(api: Api, operation: string, row: unknown, key: string, signal: AbortSignal) {
  for (let attempt = 1; ; attempt++) {
    try {
      await api.send('POST', `/v1/${operation}`, { body: row, headers: { 'idempotency-key': key }, signal });
      return undefined;
    } catch (error) {
      if (signal.aborted) return 'interrupted';
      const temporary = error instanceof Unreachable || (error instanceof ApiError && error.problem.retryable === true);
      if (!temporary || attempt >= maxTries) {
        return error instanceof ApiError ? error.problem : { message: messageOf(error) };
      }
      await sleep(firstPauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
    }
  }
}

interface Progress {
  identity: string;
  done: number;
  failed: number;
  /** The size of the file of rejected rows. */
  failedBytes: number;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Another file with the same name must not continue where this one stopped. */
function identityOf(file: string, operation: string): string {
  const { size, mtimeMs } = statSync(file);
  return hash('sha256', JSON.stringify([operation, size, mtimeMs]), 'base64url').slice(0, 16);
}

function progressOf(path: string): Progress | undefined {
  if (!existsSync(path)) return undefined;
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return isRecord(value) && typeof value.done === 'number' ? (value as unknown as Progress) : undefined;
}

/** Renamed into place, so that a crash leaves the old note or the new one. */
function storeProgress(path: string, value: Progress): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

async function* rowsOf(file: string): AsyncGenerator<[at: number, row: Record<string, unknown>]> {
  let at = 0;
  if (/\.(jsonl|ndjson|json)$/i.test(file)) {
    let number = 0;
    for await (const line of linesOf(file)) {
      number++;
      if (line.trim() !== '') yield [at++, inputOf(recordOf(line, number))];
    }
    return;
  }
  const records = createReadStream(file).pipe(parse({ columns: true, bom: true, skip_empty_lines: true }));
  // With columns each record is an object of texts; an empty cell is a field that was not given.
  for await (const record of records as AsyncIterable<Record<string, string>>) {
    yield [at++, Object.fromEntries(Object.entries(record).filter(([, cell]) => cell !== ''))];
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const cut = lineCutter();
  for await (const piece of createReadStream(file, 'utf8') as AsyncIterable<string>) yield* cut(piece);
  yield* cut('\n');
}

/** The fields of a line; a line of rejected rows keeps them with the row's number and the reason. */
function inputOf(line: Record<string, unknown>): Record<string, unknown> {
  const { row, input, error, ...rest } = line;
  const isRejected = typeof row === 'number' && isRecord(input) && isRecord(error) && Object.keys(rest).length === 0;
  return isRejected ? input : line;
}

function recordOf(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.replace(byteOrderMark, ''));
    if (isRecord(value)) return value;
  } catch {
    // Reported below, with its line.
  }
  throw new UsageError(`Line ${number} is not a JSON object.`);
}

async function rowCount(file: string): Promise<number> {
  let count = 0;
  for await (const [at] of rowsOf(file)) count = at + 1;
  return count;
}
