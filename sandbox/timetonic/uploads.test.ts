import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { Upload } from 'tus-js-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { at, logIn, type TimetonicClient } from '../../test/support/timetonic-client.ts';
import { generatedBytes } from './byte-store.ts';
import { startTimetonicSandbox, type TimetonicSandbox } from './index.ts';

let sandbox: TimetonicSandbox;
let demo: TimetonicClient;
let metadata: Record<string, string>;

beforeEach(async () => {
  sandbox = await startTimetonicSandbox();
  demo = await logIn(sandbox);
  const { o_u, u_c, sesskey } = demo.me;
  metadata = {
    o_u,
    u_c,
    sesskey,
    b_o: 'demo',
    b_c: 'operations',
    rowId: '19975055',
    fieldId: '1367499',
    uuid: 'UP-1',
    filename: 'film.mp4',
    filetype: 'video/mp4',
  };
});
afterEach(() => sandbox.close());

const tus = { 'tus-resumable': '1.0.0' };
const encoded = (values: Record<string, string>) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',');

function create(method: string, length: number, values: Record<string, string> = metadata): Promise<Response> {
  const headers = { ...tus, 'upload-length': String(length), 'upload-metadata': encoded(values) };
  return fetch(sandbox.uploadUrl, { method, headers });
}

function patch(url: string, offset: number, bytes: Buffer, more: Record<string, string> = {}): Promise<Response> {
  const headers = {
    ...tus,
    'content-type': 'application/offset+octet-stream',
    'upload-offset': String(offset),
    ...more,
  };
  return fetch(url, { method: 'PATCH', headers, body: bytes });
}

async function offsetOf(url: string): Promise<string | null> {
  return (await fetch(url, { method: 'HEAD', headers: tus })).headers.get('upload-offset');
}

/** Uploads a generated file with the public TUS client and answers its SHA-256 and where it went. */
function uploadWithClient(size: number, chunkSize: number): Promise<{ sha256: string; url: string }> {
  const hash = createHash('sha256');
  for (const block of generatedBytes(7, size)) hash.update(block);
  return new Promise((resolve, reject) => {
    const upload = new Upload(Buffer.concat([...generatedBytes(7, size)]), {
      endpoint: sandbox.uploadUrl,
      uploadSize: size,
      chunkSize,
      metadata,
      retryDelays: [0, 0, 0, 0, 0, 0],
      onSuccess: () => resolve({ sha256: hash.digest('hex'), url: upload.url ?? '' }),
      onError: reject,
    });
    upload.start();
  });
}

