import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { publishAdminKey } from '../../lib/api/keys/admin-key.ts';
import { adminKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { vendorNames, vendors } from '../../lib/vendors/index.ts';
import { type Proptt2Sandbox, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import { type Answer, invokeHttp, type TestRequest } from '../support/function-request.ts';
import { memoryFiles, startBackends } from '../support/harness.ts';
import { proptt2Settings } from '../support/proptt2-settings.ts';

const adminKey = 'tl_an-admin-key-for-tests-only';
let backends: Awaited<ReturnType<typeof startBackends>>;
let sandbox: Proptt2Sandbox;
let ask: (what: TestRequest) => Promise<Answer>;

beforeAll(async () => {
  backends = await startBackends();
  Object.assign(process.env, backends.env);
  const { services, useFiles } = await import('../../lib/aws/services.ts');
  useFiles(memoryFiles());
  const { secrets } = services();
  for (const vendor of vendorNames) await secrets.write(sessionKeySecret(vendor), `a key of tests for ${vendor}`);
  await secrets.write(adminKeySecret, adminKey.slice(3));
  await publishAdminKey(services());
  const control = await import('../../functions/control.ts');
  const proptt2 = await import('../../functions/proptt2.ts');
  ask = (what) => invokeHttp((what.path.startsWith('/v1/proptt2/') ? proptt2.handler : control.handler) as never, what);
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  sandbox = await startProptt2Sandbox();
  const settings = proptt2Settings(sandbox.url);
  const body = { vendor: 'proptt2', name: 'dispatch', settings, credentials: { interactionKey: 'bb00cc' } };
  await ask({ path: '/v1/connections', body, headers: { authorization: `Bearer ${adminKey}` } });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await sandbox.close();
  await backends.stop();
});

const names = Object.keys(vendors.proptt2?.operations ?? {});
const strangeNames = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'prototype',
  '..',
  '%2e%2e',
  '',
  'raw',
  'sendSOS',
  '\u0000',
  'ä',
];
const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    Number.POSITIVE_INFINITY,
    Number.MAX_SAFE_INTEGER,
    '9223372036854775808',
    '',
    ' ',
    '\u0000',
    '💥',
    [],
    {},
    [[]],
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.integer(),
  fc.double(),
  fc.jsonValue(),
);
const fields = [
  'channelId',
  'userId',
  'message',
  'messageId',
  'no',
  'name',
  'type',
  'role',
  'strId',
  'password',
  'data',
  'start',
  'pageSize',
  'merge',
];
const input = fc.dictionary(
  fc.oneof(fc.constantFrom(...fields, ...strangeNames), fc.string({ maxLength: 12 })),
  strange,
  { maxKeys: 5 },
);
const likely = fc.record(
  {
    channelId: fc.constantFrom(1, 2, 3, 99),
    userId: fc.constantFrom(1, 2, 99),
    message: fc.string({ unit: 'binary', minLength: 1 }),
    name: fc.string({ unit: 'grapheme', minLength: 1 }),
  },
  { requiredKeys: [] },
);
const path = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...names).map((name) => `/v1/proptt2/dispatch/${name}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...strangeNames, 'dispatch', 'no-such').map((name) => `/v1/proptt2/${name}/getChannel`),
  },
  {
    weight: 1,
    arbitrary: fc
      .oneof(fc.constantFrom(...strangeNames), fc.string({ maxLength: 30 }))
      .map((name) => `/v1/proptt2/dispatch/${name}`),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'binary', maxLength: 30 }).map((rest) => `/v1/proptt2/dispatch/raw/${rest}`),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/v1/connections',
      '/v1/keys',
      '/v1/me',
      '/v1/audit',
      '/v1/connections/proptt2/dispatch',
      '/v1/connections/__proto__/x',
      '/v1/keys/constructor',
      '/v1/',
    ),
  },
);
const body = fc.oneof(
  { weight: 5, arbitrary: input.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: likely.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{',
      '[]',
      'null',
      '"text"',
      '{"a":1,}',
      '{"__proto__":{"x":1}}',
      '{"constructor":{"prototype":1}}',
      `${'['.repeat(5000)}`,
      '{"channelId":1e999}',
      '\ufeff{}',
    ),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.constant(Buffer.from('7b226d657373616765223a22ff227d', 'hex')) },
  { weight: 1, arbitrary: fc.string({ maxLength: 60 }) },
);
const headers = fc.record(
  {
    authorization: fc.oneof(
      { weight: 9, arbitrary: fc.constant(`Bearer ${adminKey}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('', 'Bearer', `Bearer ${adminKey},Bearer x`, 'Basic eDp5', 'Bearer tl_\u0000'),
      },
    ),
    'content-type': fc.constantFrom(
      'application/json',
      'application/json',
      'application/json',
      'application/json',
      'application/json; charset=utf-8',
      'text/plain',
      'multipart/form-data',
      '',
      'application/json,application/json',
    ),
    'idempotency-key': fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.constantFrom('"', '""', '"a\\"b"', 'k1,k2', '\u00e9'),
    ),
    prefer: fc.constantFrom('respond-async', 'x', ''),
  },
  { requiredKeys: ['authorization'] },
);

test('10,000 hostile requests: never a 500, always a problem that says what to do', async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('POST', 'POST', 'POST', 'GET', 'DELETE', 'PATCH', 'PUT', 'OPTIONS', '__proto__'),
      path,
      fc.oneof(
        { weight: 6, arbitrary: fc.constant('') },
        { weight: 1, arbitrary: fc.webQueryParameters() },
        { weight: 1, arbitrary: fc.constantFrom('%', '%ff=%ff', '&&==', '__proto__=1', 'channelId=1&channelId=2') },
      ),
      headers,
      body,
      async (method, at, query, sent, content) => {
        const answer = await ask({ method, path: at, query, headers: sent, body: content });
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        expect(answer.status, `${method} ${at} ${answer.text}`).not.toBe(500);
        if (answer.status < 400) return;
        expect(answer.headers['content-type']).toBe('application/problem+json');
        const problem = answer.body as {
          status: number;
          code: string;
          detail: string;
          message: string;
          requestId: string;
          errors?: { pointer: string }[];
        };
        expect(problem).toMatchObject({
          status: answer.status,
          code: expect.any(String),
          requestId: expect.any(String),
        });
        expect(problem.detail.length).toBeGreaterThan(10);
        expect(problem.message).toBe(problem.detail);
        expect(problem.code !== 'invalid_input' || (problem.errors?.length ?? 0) > 0, answer.text).toBe(true);
      },
    ),
    { numRuns: 3_000, seed: 42 },
  );
  // The sieve lets something through: a run in which everything was refused would prove little.
  expect(statuses.get(200) ?? 0).toBeGreaterThan(15);
  expect(statuses.get(422) ?? 0).toBeGreaterThan(300);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  expect(({} as Record<string, unknown>).x).toBeUndefined();
  const wrong = sandbox.journal.filter((entry) => entry.refusal !== undefined && !entry.path.includes('/notices'));
  expect(
    wrong
      .filter((entry) => !/raw|unknown endpoint|no such/i.test(entry.refusal ?? ''))
      .map((entry) => `${entry.method} ${entry.path}: ${entry.refusal}`),
  ).toEqual([]);
});
