import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { attachment } from '../core/files.ts';
import { bucketFiles } from './bucket-files.ts';

const bucket = mockClient(S3Client);
const time = Date.parse('2026-11-01T12:00:00Z');
const hour = 60 * 60 * 1000;
const client = new S3Client({
  region: 'eu-central-1',
  credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' },
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
});
const files = bucketFiles('files', { now: () => time, client: async () => client, sizes: { part: 10 } });

beforeEach(() => bucket.reset());

const text = async (stream: Readable) => Buffer.concat(await stream.toArray()).toString();
/** What the SDK gives as a body, as far as the code reads it. */
const body = (content: string) => Readable.from([Buffer.from(content)]) as never;

describe('an upload', () => {
  const promise = { name: 'Müller, "Plan".pdf', type: 'application/pdf', size: 12_345 };

  test('is a presigned PUT that binds length, type, name and the refusal to overwrite', async () => {
    const target = await files.createUpload(promise);
    const url = new URL(target.url);
    expect(url.pathname).toBe(`/uploads/${target.uploadId}`);
    expect(url.searchParams.get('X-Amz-SignedHeaders')?.split(';')).toEqual([
      'content-length',
      'content-type',
      'host',
      'if-none-match',
      'x-amz-meta-name',
    ]);
    expect(target.headers).toEqual({
      'content-type': 'application/pdf',
      'if-none-match': '*',
      'x-amz-meta-name': 'M%C3%BCller%2C%20%22Plan%22.pdf',
    });
    expect(target).toMatchObject({ method: 'PUT', expiresAt: '2026-11-01T13:00:00.000Z' });
    expect(url.searchParams.get('X-Amz-Expires')).toBe('3600');
  });

  test('carries no checksum of an empty body, against which S3 would check the real one', async () => {
    expect((await files.createUpload(promise)).url).not.toMatch(/checksum|crc32/i);
  });

  test('has another signature for another length', async () => {
    const signature = async (size: number) =>
      new URL((await files.createUpload({ ...promise, size })).url).searchParams.get('X-Amz-Signature');
    expect(await signature(1)).not.toBe(await signature(2));
  });

  test('is read back with its name, type and whole size, also in part', async () => {
    bucket.on(GetObjectCommand).resolves({
      Body: body('lo w'),
      ContentType: 'text/plain',
      ContentLength: 4,
      ContentRange: 'bytes 3-6/11',
      LastModified: new Date(time - hour),
      Metadata: { name: 'gr%C3%BC%C3%9Fe.txt' },
    });
    const file = await files.openRead('abc', { start: 3, end: 6 });
    expect(file).toMatchObject({ size: 11, type: 'text/plain', name: 'grüße.txt' });
    expect(await text(file.stream)).toBe('lo w');
    expect(bucket.commandCalls(GetObjectCommand)[0]?.args[0].input).toMatchObject({
      Bucket: 'files',
      Key: 'uploads/abc',
      Range: 'bytes=3-6',
    });
  });

  test('is gone after a day even where the bucket still has it', async () => {
    const at = (age: number) =>
      bucket.on(GetObjectCommand).resolves({ Body: body('x'), ContentLength: 1, LastModified: new Date(time - age) });
    at(24 * hour - 1000);
    expect((await files.openRead('abc')).size).toBe(1);
    at(24 * hour + 1000);
    await expect(files.openRead('abc')).rejects.toMatchObject({ name: 'GatewayError', code: 'not_found' });
  });

  test.each(['NoSuchKey', 'AccessDenied'])('that is not there (%s) is a clear not_found', async (name) => {
    const error = Object.assign(new Error('no'), { name });
    bucket.on(GetObjectCommand).rejects(error);
    await expect(files.openRead('abc')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('upload abc'),
    });
  });

  test('another failure is not reported as not_found', async () => {
    bucket.on(GetObjectCommand).rejects(Object.assign(new Error('slow down'), { name: 'SlowDown' }));
    await expect(files.get('answers/1')).rejects.toMatchObject({ name: 'SlowDown' });
  });
});

