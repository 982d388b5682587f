import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { ExpressionFailure } from '../../expressions/pool.ts';
import { isExpressionFailure, isLost, maxAttempts, retryPolicy, secondsToNextAttempt } from './retry.ts';

const down = new GatewayError('vendor_unreachable', 'It could not be reached.');
const lost = new GatewayError('outcome_unknown', 'The answer was lost.', { outcome: 'unknown' });
const refused = new GatewayError('vendor_bad_request', 'No such channel.', { outcome: 'refused' });
const busy = (retryAfter: number) => new GatewayError('vendor_unreachable', 'Later.', { retryAfter });
const failing = (kind: 'evaluation' | 'crashed') => new ExpressionFailure(kind, { pointer: '', message: 'It failed.' });

const read = { effect: 'read' } as const;
const write = { effect: 'write' } as const;
const sos = { effect: 'write', alarm: true, repeatWhenLost: { attempts: 3, seconds: 30 } } as const;
const ordinary = retryPolicy({}, {});
const alarm = retryPolicy({}, { alarm: true });
const pauseAfter = (
  error: unknown,
  {
    attempt = 1,
    elapsedMs = 0,
    asked = false,
    policy = ordinary,
    operation = write as typeof read | typeof write | typeof sos,
  },
) => secondsToNextAttempt({ error, attempt, elapsedMs, asked }, policy, operation);

describe('the pause before the next attempt', () => {
  test('grows from two seconds to three minutes, and there is none after the sixth', () => {
    const pauses = [1, 2, 3, 4, 5, 6].map((attempt) => pauseAfter(down, { attempt }));
    expect(pauses).toEqual([2, 5, 15, 60, 180, undefined]);
  });

  test('of an alarm is short, and no attempt starts later than half a minute after the first', () => {
    const at = (attempt: number, elapsedMs: number) =>
      pauseAfter(down, { attempt, elapsedMs, policy: alarm, operation: sos });
    expect([at(1, 0), at(2, 1_000), at(3, 3_000), at(9, 26_000)]).toEqual([1, 2, 4, 4]);
    expect(at(9, 26_001)).toBeUndefined();
  });

  test('of an alarm is granted for three minutes while it is Trunkline that fails', () => {
    const at = (elapsedMs: number, asked = false) =>
      pauseAfter(new Error('No database.'), { attempt: 9, elapsedMs, asked, policy: alarm, operation: sos });
    expect([at(176_000), at(176_001)]).toEqual([4, undefined]);
    // After the vendor was asked, the answer is lost: another rule.
    expect(at(100_000, true)).toBeUndefined();
  });

  test('is what `retry` says, and at least what the vendor asks for', () => {
    const policy = retryPolicy({ retry: { attempts: 3, seconds: 10 } }, { alarm: true });
    expect([1, 2, 3].map((attempt) => pauseAfter(down, { attempt, elapsedMs: 10 ** 6, policy }))).toEqual([
      10,
      10,
      undefined,
    ]);
    expect([pauseAfter(busy(60), { policy }), pauseAfter(busy(5), { policy })]).toEqual([60, 10]);
  });
});

describe('an attempt is repeated', () => {
  test.each([
    ['a read that failed', down, read, true, 2],
    ['a read whose answer was lost', lost, read, true, undefined],
    ['a write that did not reach the vendor', down, write, false, 2],
    ['a write that was refused', refused, write, true, undefined],
    ['a read that was refused', refused, read, true, undefined],
    ['a write whose answer was lost', lost, write, true, undefined],
    ['a write after an internal error, before anything was sent', new Error('No database.'), write, false, 2],
    ['a write after an internal error, once something was sent', new Error('No database.'), write, true, undefined],
    ['a read after an internal error, once something was sent', new Error('No database.'), read, true, 2],
    ['a call whose expression fails', failing('evaluation'), read, false, undefined],
    ['a call whose expression found no process', failing('crashed'), write, false, 2],
  ])('or not: %s', (_what, error, operation, asked, seconds) => {
    expect(pauseAfter(error, { operation, asked })).toBe(seconds);
  });

  test('an SOS whose answer was lost, three times within half a minute', () => {
    const at = (attempt: number, elapsedMs: number) =>
      pauseAfter(lost, { attempt, elapsedMs, asked: true, policy: alarm, operation: sos });
    expect([at(1, 0), at(2, 20_000), at(2, 20_001), at(3, 0)]).toEqual([10, 10, undefined, undefined]);
  });
});

test('an answer is lost if the request was sent, whatever failed then', () => {
  expect([isLost(lost, false), isLost(refused, true), isLost(down, true)]).toEqual([true, false, false]);
  expect([isLost(new Error('A fault.'), true), isLost(new Error('A fault.'), false)]).toEqual([true, false]);
  expect(isLost(failing('evaluation'), true)).toBe(false);
  expect([isExpressionFailure(failing('evaluation')), isExpressionFailure(failing('crashed'))]).toEqual([true, false]);
});

test('the most attempts follow from the number and from the time', () => {
  expect(maxAttempts(ordinary)).toBe(6);
  expect(maxAttempts(retryPolicy({ retry: { attempts: 20, seconds: 3600 } }, {}))).toBe(20);
  // 1 s, 2 s, and 44 times 4 s are 179 s: with the first, 47 attempts.
  expect(maxAttempts(alarm)).toBe(47);
  expect(maxAttempts({ attempts: 5, delays: [90], withinMs: 0 })).toBe(3);
});
