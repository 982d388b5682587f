import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test("the durable functions pass the SDK's own runner: a delivery after two refusals, a run with a wait", async () => {
  const script = join(import.meta.dirname, 'testing-runner-caller.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 100_000 });
  const outcome = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  expect(outcome).toMatchObject({ started: 1, status: 'SUCCEEDED', result: { state: 'delivered' } });
  expect(outcome.received).toEqual([outcome.event, outcome.event, outcome.event]);
  expect(outcome.operations).toEqual(['turn 1', 'pause 1', 'turn 2', 'pause 2', 'turn 3']);
  expect(outcome.run).toMatchObject({
    status: 'SUCCEEDED',
    result: { state: 'failed' },
    steps: [
      ['pause', 'succeeded'],
      ['gone', 'failed'],
    ],
  });
  const named = outcome.run.operations.filter((name: string | null) => name !== null);
  expect(named).toEqual(['begin', 'pause begins', 'pause', 'pause ends', 'gone', 'end']);
});
