import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SandboxReply, SandboxRequest } from '../sandbox-server.ts';
import { type Arrived, storeFile } from './attachments.ts';
import { FileSink } from './byte-store.ts';
import { exactJson, raw } from './exact-json.ts';
import { queryRefusal } from './form-api.ts';
import { jsonHeaders, nokBody, serverVersion, VendorRefusal } from './refusal.ts';
import type { Upload } from './state.ts';
import { checkMetadata, metadataOf, TusRefusal, targetOfUpload } from './tus-metadata.ts';
import type { Vendor } from './vendor.ts';

const tus = { 'tus-resumable': '1.0.0' };
const maxSize = 50 * 1024 ** 3;

/** The sandbox host for resumable uploads: TUS 1.0.0 with creation, expiration and termination. */
export interface TusHost {
  /** Serves `/uploads`, `/uploads/{id}` and `/upload_meta/{id}`. */
  answer(request: SandboxRequest): Promise<SandboxReply>;
  /** Expires all unfinished uploads immediately; returns how many. */
  expire(): number;
}

/** Starts the upload host. Bytes that arrived before a restart are lost with it: such an upload is gone, as after its expiry. */
export function createTusHost(vendor: Vendor): TusHost {
  const sinks = new Map<string, FileSink>();
  /** The request that is currently writing to an upload. */
  const writers = new Map<string, { raw: IncomingMessage; over: Promise<unknown> }>();
  const { state } = vendor.sandbox;

  return {
    answer: async (request) => {
      try {
        const reply = await route(request);
        const misplaced = queryRefusal(request.query);
        return misplaced === undefined ? reply : { ...reply, refusal: misplaced };
      } catch (error) {
        if (!(error instanceof VendorRefusal)) throw error;
        const status = error instanceof TusRefusal ? error.status : 400;
        const headers = { ...jsonHeaders, ...tus };
        const body = nokBody(error.message, 'resumableUpload', state.switches);
        return {
          status,
          headers,
          body: request.method === 'HEAD' ? '' : body,
          ...(error.refusal && { refusal: error.message }),
        };
      }
    },
    expire: () => {
      const open = Object.values(state.uploads).filter(({ fileId }) => fileId === undefined);
      for (const upload of open) upload.expiresAt = vendor.sandbox.now() - 1;
      return open.length;
    },
  };

  async function route(request: SandboxRequest): Promise<SandboxReply> {
    const meta = /^(?:\/uploads)?\/upload_meta\/([^/]+)$/.exec(request.path)?.[1];
    if (meta !== undefined) return uploadMeta(request, meta);
    const id = /^\/uploads(?:\/([^/]*))?$/.exec(request.path)?.[1] || undefined;
    if (request.method === 'OPTIONS') {
      const offer = {
        'tus-version': '1.0.0',
        'tus-extension': 'creation,expiration,termination',
        'tus-max-size': String(maxSize),
      };
      return { status: 204, headers: { ...tus, ...offer } };
    }
    if (request.headers['tus-resumable'] !== '1.0.0')
      throw new TusRefusal(412, 'Tus-Resumable: 1.0.0 is expected', true);
    if (id === undefined) return create(request);
    if (request.method === 'HEAD') return headOf(live(id));
    if (request.method === 'PATCH') return append(request, live(id));
    if (request.method === 'DELETE') return end(live(id));
    throw new TusRefusal(405, `${request.method} is not for an upload`, true);
  }

  /** Creation: the standard's POST, or HEAD as the document has it, which finds an upload of the same uuid again. */
  function create(request: SandboxRequest): SandboxReply {
    const { tusCreation, uploadLife } = state.switches;
    const { method } = request;
    if (method !== 'POST' && method !== 'HEAD') throw new TusRefusal(405, `${method} does not create an upload`, true);
    if (method === 'POST' ? !tusCreation.post : !tusCreation.head)
      throw new TusRefusal(method === 'POST' ? 405 : 404, `no creation by ${method}`);
    const length = request.headers['upload-length'];
    if (typeof length !== 'string' || !/^\d+$/.test(length))
      throw new TusRefusal(400, 'Upload-Length is expected', true);
    if (Number(length) > maxSize) throw new TusRefusal(413, 'the file is too large');
    if (method === 'POST' && Number(request.headers['content-length'] ?? 0) > 0)
      throw new TusRefusal(400, 'creation takes no body', true);
    const metadata = metadataOf(request.headers['upload-metadata']);
    checkMetadata(vendor, metadata);

    const again = Object.values(state.uploads).find(
      (upload) => isOpen(upload) && upload.metadata.uuid === metadata.uuid && upload.metadata.o_u === metadata.o_u,
    );
    if (method === 'HEAD' && again) {
      if (again.length !== Number(length))
        throw new TusRefusal(409, `upload ${metadata.uuid} has ${again.length} bytes`);
      return { status: 200, headers: { ...tus, location: placeOf(again), ...progressOf(again) } };
    }
    const id = randomBytes(16).toString('hex');
    const expiresAt = vendor.sandbox.now() + uploadLife * 1000;
    const upload: Upload = { id, length: Number(length), offset: 0, metadata, expiresAt };
    state.uploads[id] = upload;
    sinks.set(id, new FileSink());
    if (upload.length === 0) finish(upload);
    return {
      status: method === 'POST' ? 201 : 200,
      headers: { ...tus, location: placeOf(upload), ...progressOf(upload) },
    };
  }

  function isOpen(upload: Upload): boolean {
    return upload.fileId === undefined && upload.expiresAt > vendor.sandbox.now() && sinks.has(upload.id);
  }

  /** An upload that exists, or the refusal that TUS defines for one that does not. */
  function live(id: string): Upload {
    const upload = Object.hasOwn(state.uploads, id) ? state.uploads[id] : undefined;
    if (!upload) throw new TusRefusal(404, 'unknown upload');
    if (upload.fileId !== undefined || isOpen(upload)) return upload;
    sinks.delete(id);
    throw new TusRefusal(410, 'the upload is gone');
  }

  function placeOf(upload: Upload): string {
    return `${vendor.sandbox.url}/uploads/${upload.id}`;
  }

  function headOf(upload: Upload): SandboxReply {
    return { status: 200, headers: { ...tus, ...progressOf(upload), 'cache-control': 'no-store' }, save: 'later' };
  }

  async function append(request: SandboxRequest, upload: Upload): Promise<SandboxReply> {
    if (request.headers['content-type'] !== 'application/offset+octet-stream') {
      throw new TusRefusal(415, 'application/offset+octet-stream is expected', true);
    }
    const claimed = request.headers['upload-offset'];
    if (typeof claimed !== 'string' || !/^\d+$/.test(claimed))
      throw new TusRefusal(400, 'Upload-Offset is expected', true);
    // A client that lost its connection returns before the host notices: the old request must not continue to write.
    const before = writers.get(upload.id);
    before?.raw.destroy();
    await before?.over;
    if (Number(claimed) !== upload.offset) throw new TusRefusal(409, `the offset is ${upload.offset}`);
    const sink = sinks.get(upload.id);
    if (!sink) throw new TusRefusal(403, 'the upload is complete');

    const writing = take(request.raw, upload, sink);
    writers.set(upload.id, { raw: request.raw, over: writing.catch(() => undefined) });
    try {
      if ((await writing) === 'cut') return { status: 0, write: (response) => void response.socket?.resetAndDestroy() };
    } finally {
      if (writers.get(upload.id)?.raw === request.raw) writers.delete(upload.id);
    }
    if (upload.offset === upload.length) finish(upload);
    return { status: 204, headers: { ...tus, ...progressOf(upload) }, save: 'later' };
  }

  /** Counts and hashes exactly the bytes that arrived, chunk by chunk, so that a cut connection loses none of them. */
  async function take(source: IncomingMessage, upload: Upload, sink: FileSink): Promise<'cut' | 'whole'> {
    const cut = vendor.requestFaults.takeUploadCut();
    let left = cut ?? Number.POSITIVE_INFINITY;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, Math.min(chunk.length, left));
      if (upload.offset + part.length > upload.length) throw new TusRefusal(413, 'more bytes than announced', true);
      sink.write(part);
      upload.offset += part.length;
      left -= part.length;
      if (left <= 0) return 'cut';
    }
    return 'whole';
  }

  function finish(upload: Upload): void {
    const content = sinks.get(upload.id)?.finish();
    sinks.delete(upload.id);
    if (!content) return;
    const { filename = '', filetype = '', uuid = '', o_u = '', b_o = '', b_c = '' } = upload.metadata;
    const arrived: Arrived = { uuid, originName: filename, contentType: filetype, by: o_u, book: { b_o, b_c } };
    upload.fileId = storeFile(vendor, arrived, content, targetOfUpload(vendor, upload.metadata)).id;
  }

  function end(upload: Upload): SandboxReply {
    delete state.uploads[upload.id];
    sinks.delete(upload.id);
    return { status: 204, headers: tus };
  }

  function uploadMeta(request: SandboxRequest, id: string): SandboxReply {
    if (request.method !== 'GET') throw new TusRefusal(405, 'GET is expected', true);
    const upload = Object.hasOwn(state.uploads, id) ? state.uploads[id] : undefined;
    const file = state.files.find((candidate) => candidate.id === upload?.fileId);
    if (!upload) throw new TusRefusal(404, 'unknown upload');
    if (!file)
      return {
        status: 200,
        headers: jsonHeaders,
        body: exactJson({ status: 'nok', success: false, error: 'upload is not complete' }),
        save: 'later',
      };
    const { metadata } = upload;
    const body = {
      filesize: String(file.size),
      filetype: file.contentType,
      filelastmodified: metadata.filelastmodified ?? '',
      version: metadata.version ?? serverVersion,
      o_u: metadata.o_u,
      u_c: metadata.u_c,
      b_o: file.b_o,
      b_c: file.b_c,
      uuid: file.uuid,
      sesskey: metadata.sesskey,
      status: 'ok',
      sstamp: raw(state.sstamp),
      success: true,
      type: file.type,
      fieldId: raw(file.fieldId ?? '0'),
      rowId: raw(file.rowId ?? '0'),
      id: file.id,
      ext: file.ext,
      mdc: String(file.mdc),
      originName: file.originName,
      internName: file.internName,
      checksum: `sha256:${file.sha256}`,
    };
    return { status: 200, headers: jsonHeaders, body: exactJson(body), save: 'later' };
  }
}

function progressOf(upload: Upload): Record<string, string> {
  const expires = { 'upload-expires': new Date(upload.expiresAt).toUTCString() };
  return {
    'upload-offset': String(upload.offset),
    'upload-length': String(upload.length),
    ...(upload.fileId === undefined && expires),
  };
}
