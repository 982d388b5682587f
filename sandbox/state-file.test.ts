import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openStateFile } from './state-file.ts';

test('a state that cannot be written yet is written as soon as it can be', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-state-'));
  onTestFinished(() => {
    vi.useRealTimers();
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'missing', 'state.json');
  const file = openStateFile<{ count: number }>(path);
  const state = { count: 1 };
  file.saveLater(state);
  vi.advanceTimersByTime(1000);
  expect(() => file.save(state)).toThrow('ENOENT');
  file.saveLater(state);
  vi.advanceTimersByTime(1000);
  mkdirSync(join(folder, 'missing'));
  vi.advanceTimersByTime(1000);
  expect(readFileSync(path, 'utf8')).toBe('{"count":1}');
});
