import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { UploadTarget } from '../../lib/core/files.ts';
import { type LocalFileStore, startFileStore } from '../../local/file-store.ts';
import { type HttpBridge, startHttpBridge } from '../../local/http-bridge.ts';

const hour = 60 * 60 * 1000;
let directory = '';
let files: LocalFileStore;
let bridge: HttpBridge;
let time = 0;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-files-'));
  time = Date.parse('2026-11-01T12:00:00Z');
  await open();
});
afterEach(async () => {
  await close();
  rmSync(directory, { recursive: true, force: true });
});

async function open() {
  files = await startFileStore({ directory, now: () => time });
  bridge = await startHttpBridge({ routes: [], files });
}
async function close() {
  await bridge.close();
  await files.close();
}

const promise = (size: number) => files.createUpload({ name: 'plan.txt', type: 'text/plain', size });
const send = ({ url, method, headers }: UploadTarget, body: string, more: Record<string, string> = {}) =>
  fetch(url, { method, body, headers: { ...headers, ...more } });
const upload = async (body: string) => {
  const target = await promise(Buffer.byteLength(body));
  expect((await send(target, body)).status).toBe(200);
  return target;
};
const contents = async (uploadId: string, range = {}) => text((await files.openRead(uploadId, range)).stream);
const sizeOf = async (key: string) => {
  const { size, stream } = await files.get(key);
  stream.destroy();
  return size;
};
/** Data and drafts in the directory; records, key and lock left out. */
const dataFiles = () => readdirSync(directory).filter((name) => name.includes('.data'));

