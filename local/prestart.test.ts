import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let checkout = '';
/** A checkout whose development dependencies are not installed. */
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'trunkline-prestart-'));
  const root = join(import.meta.dirname, '..');
  for (const file of ['package.json', 'local/prestart.mjs']) cpSync(join(root, file), join(checkout, file));
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

const prestart = (...flags: string[]) => {
  const { status, stderr } = spawnSync(process.execPath, [...flags, 'local/prestart.mjs'], {
    cwd: checkout,
    encoding: 'utf8',
  });
  return { status, stderr };
};

test('what is built is kept', () => {
  mkdirSync(join(checkout, 'dist/local'), { recursive: true });
  writeFileSync(join(checkout, 'dist/local/start.mjs'), '');
  expect(prestart()).toEqual({ status: 0, stderr: '' });
});

test('what is not built is asked for', () => {
  expect(prestart()).toEqual({ status: 1, stderr: expect.stringMatching(/run npm ci, then npm run build\.\n$/) });
});

test('a Node that cannot run TypeScript is named with the one that is needed', () => {
  expect(prestart('--no-strip-types')).toEqual({
    status: 1,
    stderr: `Trunkline needs Node 22.19 or newer, and this is Node ${process.versions.node}.\n`,
  });
});
