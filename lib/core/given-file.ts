import { Readable } from 'node:stream';
import * as z from 'zod/mini';
import { GatewayError, refusedField } from './errors.ts';
import { base64, field, named, text } from './field.ts';
import { type FileStore, maxUploadBytes, type StoredFile } from './files.ts';
import type { VendorCall } from './vendor.ts';
import { failureOf } from './vendor-failure.ts';

/** What of a call is used to read a file. */
type Reader = Pick<VendorCall, 'connection' | 'files' | 'http'>;

const fileName = () => z.string().check(z.regex(/^[^/\\\r\n"]{1,200}$/, 'must be a file name without a path'));
const contentType = () =>
  z.string().check(z.regex(/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/, 'must be a content type such as image/jpeg'));

const webAddress = () => z.url().check(z.refine((url) => /^https:/i.test(url), 'must be a public https address'));

/** A file to send: by address, staged through POST /v1/uploads, or as Base64. */
export const file = () =>
  field(
    z.union([
      named(
        'FileUrl',
        z.strictObject({ url: webAddress(), name: z.optional(fileName()), type: z.optional(contentType()) }),
      ),
      named(
        'FileUpload',
        z.strictObject({ uploadId: text(100), name: z.optional(fileName()), type: z.optional(contentType()) }),
      ),
      named('FileBase64', z.strictObject({ base64: base64(), name: fileName(), type: contentType() })),
      z.pipe(
        webAddress(),
        z.transform((url: string): { url: string; name?: string; type?: string } => ({ url })),
      ),
    ]),
    {
      description: 'An address (public https) or `{url}`, `{uploadId}` of POST /v1/uploads, or `{base64, name, type}`.',
      examples: [{ base64: 'SGVsbG8=', name: 'hello.txt', type: 'text/plain' }],
    },
  );

export type GivenFile = z.output<ReturnType<typeof file>>;

/** A file that can be read from any byte, as often as needed. */
export interface Source {
  name: string;
  type: string;
  size: number;
  /** Bytes from `start` up to but without `end`. */
  open(start: number, end: number): Promise<Readable>;
}

/** Base64 of 4 MB; what is larger, or of unknown length, takes longer than a call may. */
const quickBase64 = (4_000_000 / 3) * 4;
export const isSlow = (given: GivenFile): boolean => !('base64' in given) || given.base64.length > quickBase64;

/** Opens what was given: name, type and length are known then, the bytes are read later. */
export function openSource(given: GivenFile, call: Reader): Promise<Source> {
  if ('base64' in given) return Promise.resolve(fromBase64(given));
  return 'uploadId' in given ? fromUpload(given, call) : fromUrl(given, call);
}

function fromBase64({ base64: encoded, name, type }: { base64: string; name: string; type: string }): Source {
  const bytes = Buffer.from(encoded, 'base64');
  return { name, type, size: bytes.length, open: async (start, end) => Readable.from([bytes.subarray(start, end)]) };
}

async function fromUpload(
  given: { uploadId: string; name?: string | undefined; type?: string | undefined },
  call: Reader,
): Promise<Source> {
  const { uploadId } = given;
  const { size, type, name } = await findUpload(call.files, uploadId);
  return {
    name: given.name ?? name ?? 'file',
    type: given.type ?? type,
    size,
    open: async (start, end) =>
      start >= end ? Readable.from([]) : (await call.files.openRead(uploadId, { start, end: end - 1 })).stream,
  };
}

/** The properties of an upload. Throws `invalid_input` if it does not exist. */
async function findUpload(files: FileStore, uploadId: string): Promise<Omit<StoredFile, 'stream'>> {
  const isAbsent = (error: unknown) => error instanceof GatewayError && error.code === 'not_found';
  try {
    const { stream, ...known } = await files.openRead(uploadId, { start: 0, end: 0 }).catch((error: unknown) => {
      // An empty file has no first byte to ask for.
      if (isAbsent(error)) throw error;
      return files.openRead(uploadId);
    });
    stream.destroy();
    return known;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw refusedField('/file/uploadId', 'names no upload: put the bytes first, and send them within a day');
  }
}

/**
 * Throws `invalid_input` if the input names an upload that does not exist. A call that is handed on to a run checks this first:
 * the caller, who gets a 202, would not see the error.
 */
export async function requireUpload(files: FileStore, { file: given }: Record<string, unknown>): Promise<void> {
  if (given === null || typeof given !== 'object' || !('uploadId' in given)) return;
  if (typeof given.uploadId === 'string') await findUpload(files, given.uploadId);
}

const maxRedirects = 3;

/** Decodes percent-escapes; text that is not UTF-8 stays unchanged. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A file from the web. Only public addresses over https are allowed, whatever the connection itself may reach. */
async function fromUrl(
  given: { url: string; name?: string | undefined; type?: string | undefined },
  call: Reader,
): Promise<Source> {
  const first = await fetchFrom(call, given.url, 0);
  first.body.destroy();
  const { headers, url } = first;
  const size = lengthOf(headers);
  if (size === undefined)
    throw refusedField('/file/url', 'answers without a length; stage the file with POST /v1/uploads instead');
  if (size > maxUploadBytes) throw refusedField('/file/url', `has ${size} bytes, more than the 5 GB that are taken`);
  const mark = headers.etag ?? headers['last-modified'];
  const path = decoded(new URL(url).pathname.split('/').at(-1) ?? '');
  return {
    name: given.name ?? (path.replace(/[/\\\r\n"]/g, '').slice(-200) || 'file'),
    type:
      given.type ??
      (String(headers['content-type'] ?? '')
        .split(';')[0]
        ?.trim() ||
        'application/octet-stream'),
    size,
    async open(start, end) {
      const answer = await fetchFrom(call, url, start);
      const mine = answer.headers.etag ?? answer.headers['last-modified'];
      const whole =
        start === 0 || answer.status === 206
          ? (rangeSize(answer.headers) ?? lengthOf(answer.headers))
          : lengthOf(answer.headers);
      if (mine !== mark || whole !== size) {
        answer.body.destroy();
        throw refusedField('/file/url', 'has changed while it was read');
      }
      return Readable.from(cutOut(answer.body, answer.status === 206 ? 0 : start, end - start));
    },
  };
}

async function fetchFrom(call: Reader, address: string, start: number) {
  let url = address;
  for (let hop = 0; ; hop++) {
    const answer = await call.http
      .stream({
        method: 'GET',
        url,
        headers: { accept: '*/*', 'accept-encoding': 'identity', ...(start > 0 && { range: `bytes=${start}-` }) },
        timeoutMs: 30 * 60_000,
        maxBytes: maxUploadBytes,
        address: {},
      })
      .catch((error: unknown) => {
        const failure = failureOf(
          error,
          { name: call.connection.vendor, title: 'The file' },
          'read',
          'GET of the file',
        );
        throw failure instanceof GatewayError && failure.code === 'connection_needs_attention'
          ? refusedField('/file/url', 'is not a public https address')
          : failure;
      });
    const { status, headers } = answer;
    if (status === 200 || status === 206) return { ...answer, url };
    answer.body.destroy();
    if (status < 300 || status >= 400 || headers.location === undefined || hop >= maxRedirects)
      throw refusedField('/file/url', `could not be read: its server answered ${status}`);
    url = new URL(headers.location, url).href;
  }
}

function lengthOf(headers: { 'content-length'?: string | undefined }): number | undefined {
  const length = headers['content-length'];
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
}

function rangeSize(headers: { 'content-range'?: string | undefined }): number | undefined {
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

/** A part of a stream whose server does not support ranges. */
async function* cutOut(body: Readable, skip: number, length: number): AsyncGenerator<Buffer> {
  let [before, left] = [skip, length];
  if (left === 0) return void body.destroy();
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const part = chunk.subarray(Math.min(before, chunk.length), Math.min(chunk.length, before + left));
    before -= Math.min(before, chunk.length);
    left -= part.length;
    if (part.length > 0) yield part;
    if (left <= 0) return;
  }
}
