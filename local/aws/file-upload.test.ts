import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test, vi } from 'vitest';
import { useFiles } from '../../test/support/files-fixture.ts';
import { startHttpBridge } from './http-bridge.ts';

const used = useFiles();
const hour = 60 * 60 * 1000;

const upload = async (body: string) => {
  const target = await used.promise(Buffer.byteLength(body));
  expect((await used.send(target, body)).status).toBe(200);
  return target;
};

test('is put to the returned URL and read back, whole and in part', async () => {
  const target = await used.promise(11);
  expect(target).toMatchObject({
    method: 'PUT',
    url: expect.stringMatching(new RegExp(`^${used.bridge.url}/uploads/[\\w-]+\\.[\\w-]+$`)),
    headers: { 'content-type': 'text/plain' },
    expiresAt: '2026-11-01T13:00:00.000Z',
  });
  expect((await used.send(target, 'hello wörl')).status).toBe(200);
  const { stream, ...about } = await used.files.openRead(target.uploadId);
  expect(about).toEqual({ size: 11, type: 'text/plain', name: 'plan.txt' });
  expect(await text(stream)).toBe('hello wörl');
  expect(await used.contents(target.uploadId, { start: 6 })).toBe('wörl');
  expect(await used.contents(target.uploadId, { start: 0, end: 4 })).toBe('hello');
});

test('of no bytes is a file, too', async () => {
  expect(await used.contents((await upload('')).uploadId)).toBe('');
});

test.each([
  ['shorter than promised', 10, 400],
  ['longer than promised', 12, 400],
])('%s is refused, and the place stays free', async (_, size, status) => {
  const target = await used.promise(11);
  const refused = await used.send(target, 'x'.repeat(size));
  expect([refused.status, await refused.json()]).toEqual([
    status,
    { message: `The upload was announced with 11 bytes, and this request has ${size}.` },
  ]);
  expect((await used.send(target, 'x'.repeat(11))).status).toBe(200);
});

test('without a length, or in ranges, is refused', async () => {
  const target = await used.promise(5);
  const streamed = {
    method: 'PUT',
    body: ReadableStream.from([Buffer.from('12345')]),
    duplex: 'half',
  } as RequestInit;
  expect((await fetch(target.url, streamed)).status).toBe(411);
  expect((await used.send(target, '12345', { 'content-range': 'bytes 0-4/10' })).status).toBe(400);
  expect(used.dataFiles()).toEqual([]);
});

test('of a client that has vanished is ended, and the place is free again', async () => {
  const target = await used.promise(11);
  const impatient = await startHttpBridge({ routes: [], files: used.files, idleMs: 50 });
  const { pathname } = new URL(target.url);
  const headers = { 'content-length': 11 };
  const vanished = httpRequest(`${impatient.url}${pathname}`, { method: 'PUT', headers });
  vanished.write('hello');
  await once(vanished, 'error');
  await impatient.close();
  const again = () => fetch(`${used.bridge.url}${pathname}`, { method: 'PUT', body: 'hello world' });
  await vi.waitFor(async () => expect((await again()).status).toBe(200), { timeout: 120_000 });
  expect(await used.contents(target.uploadId)).toBe('hello world');
});

test('works once: an uploaded file cannot be replaced', async () => {
  const target = await upload('first');
  expect((await used.send(target, 'other')).status).toBe(412);
  expect(await used.contents(target.uploadId)).toBe('first');
});

test('two at the same time: one is accepted', async () => {
  const target = await used.promise(3);
  const statuses = await Promise.all(['one', 'two'].map(async (body) => (await used.send(target, body)).status));
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.every((status) => [200, 409, 412].includes(status))).toBe(true);
  expect(used.dataFiles()).toHaveLength(1);
});

test('that breaks off leaves nothing and can be sent again', async () => {
  const target = await used.promise(1000);
  const half = httpRequest(target.url, { method: 'PUT', headers: { 'content-length': '1000' } });
  half.on('error', () => {});
  half.write('x'.repeat(500));
  await vi.waitFor(() => expect(used.dataFiles()).toHaveLength(1), { timeout: 120_000 });
  half.destroy();
  await vi.waitFor(() => expect(used.dataFiles()).toEqual([]), { timeout: 120_000 });
  await expect(used.files.openRead(target.uploadId)).rejects.toMatchObject({ code: 'not_found' });
  // Its bytes are gone a moment before its place is free.
  const again = () => used.send(target, 'y'.repeat(1000));
  await vi.waitFor(async () => expect((await again()).status).toBe(200), { timeout: 120_000 });
});

test('must start within the hour, with the unchanged link', async () => {
  const target = await used.promise(5);
  const [payload = '', signature = ''] = target.url.split('.').slice(-2);
  const changed = Buffer.from(payload.split('/').at(-1) ?? '', 'base64url')
    .toString()
    .replace('"size":5', '"size":6');
  const forged = `${used.bridge.url}/uploads/${Buffer.from(changed).toString('base64url')}.${signature}`;
  expect((await used.send({ ...target, url: forged }, '123456')).status).toBe(403);
  used.time += hour;
  expect((await used.send(target, '12345')).status).toBe(403);
});

test('is gone after a day, also from the disk', async () => {
  const { uploadId } = await upload('short-lived');
  used.time += 24 * hour;
  expect(await used.contents(uploadId)).toBe('short-lived');
  used.time += 1;
  await expect(used.files.openRead(uploadId)).rejects.toMatchObject({ name: 'GatewayError', code: 'not_found' });
  await used.files.sweep();
  expect(used.dataFiles()).toEqual([]);
});

test('survives a restart, its link included', async () => {
  const done = await upload('kept');
  const pending = await used.promise(5);
  await used.close();
  await used.open();
  expect(await used.contents(done.uploadId)).toBe('kept');
  const url = pending.url.replace(/^http:\/\/[^/]+/, used.bridge.url);
  expect((await used.send({ ...pending, url }, 'later')).status).toBe(200);
});
