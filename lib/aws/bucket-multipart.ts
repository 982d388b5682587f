import type { Readable } from 'node:stream';
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3';

/** Bytes of one part; S3 takes at least 5 MB for all but the last. */
export interface PartSizes {
  part: number;
}

interface Target {
  Bucket: string;
  Key: string;
  ContentType: string;
}

/** Stores a stream of unknown length with one part at a time in memory; nothing is left behind when the stream fails. */
export async function putStream(
  s3: typeof import('@aws-sdk/client-s3'),
  client: S3Client,
  target: Target,
  content: Readable,
  sizes: PartSizes = { part: 8 * 1024 * 1024 },
): Promise<void> {
  const parts = partsOf(content, sizes.part);
  const first = (await parts.next()).value ?? Buffer.alloc(0);
  const second = (await parts.next()).value;
  if (second === undefined) {
    await client.send(new s3.PutObjectCommand({ ...target, Body: first }));
    return;
  }
  const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand(target));
  const upload = { Bucket: target.Bucket, Key: target.Key, UploadId };
  const sent: CompletedPart[] = [];
  const send = async (body: Buffer) => {
    const PartNumber = sent.length + 1;
    const { ETag } = await client.send(new s3.UploadPartCommand({ ...upload, PartNumber, Body: body }));
    sent.push({ ETag, PartNumber });
  };
  try {
    await send(first);
    await send(second);
    for await (const part of parts) await send(part);
    await client.send(new s3.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: sent } }));
  } catch (error) {
    await client.send(new s3.AbortMultipartUploadCommand(upload));
    throw error;
  }
}

async function* partsOf(content: Readable, size: number): AsyncGenerator<Buffer, undefined, undefined> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    held.push(chunk);
    length += chunk.length;
    while (length >= size) {
      const whole = Buffer.concat(held);
      yield whole.subarray(0, size);
      held = [whole.subarray(size)];
      length -= size;
    }
  }
  if (length > 0) yield Buffer.concat(held);
  return undefined;
}