describe('storing', () => {
  test('bytes and short streams take one request', async () => {
    bucket.on(PutObjectCommand).resolves({});
    await files.put('answers/1', Buffer.from('abc'), 'text/plain');
    await files.put('answers/2', Readable.from([Buffer.from('0123'), Buffer.from('456789')]), 'text/plain');
    await files.put('answers/3', Readable.from([]), 'text/plain');
    const sent = bucket.commandCalls(PutObjectCommand).map(({ args }) => args[0].input);
    expect(sent.map(({ Key, Body }) => [Key, Buffer.from(Body as Uint8Array).toString()])).toEqual([
      ['answers/1', 'abc'],
      ['answers/2', '0123456789'],
      ['answers/3', ''],
    ]);
    expect(bucket.commandCalls(CreateMultipartUploadCommand)).toHaveLength(0);
  });

  function acceptParts() {
    bucket.on(CreateMultipartUploadCommand).resolves({ UploadId: 'u' });
    bucket.on(UploadPartCommand).callsFake(({ PartNumber }) => ({ ETag: `etag-${PartNumber}` }));
    bucket.on(CompleteMultipartUploadCommand).resolves({});
    bucket.on(AbortMultipartUploadCommand).resolves({});
  }

  test('a long stream goes in parts of equal size, whatever its chunks', async () => {
    acceptParts();
    await files.put(
      'answers/1',
      Readable.from(['01', '23456789abcdefghijklm', 'n'].map((each) => Buffer.from(each))),
      'text/plain',
    );
    expect(
      bucket
        .commandCalls(UploadPartCommand)
        .map(({ args }) => Buffer.from(args[0].input.Body as Uint8Array).toString()),
    ).toEqual(['0123456789', 'abcdefghij', 'klmn']);
    expect(bucket.commandCalls(CompleteMultipartUploadCommand)[0]?.args[0].input.MultipartUpload?.Parts).toEqual([
      { ETag: 'etag-1', PartNumber: 1 },
      { ETag: 'etag-2', PartNumber: 2 },
      { ETag: 'etag-3', PartNumber: 3 },
    ]);
  });

  test('a stream that breaks leaves no half file', async () => {
    acceptParts();
    const breaking = Readable.from(
      (async function* () {
        yield Buffer.alloc(25);
        throw new Error('cut');
      })(),
    );
    await expect(files.put('answers/1', breaking, 'text/plain')).rejects.toThrow('cut');
    expect(bucket.commandCalls(AbortMultipartUploadCommand)).toHaveLength(1);
    expect(bucket.commandCalls(CompleteMultipartUploadCommand)).toHaveLength(0);
  });
});

test('a link is a download under its name for the time asked', async () => {
  const url = new URL(await files.link('answers/1', 900, 'Bericht "März".pdf'));
  expect(url.pathname).toBe('/answers/1');
  expect(url.searchParams.get('X-Amz-Expires')).toBe('900');
  expect(url.searchParams.get('response-content-disposition')).toBe(
    `attachment; filename="Bericht _M_rz_.pdf"; filename*=UTF-8''Bericht%20%22M%C3%A4rz%22.pdf`,
  );
});

test('a name cannot inject into the header', () => {
  expect(attachment('a"\r\nSet-Cookie: x=1')).not.toMatch(/[\r\n]/);
  expect(attachment('\ud800')).toContain('%EF%BF%BD');
  expect(attachment(undefined)).toBe('attachment');
});

test('removing deletes the object', async () => {
  bucket.on(DeleteObjectCommand).resolves({});
  await files.remove('answers/1');
  expect(bucket.commandCalls(DeleteObjectCommand)[0]?.args[0].input).toEqual({ Bucket: 'files', Key: 'answers/1' });
});
