import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type LocalFileStore, startFileStore } from '../../../local/aws/file-store.ts';
import { type HttpBridge, startHttpBridge } from '../../../local/aws/http-bridge.ts';
import { failure, inBook, startTimetonic } from '../../../test/support/timetonic-caller.ts';
import { GatewayError } from '../../core/errors.ts';
import { openSource } from '../../core/given-file.ts';
import type { HttpClient } from '../../core/http/client.ts';
import { resumableUpload } from './files/resumable-upload.ts';

let tt: Awaited<ReturnType<typeof startTimetonic>>;
let connection: Awaited<ReturnType<typeof tt.connect>>;
let files: LocalFileStore;
let bridge: HttpBridge;
const directory = mkdtempSync(join(tmpdir(), 'trunkline-timetonic-'));
beforeAll(async () => {
  tt = await startTimetonic();
  connection = await tt.connect();
  files = await startFileStore({ directory, now: Date.now });
  bridge = await startHttpBridge({ routes: [], files });
});
afterEach(() => {
  tt.sandbox.clearFaults();
  tt.sandbox.control.setSwitches({ tusCreation: { post: true, head: true } });
});
afterAll(async () => {
  await bridge.close();
  await files.close();
  await tt.stop();
  rmSync(directory, { recursive: true, force: true });
});

const cell = () => {
  const { rows = [], fields = {} } = tt.sandbox.control.tables().Incidents ?? {};
  return { ...inBook, rowId: rows[0] ?? '', fieldId: fields.Photo ?? '' };
};
const bytesOf = (size: number) => Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) % 251));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Stages bytes as `POST /v1/uploads` does. */
async function staged(bytes: Buffer<ArrayBuffer>, name = 'film.mp4', type = 'video/mp4') {
  const { uploadId, url, headers } = await files.createUpload({ name, type, size: bytes.length });
  const put = await fetch(url, { method: 'PUT', headers, body: bytes });
  expect(put.ok).toBe(true);
  return { uploadId };
}
const upload = async (name: string, input: Record<string, unknown>) => {
  const answer = await connection.answer(name, input, files);
  if ('file' in answer) throw new Error('a file');
  return answer.body as Record<string, unknown>;
};
const arrived = (id: unknown) => tt.sandbox.state.files.find((file) => file.id === id);

test('a staged file goes into a cell in one multipart request, byte for byte', async () => {
  const bytes = bytesOf(3_000_001);
  const body = await upload('fileUpload', {
    ...cell(),
    file: await staged(bytes, 'a "b" é.bin', 'application/octet-stream'),
  });
  expect(arrived(body.id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes), type: 'doc' });
});

test('a file sent again with its uuid is attached once, and a dead key in between is replaced', async () => {
  const before = tt.sandbox.state.files.length;
  const file = { base64: 'SGVsbG8=', name: 'h.txt', type: 'text/plain' };
  tt.sandbox.control.killSesskey();
  const first = await upload('fileUpload', { ...cell(), file, uuid: 'photo-1' });
  expect(await upload('fileUpload', { ...cell(), file, uuid: 'photo-1' })).toMatchObject({
    id: first.id,
    existing: true,
  });
  expect(tt.sandbox.state.files.length).toBe(before + 1);
});

test('a file without a target is refused before anything is sent', async () => {
  const file = { base64: 'SGVsbG8=', name: 'h.txt', type: 'text/plain' };
  for (const place of [{}, { rowId: '1' }, { smid: '1', rowId: '1', fieldId: '2' }]) {
    expect(await failure(upload('fileUpload', { ...inBook, ...place, file }))).toMatchObject({ code: 'invalid_input' });
  }
  expect(await failure(upload('fileUpload', { ...inBook, smid: '1', file: { uploadId: 'none' } }))).toMatchObject({
    code: 'invalid_input',
    errors: [{ pointer: '/file/uploadId' }],
  });
});

