import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import { playedCall } from '../../test/support/played-call.ts';
import { normalizeAnswer } from '../core/answer-shape.ts';
import { vendors } from '../vendors/index.ts';
import { operationOf, perform } from './invoke.ts';
import type { VendorShape } from './vendor-calls.ts';

const vendor = vendors.proptt2;
if (!vendor) throw new Error('ProPTT2 is missing');

/** What the operation answers when the vendor answers this, with what was reported. */
async function answered(body: unknown) {
  const reported: VendorShape[] = [];
  const connection = { vendor: 'proptt2', name: 'dispatch', version: 1, settings: {} } as const;
  const { call } = playedCall('proptt2', { settings: {}, credentials: {}, session: {} }, []);
  const answering = { ...vendor, send: async () => ({ body }) } as typeof vendor & object;
  // Only what a call without a request touches is there.
  const services = {
    ...call,
    table: {},
    secrets: {},
    sessions: {},
    usage: { counting: (http: unknown) => http },
    vendorShape: (found: VendorShape) => reported.push(found),
  } as unknown as Parameters<typeof perform>[0];
  const operation = operationOf(answering, 'getChannelList');
  const scope = { requestId: 'r1', signal: call.signal };
  const answer = await perform(services, answering, connection, 'getChannelList', operation, {}, scope);
  return { answer, reported };
}

test('an answer in the documented form is normalised, and nothing is reported', async () => {
  expect(await answered({ channels: [{ id: '1', no: 12, name: 'Dispatch' }] })).toEqual({
    answer: { status: 200, body: { channels: [{ id: 1, no: '12', name: 'Dispatch' }] } },
    reported: [],
  });
});

test('what does not fit is passed through, named in a header and reported once; the rest is normalised', async () => {
  const channels = [
    { id: '1', no: 12, name: null },
    { id: { old: 2 }, no: 13, name: 'Night' },
  ];
  const { answer, reported } = await answered({ channels });
  expect(answer).toEqual({
    status: 200,
    headers: { 'vendor-shape': '"/channels/0/name", "/channels/1/id"' },
    body: {
      channels: [
        { id: 1, no: '12', name: null },
        { id: { old: 2 }, no: '13', name: 'Night' },
      ],
    },
  });
  expect(reported).toEqual([
    {
      vendor: 'proptt2',
      connection: 'dispatch',
      operation: 'getChannelList',
      path: '/channels/0/name',
      paths: ['/channels/0/name', '/channels/1/id'],
      requestId: 'r1',
    },
  ]);
});

test('an answer of quite another form is passed through as a whole', async () => {
  const { answer, reported } = await answered('no list');
  expect(answer).toMatchObject({ status: 200, body: 'no list', headers: { 'vendor-shape': '""' } });
  expect(reported).toMatchObject([{ path: '' }]);
});

test('a value that a transform cannot convert is returned unchanged', () => {
  const number = z.pipe(
    z.transform((value) => ({ count: Number(Reflect.get(Object(value), 'count')) })),
    z.looseObject({ count: z.int() }),
  );
  expect(normalizeAnswer(number, { count: 'many' })).toEqual({ body: { count: 'many' }, mismatches: ['/count'] });
  expect(normalizeAnswer(number, { count: '7' })).toEqual({ body: { count: 7 }, mismatches: [] });
});

test('unions, optional and nullable fields are checked by their kind; at most twenty places are named', () => {
  const schema = z.looseObject({
    either: z.union([z.string(), z.looseObject({ id: z.int() })]),
    maybe: z.optional(z.nullable(z.array(z.int()))),
    map: z.record(z.string(), z.int()),
  });
  expect(normalizeAnswer(schema, { either: { id: 'x' }, maybe: [1, 'two'], map: { a: 1, b: null }, more: 1 })).toEqual({
    body: { either: { id: 'x' }, maybe: [1, 'two'], map: { a: 1, b: null }, more: 1 },
    mismatches: ['/either/id', '/maybe/1', '/map/b'],
  });
  expect(
    normalizeAnswer(
      z.array(z.int()),
      Array.from({ length: 50 }, () => 'x'),
    ).mismatches,
  ).toHaveLength(20);
});
