import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDirectory } from './process-lock.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Another process that takes the lock, reports success or the reason, and keeps it until it is killed. */
function contender(path: string) {
  const script = `
    import { lockDirectory } from ${JSON.stringify(new URL('./process-lock.ts', import.meta.url).href)};
    try { lockDirectory(${JSON.stringify(path)}); process.stdout.write('held'); setInterval(() => {}, 1000); }
    catch (error) { process.stdout.write(error.message); }`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('a second process is refused, and the error names the one that has the directory', async () => {
  const lock = lockDirectory(directory);
  const [said] = await once(contender(directory).stdout, 'data');
  expect(String(said)).toContain(`${directory} is in use by process ${process.pid}`);
  expect(String(said)).toContain('TRUNKLINE_DATA');
  lock.release();
});

test('the same process is refused too, until the lock is released', () => {
  const lock = lockDirectory(directory);
  expect(() => lockDirectory(directory)).toThrow(`process ${process.pid}`);
  lock.release();
  lock.release();
  lockDirectory(directory).release();
});

test('a killed holder leaves nothing to clean up', async () => {
  const holder = contender(directory);
  expect(String((await once(holder.stdout, 'data'))[0])).toBe('held');
  expect(() => lockDirectory(directory)).toThrow(`process ${holder.pid}`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockDirectory(directory).release();
});

test('exactly one of many concurrent starts gets it', async () => {
  const contenders = Array.from({ length: 6 }, () => contender(directory));
  const said = await Promise.all(contenders.map(async (child) => String((await once(child.stdout, 'data'))[0])));
  for (const child of contenders) child.kill('SIGKILL');
  expect(said.filter((words) => words === 'held')).toHaveLength(1);
  expect(said.filter((words) => words.includes('in use by process'))).toHaveLength(5);
});

test('a missing directory is created for its owner only', () => {
  const inner = join(directory, 'a', 'b');
  const lock = lockDirectory(inner);
  expect(statSync(inner).mode & 0o777).toBe(0o700);
  lock.release();
});
