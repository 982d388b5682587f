import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { gatherLines } from './log-lines.ts';

test('lines that nobody reads are dropped, and counted once somebody reads again', () => {
  const output = { written: '', writableLength: 0, write: (text: string) => (output.written += text) };
  const counts: number[] = [];
  const lines = gatherLines(output, (count) => counts.push(count));
  const say = (text: string) => {
    lines.write(() => text);
    lines.flush();
  };
  say('a');
  output.writableLength = 2_000_000;
  say('b');
  say('c');
  expect(counts).toEqual([]);
  output.writableLength = 0;
  say('d');
  say('e');
  expect([output.written, counts]).toEqual(['ade', [2]]);
});

test('a terminal that shows nothing more does not stop the process', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-terminal-'));
  const [program, marker] = [join(folder, 'program.mjs'), join(folder, 'marker')];
  writeFileSync(
    program,
    `import { writeFileSync } from 'node:fs';
    import { writeWithoutWaiting } from ${JSON.stringify(new URL('log-lines.ts', import.meta.url).href)};
    writeWithoutWaiting();
    process.stdout.write('line\\n'.repeat(1_000_000));
    writeFileSync(${JSON.stringify(marker)}, '');
    setInterval(() => {}, 1000);`,
  );
  const command = `exec ${process.execPath} ${program}`;
  // Its output is not read.
  const terminal = spawn('script', ['--quiet', '--flush', '--command', command, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    terminal.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  await vi.waitFor(() => expect(existsSync(marker)).toBe(true), { timeout: 120_000 });
});
