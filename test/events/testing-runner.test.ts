import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test("the deliver function passes the SDK's own runner: two refusals, then it is taken", async () => {
  const script = join(import.meta.dirname, 'testing-runner-caller.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 100_000 });
  const outcome = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  expect(outcome).toMatchObject({ started: 1, status: 'SUCCEEDED', result: { state: 'delivered' } });
  expect(outcome.received).toEqual([outcome.event, outcome.event, outcome.event]);
  expect(outcome.operations).toEqual(['turn 1', 'pause 1', 'turn 2', 'pause 2', 'turn 3']);
}, 120_000);
