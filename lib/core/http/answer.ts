import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { hasTooManyValues, maxJsonValues } from '../json.ts';
import { HttpFailure, type HttpFailureKind } from './failure.ts';
import type { HttpAnswer, HttpRequestOptions, HttpStream } from './messages.ts';

/** The largest response body that is accepted if the caller sets no limit. */
export const defaultMaxBytes = 10_000_000;

/** Why an answer is refused that fits its limit in bytes, and not into memory. */
export const tooManyValues = `answers with more than ${maxJsonValues} values: ask for less at a time`;

/** A response that started and did not finish. */
export const cut = { kind: 'cut-body', message: 'broke off in the middle of the answer' } as const;

/** What a receiver of an answer may do with the exchange it belongs to. */
export interface Incoming<Result> {
  readonly response: IncomingMessage;
  readonly maxBytes: number;
  resolve(result: Result): void;
  fail(kind: HttpFailureKind, message: string, cause?: unknown): void;
  /** Clears the deadline and the abort: no more of the response is expected. */
  complete(): void;
  /** Receives a failure from now on, instead of rejecting the promise. */
  reportTo(report: (failure: HttpFailure) => void): void;
}

/** Receives a response once its headers have arrived. */
export type Receive<Result> = (incoming: Incoming<Result>) => void;

/** Collects the body and resolves with the whole answer. */
export function receiveWhole({ response, maxBytes, resolve, fail, complete }: Incoming<HttpAnswer>): void {
  let size = 0;
  let first: Buffer | undefined;
  let chunks: Buffer[] | undefined;
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBytes) fail('too-large', `answers with more than ${maxBytes} bytes`);
    else if (first === undefined) first = chunk;
    else if (chunks === undefined) chunks = [first, chunk];
    else chunks.push(chunk);
  });
  response.on('end', () => {
    if (!response.complete) {
      fail(cut.kind, cut.message);
      return;
    }
    const bytes = chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, size);
    if (hasTooManyValues(bytes)) {
      fail('too-large', tooManyValues);
      return;
    }
    complete();
    resolve(new WholeAnswer(response.statusCode ?? 0, response.headers, bytes));
  });
}

/** Resolves immediately with the body as a stream that counts its bytes. */
export function receiveStream({ response, maxBytes, resolve, fail, complete, reportTo }: Incoming<HttpStream>): void {
  let size = 0;
  const body = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      size += chunk.length;
      if (size > maxBytes) fail('too-large', `answers with more than ${maxBytes} bytes`);
      else next(null, chunk);
    },
    flush(next) {
      if (response.complete) complete();
      else fail(cut.kind, cut.message);
      if (response.complete) next();
    },
  });
  // It may fail before its reader listens, and must not take the process with it; the reader finds it errored.
  body.on('error', () => undefined);
  reportTo((failure) => body.destroy(failure));
  body.on('close', () => {
    if (!response.complete) response.destroy();
    complete();
  });
  response.pipe(body);
  resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
}

/** Undoes a `Content-Encoding`, whether or not the request accepted it. */
export async function decoded(answer: HttpAnswer, wanted: HttpRequestOptions): Promise<HttpAnswer> {
  const { status, headers, bytes } = answer;
  const coding = headers['content-encoding']?.trim().toLowerCase();
  if (coding === undefined || coding === 'identity' || bytes.length === 0) return answer;
  // Loaded on use: answers are compressed only for those who ask.
  const zlib = await import('node:zlib');
  const decoders = new Map([
    ['gzip', zlib.createGunzip],
    ['x-gzip', zlib.createGunzip],
    ['deflate', zlib.createInflate],
    ['br', zlib.createBrotliDecompress],
  ]);
  const decoder = decoders.get(coding)?.();
  if (decoder === undefined) return answer;
  const maxBytes = wanted.maxBytes ?? defaultMaxBytes;
  const failure = (kind: HttpFailureKind, text: string, cause?: unknown) =>
    new HttpFailure(kind, true, `${wanted.method} ${new URL(wanted.url).origin} ${text}`, { cause });
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    decoder.end(bytes);
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw failure('too-large', `answers with more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof HttpFailure ? error : failure('cut-body', `answers with broken ${coding} data`, error);
  }
  const plain = Buffer.concat(chunks, size);
  if (hasTooManyValues(plain)) throw failure('too-large', tooManyValues);
  return new WholeAnswer(status, headers, plain);
}

/** An answer whose body is in memory. */
export class WholeAnswer implements HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;

  constructor(status: number, headers: IncomingHttpHeaders, bytes: Buffer) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
  }

  text(): string {
    const text = this.bytes.toString('utf8');
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}
