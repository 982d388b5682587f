import type { Readable } from 'node:stream';

/** What a caller promises to upload; `size` is in bytes, and exactly that many are taken. */
export interface UploadPromise {
  name: string;
  type: string;
  size: number;
}

/** Where and how to put a file: one request with this method, these headers and the bytes as its body. */
export interface UploadTarget {
  uploadId: string;
  method: 'PUT';
  url: string;
  headers: Record<string, string>;
  /** ISO 8601. The upload must start before this time. */
  expiresAt: string;
}

/** Part of a file in bytes, both ends included, as in an HTTP range; without an end it runs to the last byte. */
export interface ByteRange {
  start?: number;
  end?: number;
}

/** A file that is being read. `size` is that of the whole file, also when a range was asked for. */
export interface StoredFile {
  stream: Readable;
  size: number;
  type: string;
  name?: string;
}

/**
 * File storage next to the table: the bucket on AWS, a directory on one machine. Keys are paths such as `answers/{requestId}`.
 * Reading a file that does not exist, or is older than its retention, throws `not_found`.
 */
export interface FileStore {
  createUpload(promise: UploadPromise): Promise<UploadTarget>;
  openRead(uploadId: string, range?: ByteRange): Promise<StoredFile>;
  get(key: string, range?: ByteRange): Promise<StoredFile>;
  /** Stores a stream of any length in constant memory; replaces an existing file. */
  put(key: string, content: Uint8Array | Readable, type: string): Promise<void>;
  /** A URL from which anyone can download the file under the name, for a number of seconds. */
  link(key: string, seconds: number, downloadName?: string): Promise<string>;
  /** Removing a missing file is not an error. */
  remove(key: string): Promise<void>;
  /** The bytes that are left, where room can run out: on one machine. */
  freeBytes?(): Promise<number>;
}

/** The largest upload in bytes: what a bucket takes in one request. */
export const maxUploadBytes = 5 * 1024 ** 3;

/** Seconds within which an upload must start. */
export const uploadSeconds = 60 * 60;

/** The key of an uploaded file. */
export const uploadKey = (uploadId: string): string => `uploads/${uploadId}`;

/** Days that files are kept, by key prefix. The bucket's lifecycle rules and the local sweep follow it. */
export const retentionDays: Readonly<Record<string, number>> = {
  'uploads/': 1,
  'answers/': 1,
  'idempotency/': 2,
  'runs/': 31,
  'calls/': 31,
  'events/': 31,
};

/** Milliseconds that the file of a key is kept; one without a rule is kept for ever. */
export function retentionOf(key: string): number {
  const prefix = Object.keys(retentionDays).find((each) => key.startsWith(each));
  return (prefix === undefined ? Number.POSITIVE_INFINITY : (retentionDays[prefix] ?? 0)) * 24 * 60 * 60 * 1000;
}

/** The header that makes a browser save a file under a name, whatever characters the name has. */
export function attachment(name: string | undefined): string {
  if (name === undefined) return 'attachment';
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
