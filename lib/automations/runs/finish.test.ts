import { describe, expect, test } from 'vitest';
import { countsForDedupe, endOf } from './finish.ts';
import type { StepEnd } from './run-context.ts';

const good: StepEnd = { name: 'good', succeeded: 1, wrote: true };
const bad: StepEnd = { name: 'bad', succeeded: 0, wrote: false, reason: 'Step bad: No.' };
const worse: StepEnd = { ...bad, name: 'worse', reason: 'Step worse: No.' };
const skipped: StepEnd = { name: 'skipped', succeeded: 0, wrote: false };
const through = { cancelled: false };

describe('a run ends', () => {
  test('as succeeded if nothing failed, without a reason', () => {
    expect(endOf([good, skipped], through)).toEqual({ state: 'succeeded' });
    expect(endOf([], through)).toEqual({ state: 'succeeded' });
  });

  test('as partial if something succeeded and the run was not stopped, with every reason', () => {
    expect(endOf([good, bad, worse], through)).toEqual({
      state: 'partial',
      reason: 'Step bad: No. Step worse: No.',
      failures: [
        { step: 'bad', reason: 'Step bad: No.' },
        { step: 'worse', reason: 'Step worse: No.' },
      ],
    });
  });

  test('as failed if nothing succeeded, or if the run was stopped, with what stopped it', () => {
    expect(endOf([bad, skipped], through)).toMatchObject({ state: 'failed', reason: 'Step bad: No.' });
    expect(endOf([good, bad, worse], { cancelled: false, stop: 'Step worse: No.' })).toMatchObject({
      state: 'failed',
      reason: 'Step worse: No.',
    });
  });

  test('as cancelled if it was, whatever failed before', () => {
    expect(endOf([good], { cancelled: true })).toEqual({ state: 'cancelled' });
    expect(endOf([good, bad], { cancelled: true })).toMatchObject({ state: 'cancelled', reason: 'Step bad: No.' });
  });
});

test('a run counts as delivered if it wrote something and raised all of its alarms', () => {
  const silent: StepEnd = { ...bad, silent: true };
  expect(countsForDedupe([good, bad])).toBe(true);
  expect(countsForDedupe([good, silent])).toBe(false);
  expect(countsForDedupe([skipped, bad])).toBe(false);
  expect(countsForDedupe([])).toBe(false);
});
