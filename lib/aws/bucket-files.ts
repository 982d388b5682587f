import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { GatewayError } from '../core/errors.ts';
import {
  attachment,
  type ByteRange,
  type FileStore,
  retentionOf,
  type StoredFile,
  uploadKey,
  uploadSeconds,
} from '../core/files.ts';
import { once } from '../core/once.ts';
import { type PartSizes, putStream } from './bucket-multipart.ts';

interface BucketOptions {
  /** Epoch milliseconds. */
  now?: () => number;
  client?: () => Promise<S3Client>;
  sizes?: PartSizes;
}

/** Files in a bucket. The S3 client is loaded at the first use, so that a cold start that touches no file pays nothing for it. */
export function bucketFiles(bucket: string, options: BucketOptions = {}): FileStore {
  const now = options.now ?? Date.now;
  const sdk = once(() => load(options.client));

  async function get(key: string, range: ByteRange = {}, what = `file ${key}`): Promise<StoredFile> {
    const { s3, client } = await sdk();
    const wanted = range.start === undefined && range.end === undefined ? undefined : headerOf(range);
    try {
      const found = await client.send(
        new s3.GetObjectCommand({ Bucket: bucket, Key: key, ...(wanted && { Range: wanted }) }),
      );
      const stream = found.Body as Readable;
      // The bucket's lifecycle removes files up to a day late.
      if (now() - (found.LastModified?.getTime() ?? 0) > retentionOf(key)) {
        stream.destroy();
        throw missing(what);
      }
      const name = found.Metadata?.name;
      return {
        stream,
        size: Number(found.ContentRange?.split('/')[1] ?? found.ContentLength),
        type: found.ContentType ?? 'application/octet-stream',
        ...(name !== undefined && { name: decodeURIComponent(name) }),
      };
    } catch (error) {
      if (error instanceof Error && absences.has(error.name)) throw missing(what, error);
      throw error;
    }
  }

  return {
    async createUpload({ name, type, size }) {
      const { s3, client, getSignedUrl } = await sdk();
      const uploadId = randomBytes(24).toString('base64url');
      const encodedName = encodeURIComponent(name.toWellFormed());
      const command = new s3.PutObjectCommand({
        Bucket: bucket,
        Key: uploadKey(uploadId),
        ContentType: type,
        ContentLength: size,
        // The link cannot be used to replace an uploaded file.
        IfNoneMatch: '*',
        Metadata: { name: encodedName },
      });
      const url = await getSignedUrl(client, command, {
        expiresIn: uploadSeconds,
        signableHeaders: new Set(['content-type']),
        unhoistableHeaders: new Set(['x-amz-meta-name']),
      });
      return {
        uploadId,
        method: 'PUT',
        url,
        headers: { 'content-type': type, 'if-none-match': '*', 'x-amz-meta-name': encodedName },
        expiresAt: new Date(now() + uploadSeconds * 1000).toISOString(),
      };
    },
    openRead: (uploadId, range) => get(uploadKey(uploadId), range, `upload ${uploadId}`),
    get,
    async put(key, content, type) {
      const { s3, client } = await sdk();
      const target = { Bucket: bucket, Key: key, ContentType: type };
      if (content instanceof Uint8Array) await client.send(new s3.PutObjectCommand({ ...target, Body: content }));
      else await putStream(s3, client, target, content, options.sizes);
    },
    async link(key, seconds, downloadName) {
      const { s3, client, getSignedUrl } = await sdk();
      const command = new s3.GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ResponseContentDisposition: attachment(downloadName),
      });
      return getSignedUrl(client, command, { expiresIn: seconds });
    },
    async remove(key) {
      const { s3, client } = await sdk();
      await client.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
  };
}

/** How long a connection may take to open, and S3 to begin its answer, in milliseconds. What is read then may be read slowly. */
const timeouts = { connectionTimeout: 2_000, requestTimeout: 30_000, throwOnRequestTimeout: true };

// Without the right to list the bucket, S3 answers AccessDenied for a file that does not exist.
const absences = new Set(['NoSuchKey', 'NotFound', 'AccessDenied']);

function missing(what: string, cause?: Error): GatewayError {
  return new GatewayError('not_found', `The ${what} was never received, or is no longer kept: send it again.`, {
    cause,
  });
}

function headerOf({ start = 0, end }: ByteRange): string {
  return `bytes=${start}-${end ?? ''}`;
}

async function load(client?: () => Promise<S3Client>) {
  const [s3, { getSignedUrl }] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/s3-request-presigner'),
  ]);
  return {
    s3,
    getSignedUrl,
    // By default the SDK signs the checksum of an empty body into a presigned upload, and S3 then refuses the real one.
    client: client
      ? await client()
      : new s3.S3Client({
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED',
          requestHandler: timeouts,
        }),
  };
}