describe('resumable uploads', () => {
  it('survive cut connections at any byte, with the checksum of what was sent', async () => {
    sandbox.control.cutUploads({ afterBytes: 123_457, times: 3 });
    sandbox.control.cutUploads({ afterBytes: 0 });
    sandbox.control.cutUploads({ afterBytes: 1 });
    const { sha256, url } = await uploadWithClient(3_000_000, 1_000_000);
    const meta = await (await fetch(`${sandbox.url}/upload_meta/${url.split('/').at(-1)}`)).json();
    expect(meta).toMatchObject({
      status: 'ok',
      success: true,
      filesize: '3000000',
      checksum: `sha256:${sha256}`,
      type: 'media',
      rowId: 19975055,
    });
    expect(meta).toMatchObject({
      uuid: 'UP-1',
      sesskey: demo.me.sesskey,
      mdc: '0',
      ext: 'mp4',
      originName: 'film.mp4',
    });
    expect(sandbox.state.files.at(-1)).toMatchObject({
      id: at(meta, 'id'),
      rowId: '19975055',
      fieldId: '1367499',
      sha256,
    });
    expect(sandbox.counts()[`PATCH ${new URL(url).pathname}`]).toBe(8);
    expect(sandbox.journal.filter(({ refusal }) => refusal)).toEqual([]);
  });

  it('keep what arrived when the client goes away in the middle', async () => {
    const url = (await create('POST', 5_000_000)).headers.get('location') ?? '';
    const leaving = new AbortController();
    const headers = { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
    const body = async function* () {
      yield Buffer.alloc(2_000_000, 'a');
      while (Number(await offsetOf(url)) < 2_000_000);
      leaving.abort();
      yield Buffer.alloc(1);
    };
    const sending = fetch(url, {
      method: 'PATCH',
      headers,
      body: Readable.from(body()),
      duplex: 'half',
      signal: leaving.signal,
    } as RequestInit);
    await expect(sending).rejects.toThrow();
    expect(await offsetOf(url)).toBe('2000000');
    expect((await patch(url, 2_000_000, Buffer.alloc(3_000_000, 'b'))).status).toBe(204);
    const whole = Buffer.concat([Buffer.alloc(2_000_000, 'a'), Buffer.alloc(3_000_000, 'b')]);
    expect(sandbox.state.files.at(-1)?.sha256).toBe(createHash('sha256').update(whole).digest('hex'));
  });

  it('are created by POST, or by HEAD as the document has it, whichever the host allows', async () => {
    const posted = await create('POST', 10);
    expect([posted.status, posted.headers.get('upload-offset')]).toEqual([201, '0']);
    const first = await create('HEAD', 10, { ...metadata, uuid: 'UP-2' });
    const url = first.headers.get('location') ?? '';
    await patch(url, 0, Buffer.from('0123'));
    const again = await create('HEAD', 10, { ...metadata, uuid: 'UP-2' });
    expect([again.status, again.headers.get('location'), again.headers.get('upload-offset')]).toEqual([200, url, '4']);
    expect((await create('HEAD', 11, { ...metadata, uuid: 'UP-2' })).status).toBe(409);
    sandbox.control.setSwitches({ tusCreation: { post: false } });
    expect((await create('POST', 10)).status).toBe(405);
    sandbox.control.setSwitches({ tusCreation: { post: true, head: false } });
    expect((await create('HEAD', 10)).status).toBe(404);
    expect((await create('POST', 10)).status).toBe(201);
  });

  it.each([
    ['a missing name', { uuid: undefined }, 'missing parameter uuid'],
    ['an unknown name', { colour: 'red' }, 'unknown parameter colour'],
    ['a temporary row', { rowId: 'tmp1' }, 'invalid rowId'],
    ['a field of text', { fieldId: '1367490' }, 'is not a file field'],
    ['another user', { u_c: 'alex' }, 'u_c must be same as o_u'],
  ])('refuse metadata with %s', async (_what, change, reason) => {
    const values = Object.fromEntries(
      Object.entries({ ...metadata, ...change }).filter(([, value]) => value !== undefined),
    ) as Record<string, string>;
    const response = await create('POST', 10, values);
    expect(response.status).toBe(400);
    expect(at(await response.json(), 'error')).toContain(reason);
    expect(demo.refusal()).toContain(reason);
  });

  it('say 403 to a dead session, and 400 to metadata that is not Base64', async () => {
    sandbox.control.killSesskey();
    expect((await create('POST', 10)).status).toBe(403);
    const headers = { ...tus, 'upload-length': '1', 'upload-metadata': encoded(metadata).replaceAll('=', '') };
    expect((await fetch(sandbox.uploadUrl, { method: 'POST', headers })).status).toBe(400);
    expect(demo.refusal()).toContain('malformed pair');
  });

  it('are cut at the very byte a test asks for', async () => {
    const url = (await create('POST', 10)).headers.get('location') ?? '';
    sandbox.control.cutUploads({ afterBytes: 5 });
    await expect(patch(url, 0, Buffer.alloc(10))).rejects.toThrow();
    expect(await offsetOf(url)).toBe('5');
  });

  it('hold to the protocol', async () => {
    const url = (await create('POST', 10)).headers.get('location') ?? '';
    const status = async (response: Promise<Response>) => (await response).status;
    expect(await status(patch(url, 3, Buffer.from('x')))).toBe(409);
    expect(await status(patch(url, 0, Buffer.from('x'), { 'content-type': 'text/plain' }))).toBe(415);
    expect(await status(patch(url, 0, Buffer.from('x'), { 'tus-resumable': '0.2' }))).toBe(412);
    expect(await status(patch(`${url}0`, 0, Buffer.from('x')))).toBe(404);
    expect(await status(patch(url, 0, Buffer.alloc(11)))).toBe(413);
    expect(await status(fetch(sandbox.uploadUrl, { method: 'POST', headers: tus }))).toBe(400);
    expect((await fetch(sandbox.uploadUrl, { method: 'OPTIONS' })).headers.get('tus-extension')).toContain('creation');
    expect(at(await (await fetch(`${sandbox.uploadUrl}/upload_meta/${url.split('/').at(-1)}`)).json(), 'status')).toBe(
      'nok',
    );
    expect(await status(fetch(`${sandbox.url}/upload_meta/nothing`))).toBe(404);
    expect(await status(fetch(url, { method: 'DELETE', headers: tus }))).toBe(204);
    expect(await status(fetch(url, { method: 'HEAD', headers: tus }))).toBe(404);
  });

  it('are gone once they expire, and done once they are complete', async () => {
    const create1 = await create('POST', 4);
    const url = create1.headers.get('location') ?? '';
    expect(Date.parse(create1.headers.get('upload-expires') ?? '')).toBeGreaterThan(sandbox.now() + 86_000_000);
    sandbox.advance(86_401_000);
    expect((await patch(url, 0, Buffer.from('late'))).status).toBe(410);
    const second = (await create('POST', 4)).headers.get('location') ?? '';
    expect(sandbox.control.expireUploads()).toEqual({ expired: 2 });
    expect((await patch(second, 0, Buffer.from('late'))).status).toBe(410);
    const third = (await create('POST', 4)).headers.get('location') ?? '';
    await patch(third, 0, Buffer.from('just'));
    expect(await offsetOf(third)).toBe('4');
    expect((await patch(third, 4, Buffer.from('more'))).status).toBe(403);
    expect(await (await demo.file('oin/full/UP-1')).text()).toBe('just');
  });

  it('let the second of two writers win, and lose no byte of the count', async () => {
    const url = (await create('POST', 6)).headers.get('location') ?? '';
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const body = async function* () {
      yield Buffer.from('abc');
      await gate;
      yield Buffer.from('XYZ');
    };
    const headers = { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
    const stuck = fetch(url, {
      method: 'PATCH',
      headers,
      body: Readable.from(body()),
      duplex: 'half',
    } as RequestInit).catch(() => 'cut');
    while ((await offsetOf(url)) !== '3');
    expect((await patch(url, 3, Buffer.from('def'))).status).toBe(204);
    release();
    expect(await stuck).toBe('cut');
    expect(await (await demo.file('oin/full/UP-1')).text()).toBe('abcdef');
  });

  it('take 200 MB in little memory', async () => {
    const child = fork(new URL('../../test/support/timetonic-process.ts', import.meta.url));
    try {
      const [{ baseUrl, uploadUrl }] = await once(child, 'message');
      const { me } = await logIn({ baseUrl, journal: [] });
      const size = 200 * 1024 * 1024;
      const values = { ...metadata, sesskey: me.sesskey };
      const headers = { ...tus, 'upload-length': String(size), 'upload-metadata': encoded(values) };
      const url = (await fetch(uploadUrl, { method: 'POST', headers })).headers.get('location') ?? '';
      const more = { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
      const body = Readable.from(generatedBytes(3, size));
      const response = await fetch(url, { method: 'PATCH', headers: more, body, duplex: 'half' } as RequestInit);
      expect(response.status).toBe(204);
      const asked = once(child, 'message');
      child.send('memory');
      expect((await asked)[0].grown).toBeLessThan(96 * 1024 * 1024);
    } finally {
      child.kill();
    }
  });
});
