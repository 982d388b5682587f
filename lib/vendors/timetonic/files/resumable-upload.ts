import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { DetailedError } from 'tus-js-client';
import { GatewayError } from '../../../core/errors.ts';
import { type GivenFile, openSource, type Source } from '../../../core/given-file.ts';
import { HttpFailure } from '../../../core/http/client.ts';
import { failureOf } from '../../../core/vendor-failure.ts';
import { type TimetonicCall, timetonicError, title } from '../connection.ts';
import { nameOf } from '../writes/made-once.ts';
import { uuidPrefix } from '../writes/message-writes.ts';
import { type SizedStream, tusHttp } from './tus-http.ts';
import { type Cell, createUpload, offsetOf, type Place, readMeta } from './upload-host.ts';

type Ok = { status: 'ok'; [field: string]: unknown };

/** The record of a started upload: a call that sends the same file to the same cell continues it. */
interface StartedUpload {
  url: string;
  uuid: string;
  size: number;
}

/** Bytes per PATCH; after an interruption, nothing that arrived is sent again, whatever the size. */
const partBytes = 32 * 1024 * 1024;
/** As long as uploaded files are kept for sending. */
const keptSeconds = 24 * 60 * 60;
/** Delays before the attempts after an interruption, in milliseconds; any progress restarts them. */
const retryDelays = [0, 500, 1500, 4000, 8000];

/**
 * Uploads a file to a cell by TUS. It survives an interruption at any byte, and the end of this process: the next call continues.
 */
export async function resumableUpload(
  { file, uuid: given, ...cell }: Cell & { file: GivenFile; uuid?: string | undefined },
  call: TimetonicCall,
): Promise<Ok> {
  const source = await openSource(file, call);
  const noted = nameOf('upload', [
    cell,
    given ?? ('base64' in file ? createHash('sha256').update(file.base64).digest('hex') : file),
  ]);
  const { place, uuid } = await placeFor(call, source, cell, noted, given);
  const sum = await checksumUpTo(source, place.offset);
  if (place.offset < source.size) await transfer(call, source, place.url, sum);
  const fileId = new URL(place.url).pathname.split('/').at(-1) ?? '';
  const meta = await readMeta(call, decodeURIComponent(fileId));
  const sha256 = sum.hash.digest('hex');
  check(meta, source, sha256);
  await call.notes.remove(noted);
  return { ...meta, uuid: meta.uuid ?? uuid, fileId, sha256 };
}

async function placeFor(
  call: TimetonicCall,
  source: Source,
  cell: Cell,
  noted: string,
  given: string | undefined,
): Promise<{ place: Place; uuid: string }> {
  const started = (await call.notes.read(noted))?.value as StartedUpload | undefined;
  if (started && started.size === source.size) {
    const offset = await offsetOf(call, started.url);
    if (offset !== undefined) return { place: { url: started.url, offset }, uuid: started.uuid };
  }
  const uuid = given ?? `${uuidPrefix}${call.random.bytes(16).toString('hex')}`;
  const place = await createUpload(call, source, cell, uuid);
  await call.notes.write(noted, { url: place.url, uuid, size: source.size } satisfies StartedUpload, keptSeconds);
  return { place, uuid };
}

/** The checksum of a file as far as it was read; bytes that are sent twice count once. */
interface Checksum {
  hash: Hash;
  upTo: number;
}

async function checksumUpTo(source: Source, offset: number): Promise<Checksum> {
  const sum = { hash: createHash('sha256'), upTo: 0 };
  if (offset > 0) for await (const chunk of counted(await source.open(0, offset), 0, sum)) void chunk;
  return sum;
}

async function* counted(content: Readable, start: number, sum: Checksum): AsyncGenerator<Buffer> {
  let at = start;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    if (at <= sum.upTo && at + chunk.length > sum.upTo) {
      sum.hash.update(chunk.subarray(sum.upTo - at));
      sum.upTo = at + chunk.length;
    }
    at += chunk.length;
    yield chunk;
  }
}

