import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test, vi } from 'vitest';
import { collectLog } from '../../test/support/collected-log.ts';
import { useFiles } from '../../test/support/files-fixture.ts';
import { startFileStore } from './file-store.ts';

const used = useFiles();
const hour = 60 * 60 * 1000;

const sizeOf = async (key: string) => {
  const { size, stream } = await used.files.get(key);
  stream.destroy();
  return size;
};

test('are replaced in one step and removed without leftovers', async () => {
  await used.files.put('answers/1', Buffer.from('one'), 'text/plain');
  await used.files.put('answers/1', Readable.from([Buffer.from('tw'), Buffer.from('o')]), 'application/json');
  const { stream, ...about } = await used.files.get('answers/1');
  expect(about).toEqual({ size: 3, type: 'application/json' });
  expect(await text(stream)).toBe('two');
  expect(used.dataFiles()).toHaveLength(1);
  await used.files.remove('answers/1');
  await used.files.remove('answers/1');
  expect(used.dataFiles()).toEqual([]);
  await expect(used.files.get('answers/1')).rejects.toMatchObject({ code: 'not_found' });
});

test('a stream that breaks replaces nothing', async () => {
  await used.files.put('answers/1', Buffer.from('whole'), 'text/plain');
  const breaking = Readable.from(
    (async function* () {
      yield Buffer.from('half');
      throw new Error('cut');
    })(),
  );
  await expect(used.files.put('answers/1', breaking, 'text/plain')).rejects.toThrow('cut');
  expect(await text((await used.files.get('answers/1')).stream)).toBe('whole');
  expect(used.dataFiles()).toHaveLength(1);
});

test('are kept as long as the rule of their kind says', async () => {
  for (const key of ['answers/1', 'runs/1', 'other/1']) await used.files.put(key, Buffer.from(key), 'text/plain');
  used.time += 25 * hour;
  await used.files.sweep();
  await expect(used.files.get('answers/1')).rejects.toThrow();
  expect(await sizeOf('runs/1')).toBe(6);
  used.time += 365 * 24 * hour;
  await used.files.sweep();
  await expect(used.files.get('runs/1')).rejects.toThrow();
  expect(await sizeOf('other/1')).toBe(7);
});

test('a key is a name, not a path', async () => {
  await used.files.put('../../escape', Buffer.from('x'), 'text/plain');
  expect(await sizeOf('../../escape')).toBe(1);
  expect(readdirSync(join(used.directory, '..')).includes('escape')).toBe(false);
});

test('a damaged record loses its own file alone, and keeps nothing from starting', async () => {
  await used.files.put('answers/1', Buffer.from('one'), 'text/plain');
  const [record = ''] = readdirSync(used.directory).filter((name) => name.endsWith('.json'));
  await used.files.put('answers/2', Buffer.from('two'), 'text/plain');
  writeFileSync(join(used.directory, record), '{"key":"ans');
  await used.close();
  await used.open();
  await expect(used.files.get('answers/1')).rejects.toMatchObject({ code: 'not_found' });
  expect(await sizeOf('answers/2')).toBe(3);
  await used.files.put('answers/1', Buffer.from('again'), 'text/plain');
  expect(await sizeOf('answers/1')).toBe(5);
  expect(used.dataFiles()).toHaveLength(2);
});

test('a sweep during a write removes nothing of it', async () => {
  const { promise: more, resolve } = Promise.withResolvers<void>();
  const slow = Readable.from(
    (async function* () {
      yield Buffer.from('first ');
      await more;
      yield Buffer.from('second');
    })(),
  );
  const writing = used.files.put('answers/slow', slow, 'text/plain');
  await vi.waitFor(() => expect(used.dataFiles()).toHaveLength(1), { timeout: 120_000 });
  await used.files.sweep();
  resolve();
  await writing;
  await used.files.sweep();
  expect(await text((await used.files.get('answers/slow')).stream)).toBe('first second');
});

test('a sweep that fails is logged, and the next one follows', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const lines = collectLog();
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-swept-'));
  const files = await startFileStore({ directory });
  const [lost, leftover] = [`${directory}-lost`, join(directory, 'leftover.data')];
  renameSync(directory, lost);
  vi.advanceTimersByTime(hour);
  await vi.waitFor(() => expect(lines.join()).toContain('expired files were not removed'), { timeout: 120_000 });
  renameSync(lost, directory);
  writeFileSync(leftover, '');
  vi.advanceTimersByTime(hour);
  await vi.waitFor(() => expect(existsSync(leftover)).toBe(false), { timeout: 120_000 });
  await files.close();
  rmSync(directory, { recursive: true });
});

test('a second process is refused', async () => {
  await expect(startFileStore({ directory: used.directory })).rejects.toThrow(`in use by process ${process.pid}`);
});

test('128 MB up and down take constant memory in the server', async () => {
  await used.close();
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const megabytes = 128;
  const script = `
    import { startFileStore } from ${here('./file-store.ts')};
    import { startHttpBridge } from ${here('./http-bridge.ts')};
    const files = await startFileStore({ directory: ${JSON.stringify(used.directory)} });
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
  await used.open();
});
