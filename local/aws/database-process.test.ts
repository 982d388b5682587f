import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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