describe('an upload', () => {
  test('is put where the answer says and read back, whole and in part', async () => {
    const target = await promise(11);
    expect(target).toMatchObject({
      method: 'PUT',
      url: expect.stringMatching(new RegExp(`^${bridge.url}/uploads/[\\w-]+\\.[\\w-]+$`)),
      headers: { 'content-type': 'text/plain' },
      expiresAt: '2026-11-01T13:00:00.000Z',
    });
    expect((await send(target, 'hello wörl')).status).toBe(200);
    const { stream, ...about } = await files.openRead(target.uploadId);
    expect(about).toEqual({ size: 11, type: 'text/plain', name: 'plan.txt' });
    expect(await text(stream)).toBe('hello wörl');
    expect(await contents(target.uploadId, { start: 6 })).toBe('wörl');
    expect(await contents(target.uploadId, { start: 0, end: 4 })).toBe('hello');
  });

  test('of no bytes is a file, too', async () => {
    expect(await contents((await upload('')).uploadId)).toBe('');
  });

  test.each([
    ['shorter than promised', 10, 400],
    ['longer than promised', 12, 400],
  ])('%s is refused, and the place stays free', async (_, size, status) => {
    const target = await promise(11);
    const refused = await send(target, 'x'.repeat(size));
    expect([refused.status, await refused.json()]).toEqual([
      status,
      { message: `11 bytes were promised, and ${size} are sent.` },
    ]);
    expect((await send(target, 'x'.repeat(11))).status).toBe(200);
  });

  test('without a length, or in ranges, is refused', async () => {
    const target = await promise(5);
    const streamed = {
      method: 'PUT',
      body: ReadableStream.from([Buffer.from('12345')]),
      duplex: 'half',
    } as RequestInit;
    expect((await fetch(target.url, streamed)).status).toBe(411);
    expect((await send(target, '12345', { 'content-range': 'bytes 0-4/10' })).status).toBe(400);
    expect(dataFiles()).toEqual([]);
  });

  test('works once: nobody replaces what was uploaded', async () => {
    const target = await upload('first');
    expect((await send(target, 'other')).status).toBe(412);
    expect(await contents(target.uploadId)).toBe('first');
  });

  test('two at the same time: one is taken', async () => {
    const target = await promise(3);
    const statuses = await Promise.all(['one', 'two'].map(async (body) => (await send(target, body)).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.every((status) => [200, 409, 412].includes(status))).toBe(true);
    expect(dataFiles()).toHaveLength(1);
  });

  test('that breaks off leaves nothing and can be sent again', async () => {
    const target = await promise(1000);
    const half = httpRequest(target.url, { method: 'PUT', headers: { 'content-length': '1000' } });
    half.on('error', () => {});
    half.write('x'.repeat(500));
    await vi.waitFor(() => expect(dataFiles()).toHaveLength(1));
    half.destroy();
    await vi.waitFor(() => expect(dataFiles()).toEqual([]));
    await expect(files.openRead(target.uploadId)).rejects.toMatchObject({ code: 'not_found' });
    expect((await send(target, 'y'.repeat(1000))).status).toBe(200);
  });

  test('must begin within the hour, with the link as it was given', async () => {
    const target = await promise(5);
    const [payload = '', signature = ''] = target.url.split('.').slice(-2);
    const changed = Buffer.from(payload.split('/').at(-1) ?? '', 'base64url')
      .toString()
      .replace('"size":5', '"size":6');
    const forged = `${bridge.url}/uploads/${Buffer.from(changed).toString('base64url')}.${signature}`;
    expect((await send({ ...target, url: forged }, '123456')).status).toBe(403);
    time += hour;
    expect((await send(target, '12345')).status).toBe(403);
  });

  test('is gone after a day, also from the disk', async () => {
    const { uploadId } = await upload('short-lived');
    time += 24 * hour;
    expect(await contents(uploadId)).toBe('short-lived');
    time += 1;
    await expect(files.openRead(uploadId)).rejects.toMatchObject({ name: 'GatewayError', code: 'not_found' });
    await files.sweep();
    expect(dataFiles()).toEqual([]);
  });

  test('survives a restart, its link included', async () => {
    const done = await upload('kept');
    const pending = await promise(5);
    await close();
    await open();
    expect(await contents(done.uploadId)).toBe('kept');
    const url = pending.url.replace(/^http:\/\/[^/]+/, bridge.url);
    expect((await send({ ...pending, url }, 'later')).status).toBe(200);
  });
});

describe('stored files', () => {
  test('are replaced in one step and removed without leftovers', async () => {
    await files.put('answers/1', Buffer.from('one'), 'text/plain');
    await files.put('answers/1', Readable.from([Buffer.from('tw'), Buffer.from('o')]), 'application/json');
    const { stream, ...about } = await files.get('answers/1');
    expect(about).toEqual({ size: 3, type: 'application/json' });
    expect(await text(stream)).toBe('two');
    expect(dataFiles()).toHaveLength(1);
    await files.remove('answers/1');
    await files.remove('answers/1');
    expect(dataFiles()).toEqual([]);
    await expect(files.get('answers/1')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a stream that breaks replaces nothing', async () => {
    await files.put('answers/1', Buffer.from('whole'), 'text/plain');
    const breaking = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        throw new Error('cut');
      })(),
    );
    await expect(files.put('answers/1', breaking, 'text/plain')).rejects.toThrow('cut');
    expect(await text((await files.get('answers/1')).stream)).toBe('whole');
    expect(dataFiles()).toHaveLength(1);
  });

  test('are kept as long as their kind says', async () => {
    for (const key of ['answers/1', 'runs/1', 'other/1']) await files.put(key, Buffer.from(key), 'text/plain');
    time += 25 * hour;
    await files.sweep();
    await expect(files.get('answers/1')).rejects.toThrow();
    expect(await sizeOf('runs/1')).toBe(6);
    time += 365 * 24 * hour;
    await files.sweep();
    await expect(files.get('runs/1')).rejects.toThrow();
    expect(await sizeOf('other/1')).toBe(7);
  });

  test('a key is a name, not a path', async () => {
    await files.put('../../escape', Buffer.from('x'), 'text/plain');
    expect(await sizeOf('../../escape')).toBe(1);
    expect(readdirSync(join(directory, '..')).includes('escape')).toBe(false);
  });

  test('a sweep in the middle of a write takes nothing of it', async () => {
    const { promise: more, resolve } = Promise.withResolvers<void>();
    const slow = Readable.from(
      (async function* () {
        yield Buffer.from('first ');
        await more;
        yield Buffer.from('second');
      })(),
    );
    const writing = files.put('answers/slow', slow, 'text/plain');
    await vi.waitFor(() => expect(dataFiles()).toHaveLength(1));
    await files.sweep();
    resolve();
    await writing;
    await files.sweep();
    expect(await text((await files.get('answers/slow')).stream)).toBe('first second');
  });
});