async function transfer(call: TimetonicCall, source: Source, url: string, sum: Checksum): Promise<void> {
  // Loaded on demand: no other call needs it.
  const { Upload } = await import('tus-js-client');
  let last: unknown;
  await new Promise<void>((resolve, reject) => {
    const upload = new Upload(Buffer.alloc(0), {
      uploadUrl: url,
      uploadSize: source.size,
      chunkSize: partBytes,
      retryDelays,
      storeFingerprintForResuming: false,
      httpStack: tusHttp(call, (error) => {
        last = error;
      }),
      fileReader: {
        openFile: async () => ({
          size: source.size,
          close: () => undefined,
          slice: async (start: number, end: number) => {
            if (sum.upTo < start) await catchUp(source, start, sum);
            // Not in byte mode, which copies every chunk.
            const part = Readable.from(counted(await source.open(start, end), start, sum), { highWaterMark: 1 });
            const value: SizedStream = Object.assign(part, { size: end - start });
            return { value, done: end >= source.size };
          },
        }),
      },
      onShouldRetry: (error) => !call.signal.aborted && mayRecover(error),
      onChunkComplete: (_size, accepted, total) => void call.progress?.(accepted, total).catch(() => undefined),
      onSuccess: () => resolve(),
      onError: (error) => reject(errorOf(error, last)),
    });
    const stop = () => {
      void upload.abort();
      reject(errorOf(call.signal.reason, undefined));
    };
    if (call.signal.aborted) return stop();
    call.signal.addEventListener('abort', stop, { once: true });
    upload.start();
  });
}

/** Bytes that the host has and this process has not read yet: needed only for the checksum. */
async function catchUp(source: Source, start: number, sum: Checksum): Promise<void> {
  for await (const chunk of counted(await source.open(sum.upTo, start), sum.upTo, sum)) void chunk;
}

function mayRecover(error: Error | DetailedError): boolean {
  const status = statusOf(error);
  // 409 means that the host has a different offset; querying it again returns that offset.
  return status === undefined ? !isOurs(error) : status >= 500 || status === 409 || status === 423 || status === 429;
}

/** Reading the file itself failed: another attempt would not help. */
function isOurs(error: Error | DetailedError): boolean {
  const cause = 'causingError' in error ? error.causingError : error;
  return cause instanceof GatewayError || (cause instanceof HttpFailure && cause.kind === 'refused-address');
}

function statusOf(error: unknown): number | undefined {
  const response =
    error !== null && typeof error === 'object' && 'originalResponse' in error
      ? (error as DetailedError).originalResponse
      : null;
  return response?.getStatus();
}

function errorOf(error: unknown, last: unknown): unknown {
  const cause =
    error !== null && typeof error === 'object' && 'causingError' in error
      ? (error as DetailedError).causingError
      : error;
  if (cause instanceof GatewayError) return cause;
  const status = statusOf(error);
  const hint = ' Call again with the same file: the upload continues where it stopped.';
  if (status !== undefined) {
    return timetonicError(
      'vendor_failed',
      `${title}'s upload host answered ${status} in the middle of the upload.${hint}`,
      { vendorCode: String(status), retryable: true },
    );
  }
  const failure = failureOf(
    last ?? cause,
    { name: 'timetonic', title: `${title}'s upload host` },
    'read',
    'the upload',
  );
  if (failure instanceof GatewayError) {
    return timetonicError(failure.code, `${failure.message}${hint}`, { retryable: true, cause: failure });
  }
  return timetonicError('vendor_timeout', `The time was up before the upload was done.${hint}`, { cause });
}

/** Throws if the vendor's own figures do not match the file. */
function check(meta: Ok, { size, name }: Source, sha256: string): void {
  const sizeThere = /^\d+$/.test(String(meta.filesize)) ? Number(meta.filesize) : size;
  const sumThere = typeof meta.checksum === 'string' ? /^sha256:([0-9a-f]{64})$/i.exec(meta.checksum)?.[1] : undefined;
  if (sizeThere === size && (sumThere === undefined || sumThere.toLowerCase() === sha256)) return;
  throw timetonicError(
    'vendor_failed',
    `${name} arrived at ${title} with ${sizeThere} bytes${sumThere === undefined ? '' : ` and the checksum ${sumThere}`}, but ${size} bytes with ${sha256} were sent.`,
    { outcome: 'refused' },
  );
}
