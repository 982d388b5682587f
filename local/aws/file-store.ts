import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { log } from '../../lib/aws/log.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { attachment, type FileStore, type StoredFile, uploadKey, uploadSeconds } from '../../lib/core/files.ts';
import { lockDirectory } from '../runtime/process-lock.ts';
import { diskFiles } from './disk-files.ts';
import { writeMessage } from './gateway-answer.ts';
import type { StreamRoute } from './http-bridge.ts';
import { linkTokens } from './link-token.ts';

export interface FileStoreOptions {
  directory: string;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** Files on disk, with the routes that take uploads and give downloads. */
export interface LocalFileStore extends FileStore {
  routes: readonly StreamRoute[];
  /** Sets the address under which the routes answer. */
  attach(url: string): void;
  /** Removes expired files. This also happens at the start and every hour. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

type UploadTicket = { uploadId: string; name: string; type: string; size: number };
type DownloadTicket = { key: string; name?: string };

const hour = 60 * 60 * 1000;

/** Opens the file store of a directory exclusively for this process. */
export async function startFileStore(options: FileStoreOptions): Promise<LocalFileStore> {
  const now = options.now ?? Date.now;
  const { directory } = options;
  const lock = lockDirectory(directory);
  const files = diskFiles(directory, now);
  const key = loadKey(join(directory, 'key'));
  const uploads = linkTokens<UploadTicket>(key, 'upload');
  const downloads = linkTokens<DownloadTicket>(key, 'download');
  const receiving = new Set<string>();
  let origin = '';
  // The next sweep catches up after a failed one, such as one without a free file descriptor.
  const sweep = () =>
    files
      .sweep()
      .catch((error) => log({ level: 'error', message: 'expired files were not removed', reason: `${error}` }));
  await sweep();
  const sweeping = setInterval(sweep, hour).unref();

  async function receive(request: IncomingMessage, response: ServerResponse, token: string): Promise<void> {
    const ticket = uploads.read(token, now());
    if (typeof ticket === 'string') return writeMessage(response, 403, refusals[ticket]);
    const { uploadId, name, type, size } = ticket;
    const length = request.headers['content-length'];
    if (length === undefined) return writeMessage(response, 411, 'Send the length of the file in Content-Length.');
    if (Number(length) !== size)
      return writeMessage(
        response,
        400,
        `The upload was announced with ${size} bytes, and this request has ${length}.`,
      );
    if (request.headers['content-range'] !== undefined) {
      return writeMessage(response, 400, 'Send the whole file in one request.');
    }
    if (receiving.has(uploadId)) return writeMessage(response, 409, 'This file is being uploaded already.');
    receiving.add(uploadId);
    // Its client is still there while a slow disk takes the last bytes.
    request.once('end', () => request.setTimeout(0));
    try {
      if ((await files.find(uploadKey(uploadId))) !== undefined) {
        return writeMessage(response, 412, 'This file was uploaded already.');
      }
      await files.write(uploadKey(uploadId), request, { type, name });
      response.writeHead(200, { 'content-length': '0' }).end();
    } finally {
      receiving.delete(uploadId);
    }
  }

  async function give(request: IncomingMessage, response: ServerResponse, token: string): Promise<void> {
    const ticket = downloads.read(token, now());
    if (typeof ticket === 'string') return writeMessage(response, 403, refusals[ticket]);
    const record = await files.find(ticket.key);
    const range = record && parseRange(request.headers.range, record.size);
    const file = record && range !== 'unsatisfiable' ? await files.read(ticket.key, range) : undefined;
    if (record === undefined || (file === undefined && range !== 'unsatisfiable')) {
      return writeMessage(response, 404, 'This file is no longer kept.');
    }
    if (file === undefined || range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${record.size}` }).end();
      return;
    }
    await send(request, response, file, range, ticket.name);
  }

  async function read(fileKey: string, what: string, range?: Parameters<typeof files.read>[1]): Promise<StoredFile> {
    const file = await files.read(fileKey, range);
    if (file !== undefined) return file;
    throw new GatewayError('not_found', `The ${what} was never received, or is no longer kept: send it again.`);
  }

  return {
    async createUpload({ name, type, size }) {
      const uploadId = randomBytes(24).toString('base64url');
      const expiresAt = now() + uploadSeconds * 1000;
      return {
        uploadId,
        method: 'PUT',
        url: `${origin}/uploads/${uploads.sign({ uploadId, name, type, size }, expiresAt)}`,
        headers: { 'content-type': type },
        expiresAt: new Date(expiresAt).toISOString(),
      };
    },
    openRead: (uploadId, range) => read(uploadKey(uploadId), `upload ${uploadId}`, range),
    get: (fileKey, range) => read(fileKey, `file ${fileKey}`, range),
    async freeBytes() {
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
    put: async (fileKey, content, type) => void (await files.write(fileKey, content, { type })),
    async link(fileKey, seconds, downloadName) {
      const ticket = { key: fileKey, ...(downloadName !== undefined && { name: downloadName }) };
      return `${origin}/files/${downloads.sign(ticket, now() + seconds * 1000)}`;
    },
    remove: files.remove,
    sweep: files.sweep,
    routes: [
      { method: 'PUT', path: '/uploads/{token}', stream: guarded(receive) },
      { method: 'GET', path: '/files/{token}', stream: guarded(give) },
      { method: 'HEAD', path: '/files/{token}', stream: guarded(give) },
    ],
    attach: (url) => {
      origin = url;
    },
    close: async () => {
      clearInterval(sweeping);
      lock.release();
    },
  };
}

const refusals = {
  forged: 'This link is not valid.',
  expired: 'This link has expired. Request a new one.',
} as const;

/** A failure during a request, such as a client that disconnects, ends only that request. */
function guarded(handle: (request: IncomingMessage, response: ServerResponse, token: string) => Promise<void>) {
  return (request: IncomingMessage, response: ServerResponse, { token = '' }: Record<string, string>) => {
    handle(request, response, token).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOSPC') writeMessage(response, 507, 'There is no room left for this file.');
      else writeMessage(response, 500, 'The file could not be stored or read.');
      if (!response.writableEnded) response.destroy();
    });
  };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  file: StoredFile,
  range: Range | undefined,
  name: string | undefined,
): Promise<void> {
  const length = range ? range.end - range.start + 1 : file.size;
  response.writeHead(range ? 206 : 200, {
    'content-type': /^[\x21-\x7e][\x20-\x7e]*$/.test(file.type) ? file.type : 'application/octet-stream',
    'content-length': String(length),
    'content-disposition': attachment(name),
    'accept-ranges': 'bytes',
    // An uploaded file must not run as a page of this origin.
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
    ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${file.size}` }),
  });
  if (request.method === 'HEAD') {
    file.stream.destroy();
    response.end();
  } else {
    await pipeline(file.stream, response);
  }
}

interface Range {
  start: number;
  end: number;
}

/** One range of bytes, as RFC 9110 has it; anything else asks for the whole file. */
function parseRange(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? 'unsatisfiable' : { start, end };
}

function loadKey(file: string): Buffer {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, randomBytes(32), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file);
}