describe('a link', () => {
  const link = async (body: string, seconds = 60, name?: string) => {
    await files.put('answers/1', Buffer.from(body), 'text/html');
    return files.link('answers/1', seconds, name);
  };

  test('gives the file as a download that no page can misuse', async () => {
    const response = await fetch(await link('<script>alert(1)</script>', 60, 'Bericht März.html'));
    expect(await response.text()).toBe('<script>alert(1)</script>');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/html',
      'content-length': '25',
      'content-disposition': `attachment; filename="Bericht M_rz.html"; filename*=UTF-8''Bericht%20M%C3%A4rz.html`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
    });
  });

  test.each([
    ['bytes=2-4', 206, 'cde', 'bytes 2-4/10'],
    ['bytes=7-', 206, 'hij', 'bytes 7-9/10'],
    ['bytes=-2', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=5-99', 206, 'fghij', 'bytes 5-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=0-1,4-5', 200, 'abcdefghij', null],
    ['items=0-1', 200, 'abcdefghij', null],
  ])('answers the range %s with %s', async (range, status, body, header) => {
    const response = await fetch(await link('abcdefghij'), { headers: { range } });
    expect([response.status, await response.text(), response.headers.get('content-range')]).toEqual([
      status,
      body,
      header,
    ]);
  });

  test('tells the size to HEAD', async () => {
    const response = await fetch(await link('abcdefghij'), { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '10', '']);
  });

  test('is good for its time only, and only as it was given', async () => {
    const url = await link('x');
    expect((await fetch(`${url.slice(0, -2)}AA`)).status).toBe(403);
    expect((await fetch(url.replace('/files/', '/files/x'))).status).toBe(403);
    const { url: uploadUrl } = await promise(1);
    expect((await fetch(uploadUrl.replace('/uploads/', '/files/'))).status).toBe(403);
    time += 60_000;
    expect((await fetch(url)).status).toBe(403);
  });

  test('to what is gone is 404', async () => {
    const url = await link('x');
    await files.remove('answers/1');
    expect((await fetch(url)).status).toBe(404);
  });
});

test('a second process is refused', async () => {
  await expect(startFileStore({ directory })).rejects.toThrow(`in use by process ${process.pid}`);
});

test('128 MB up and down take constant memory in the server', { timeout: 60_000 }, async () => {
  await close();
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const megabytes = 128;
  const script = `
    import { startFileStore } from ${here('../../local/file-store.ts')};
    import { startHttpBridge } from ${here('../../local/http-bridge.ts')};
    const files = await startFileStore({ directory: ${JSON.stringify(directory)} });
    await startHttpBridge({ routes: [], files });
    const target = await files.createUpload({ name: 'a', type: 'b/c', size: ${megabytes * 1024 * 1024} });
    process.stdout.write(JSON.stringify({ url: target.url, link: await files.link('uploads/' + target.uploadId, 60) }));`;
  const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { url, link } = JSON.parse(String((await once(server.stdout, 'data'))[0]));
  const status = () => readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const kilobytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status())?.[1]);
  const idle = kilobytes('VmRSS');

  const sent = httpRequest(url, { method: 'PUT', headers: { 'content-length': megabytes * 1024 * 1024 } });
  const chunk = Buffer.alloc(1024 * 1024, 'z');
  for (let i = 0; i < megabytes; i++) if (!sent.write(chunk)) await once(sent, 'drain');
  sent.end();
  expect((await once(sent, 'response'))[0].statusCode).toBe(200);
  let received = 0;
  for await (const part of (await fetch(link)).body ?? []) received += part.length;
  expect(received).toBe(megabytes * 1024 * 1024);
  expect((kilobytes('VmHWM') - idle) / 1024).toBeLessThan(64);
  server.kill('SIGKILL');
  await once(server, 'exit');
  await open();
});