test.each(['post', 'head'] as const)('a resumable upload created by %s arrives whole', async (way) => {
  tt.sandbox.control.setSwitches({ tusCreation: { post: way === 'post', head: way === 'head' } });
  const fresh = await tt.connect();
  const bytes = bytesOf(70_000);
  const answer = await fresh.answer('resumableUpload', { ...cell(), file: await staged(bytes) }, files);
  const body = 'body' in answer ? (answer.body as Record<string, unknown>) : {};
  expect(arrived(body.id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes), type: 'media' });
  expect(body).toMatchObject({ sha256: sha256(bytes), originName: 'film.mp4' });
  expect(JSON.stringify(body)).not.toContain(Object.keys(tt.sandbox.state.sesskeys).at(-1));
});

test.each([1, 4_095, 65_536, 199_999])(
  'an upload that is interrupted after %i bytes continues there',
  async (afterBytes) => {
    const bytes = bytesOf(200_000);
    tt.sandbox.reset();
    tt.sandbox.control.cutUploads({ afterBytes });
    const body = await upload('resumableUpload', { ...cell(), file: await staged(bytes) });
    expect(arrived(body.id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    const offsets = tt.sandbox.journal
      .filter(({ method }) => method === 'PATCH')
      .map(({ headers }) => Number(headers['upload-offset']));
    expect(offsets).toEqual([0, afterBytes]);
  },
);

test('an upload survives the end of its process: the next call continues at the same byte', async () => {
  const bytes = bytesOf(500_000);
  const file = await staged(bytes);
  tt.sandbox.reset();
  tt.sandbox.control.cutUploads({ afterBytes: 123_457 });
  const ending = new AbortController();
  const plain = connection.vendorCall({ files }, ending.signal);
  const http: HttpClient = {
    ...plain.http,
    request: (options) =>
      plain.http.request(options).catch((error: unknown) => {
        if (options.method === 'PATCH') ending.abort(new Error('the process ends'));
        throw error;
      }),
  };
  const call = { ...plain, http };
  const error = await failure(resumableUpload({ ...cell(), file }, call));
  expect(error.message).toContain('continues where it stopped');
  tt.sandbox.clearFaults();
  const body = await upload('resumableUpload', { ...cell(), file });
  expect(arrived(body.id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
  expect(tt.sandbox.journal.filter(({ method, path }) => method === 'POST' && path === '/uploads')).toHaveLength(1);
  expect(tt.sandbox.journal.filter(({ method }) => method === 'PATCH').at(-1)?.headers['upload-offset']).toBe('123457');
});

test('an upload that the host has forgotten starts again, and an expired key is replaced', async () => {
  const bytes = bytesOf(10_000);
  const file = await staged(bytes);
  tt.sandbox.control.cutUploads({ afterBytes: 5_000, times: 9 });
  tt.sandbox.fault({ kind: 'status', status: 400, method: 'HEAD', path: '/uploads/' });
  await failure(upload('resumableUpload', { ...cell(), file }));
  tt.sandbox.clearFaults();
  tt.sandbox.control.expireUploads();
  tt.sandbox.control.killSesskey();
  const body = await upload('resumableUpload', { ...cell(), file });
  expect(arrived(body.id)).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
  expect(await upload('getUploadMeta', { fileId: body.fileId })).toMatchObject({ id: body.id, filesize: '10000' });
});

test('a connection without uploadUrl says what to do', async () => {
  const { call } = await tt.connect({ uploadUrl: undefined });
  const error = await failure(
    call('resumableUpload', { ...cell(), file: { base64: 'SGVsbG8=', name: 'h.txt', type: 'text/plain' } }),
  );
  expect(error.message).toContain('set it, or use fileUpload');
});

test('files are returned unchanged with content type and name, and an interrupted download is an error of the vendor', async () => {
  const stored = await tt.sandbox.control.generateFile({
    name: 'große datei.bin',
    type: 'application/x-thing',
    size: 2_000_000,
  });
  const input = { size: 'full', ...inBook, docId: stored.id };
  const answer = await connection.answer('openDocumentById', input);
  if (!('file' in answer)) throw new Error('no file');
  expect(answer.file).toMatchObject({ type: 'application/x-thing', name: 'große datei.bin', size: 2_000_000 });
  expect(sha256(await buffer(answer.file.stream))).toBe(stored.sha256);

  tt.sandbox.control.cutDownloads({ afterBytes: 1_000_000 });
  const cut = await connection.answer('openDocumentById', input);
  if (!('file' in cut)) throw new Error('no file');
  expect(await failure(buffer(cut.file.stream))).toBeInstanceOf(GatewayError);
});

test('a refusal in place of a file is an error: an expired key is renewed, a missing file is 404, a JSON file stays a file', async () => {
  const stored = await tt.sandbox.control.generateFile({ name: 'data.json', type: 'application/json', size: 10 });
  tt.sandbox.control.killSesskey();
  const answer = await connection.answer('openDocumentById', { size: 'full', ...inBook, docId: stored.id });
  expect('file' in answer && answer.file.type).toBe('application/json');
  expect(await failure(connection.answer('openDocumentById', { size: 'full', ...inBook, docId: 1 }))).toMatchObject({
    code: 'vendor_not_found',
    status: 404,
  });
  expect(
    await failure(connection.answer('getImageById', { size: 'full', bookOwner: 'demo', bookCode: 'none', imageId: 1 })),
  ).toMatchObject({ code: 'vendor_not_found' });
});

test('a file by its internal name is requested without a key', async () => {
  const doc = tt.sandbox.state.files.find(({ type }) => type === 'doc');
  tt.sandbox.reset();
  await connection.answer('openDocumentByName', { size: 'full', internalNameOrUuid: doc?.uuid });
  expect(tt.sandbox.journal.at(-1)).toMatchObject({ method: 'GET', body: '' });
});

/** A web server of this test with the given answers. */
function webOf(
  answer: (
    headers: Record<string, unknown>,
    url: string,
  ) => { status: number; headers: Record<string, string>; bytes?: Buffer },
) {
  const seen: { url: string; address: unknown }[] = [];
  const http: HttpClient = {
    request: () => Promise.reject(new Error('not here')),
    stream: async ({ url, headers, address }) => {
      seen.push({ url: String(url), address });
      const { bytes = Buffer.alloc(0), ...rest } = answer({ ...headers }, String(url));
      return { ...rest, body: Readable.from([bytes]) };
    },
  };
  return { http, seen };
}

test('a file of the web is fetched only from public addresses, over redirects, and read from any byte', async () => {
  const bytes = bytesOf(1000);
  const { http, seen } = webOf((headers, url) => {
    if (url.endsWith('/old')) return { status: 302, headers: { location: '/new%20name.bin?x=1' } };
    const from = Number(/bytes=(\d+)-/.exec(String(headers.range ?? ''))?.[1] ?? 0);
    return {
      status: 200,
      headers: { 'content-length': '1000', 'content-type': 'image/png; q=1', etag: 'a' },
      bytes: from > 5000 ? Buffer.alloc(0) : bytes,
    };
  });
  const source = await openSource({ url: 'https://files.example.com/old' }, { ...connection.vendorCall(), http });
  expect(source).toMatchObject({ name: 'new name.bin', type: 'image/png', size: 1000 });
  expect(await buffer(await source.open(990, 1000))).toEqual(bytes.subarray(990));
  expect(seen.every(({ address }) => JSON.stringify(address) === '{}')).toBe(true);
  const real = await failure(openSource({ url: 'https://127.0.0.1/x' }, connection.vendorCall()));
  expect(real).toMatchObject({ code: 'invalid_input' });
});

test('a file of the web that changes while it is read is refused', async () => {
  let etag = 'one';
  const { http } = webOf(() => ({ status: 200, headers: { 'content-length': '4', etag }, bytes: Buffer.from('abcd') }));
  const source = await openSource({ url: 'https://files.example.com/a' }, { ...connection.vendorCall(), http });
  etag = 'two';
  expect((await failure(source.open(0, 4))).message).toContain('has changed');
});
