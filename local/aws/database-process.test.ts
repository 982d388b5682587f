import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startDatabaseProcess } from './database-process.ts';

/** Starts a program in place of the database: it answers what every start asks, and each call of a tool with these bytes. */
function startProgram(answer: string) {
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-program-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'program.mjs');
  const program = `#!${process.execPath}
import { createInterface } from 'node:readline';
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (method === 'tools/call') process.stdout.write(${JSON.stringify(answer)}.replaceAll('ID', id));
  else if (id) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: {} }) + '\\n');
});`;
  writeFileSync(path, program, { mode: 0o755 });
  return startDatabaseProcess(path, join(folder, 'data.db'));
}

test('an answer with the line separators of Unicode is one message', async () => {
  const text = 'a\u2028b\u2029c\u0085d';
  const database = await startProgram(`{"id":ID,"result":{"content":[{"text":"${text}"}]}}\n`);
  expect(await database.call('get_item', '{}')).toEqual({ failed: false, text });
  await database.stop();
});

test('a message that is not JSON ends the process, and no call waits for its answer', async () => {
  const database = await startProgram('{"id":ID,"res\n');
  const reason =
    'The embedded DynamoDB ended (exit code null, signal SIGKILL: It wrote an invalid message: SyntaxError';
  await expect(database.call('get_item', '{}')).rejects.toThrow(reason);
  expect(await database.ended).toContain('It wrote an invalid message');
});

test('a process that cannot be started rejects the start, and ends nothing', async () => {
  await expect(startDatabaseProcess('/dev/null/nothing', 'data.db')).rejects.toThrow('ENOTDIR');
  await expect(startDatabaseProcess('/nothing', 'data.db')).rejects.toThrow(
    'did not start: Error: spawn /nothing ENOENT',
  );
  const script = `
    import { openSync } from 'node:fs';
    import { startDatabaseProcess } from ${JSON.stringify(new URL('database-process.ts', import.meta.url).href)};
    try {
      for (;;) openSync('/dev/null');
    } catch {}
    await startDatabaseProcess('/nothing', 'data.db').catch(({ message }) => console.log(message));`;
  const limited = ['-c', 'ulimit -n 100 && exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script];
  expect(execFileSync('sh', limited, { encoding: 'utf8' })).toContain('did not start: Error: spawn /nothing EMFILE');
});

test('a process that stops answering is ended', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const database = await startProgram('');
  const asked = database.call('get_item', '{}');
  vi.advanceTimersByTime(40_000);
  process.kill(database.pid, 'SIGSTOP');
  vi.advanceTimersByTime(20_000);
  await expect(asked).rejects.toThrow('signal SIGKILL: It has not answered for 60 seconds');
});
