import { expect, test } from 'vitest';
import { answeredError, GatewayError, methodNotAllowed, problemOf } from './errors.ts';

const named = (name: string, more: object = {}) => Object.assign(new Error('secret detail'), { name, ...more });

test.each([
  named('ThrottlingException'),
  named('ProvisionedThroughputExceededException'),
  named('RequestLimitExceeded'),
  named('InternalServerError'),
  named('SlowDown'),
  named('TimeoutError'),
  named('Error', { code: 'ECONNREFUSED' }),
  named('Unknown', { $metadata: { httpStatusCode: 503 } }),
  named('TransactionCanceledException', { CancellationReasons: [{ Code: 'None' }, { Code: 'ThrottlingError' }] }),
])('$name is an outage that a caller may wait out', (error) => {
  const { message, ...answered } = answeredError(error);
  expect(answered).toMatchObject({ code: 'unavailable', status: 503, retryable: true, retryAfter: 2 });
  expect(message).not.toContain('secret');
});

test.each([
  named('Error', { code: 'ENOSPC' }),
  named('InternalServerError', { message: 'commit failed (backend: database or disk is full)' }),
])('a full disk is one, and the answer says so', (error) => {
  expect(answeredError(error)).toMatchObject({
    status: 503,
    retryable: true,
    retryAfter: 30,
    message: 'The disk is full, so nothing was stored. Free some space, then send it again.',
  });
});

test.each([
  new Error('secret detail'),
  named('ValidationException', { $metadata: { httpStatusCode: 400 } }),
  'text',
  undefined,
])('%s is an internal error whose details are not shown', (error) => {
  const { message, ...answered } = answeredError(error);
  expect(answered).toMatchObject({ code: 'internal', status: 500, retryable: false });
  expect(message).not.toContain('secret');
});

test('a 405 names the methods that are allowed, each once', () => {
  expect(methodNotAllowed('/v1/keys', 'PUT', ['GET', 'POST', 'GET'])).toMatchObject({
    status: 405,
    headers: { allow: 'GET, POST' },
    message: '/v1/keys takes GET, POST, not PUT.',
  });
});

test.each([
  ['invalid_json', 'Invalid JSON'],
  ['vendor_not_found', 'Not found at the vendor'],
  ['rate_limited', 'Rate limited'],
] as const)('the title of %s is %s', (code, title) => {
  expect(problemOf(new GatewayError(code, 'detail'), 'r').title).toBe(title);
});
