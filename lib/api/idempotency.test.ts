import { expect, test } from 'vitest';
import { type processOf, TestClock } from '../../test/support/harness.ts';
import { withTestServices } from '../../test/support/test-table.ts';
import { GatewayError } from '../core/errors.ts';
import type { Table } from '../store/table.ts';
import { type JsonAnswer, once } from './idempotency.ts';

let services: ReturnType<typeof processOf>;
const clock = new TestClock();
let count = 0;

withTestServices(clock, (made) => {
  services = made;
});

/** A write under a key of its own; `broken` refuses every change of the table after the claim. */
function write(run: (asked: () => void) => Promise<JsonAnswer>) {
  const request = {
    area: 'proptt2' as const,
    keyId: 'k',
    key: `key-${++count}`,
    requestId: 'r',
    fingerprint: [count],
  };
  const failing = async () => {
    throw new Error('ProvisionedThroughputExceededException');
  };
  const broken = new Proxy(services.table, {
    get: (table, name) => {
      if (name === 'update' || name === 'delete') return failing;
      const value = Reflect.get(table, name);
      return typeof value === 'function' ? value.bind(table) : value;
    },
  }) as Table;
  let runs = 0;
  const counted = (asked: () => void) => {
    runs++;
    return run(asked);
  };
  return {
    runs: () => runs,
    brokenly: () => once({ ...services, table: broken }, request, counted),
    again: () => once(services, request, counted),
  };
}

test('an answer that cannot be stored is given all the same, and the write is not done again', async () => {
  const sos = write(async (asked) => {
    asked();
    return { status: 200, body: { code: '200' } };
  });
  expect(await sos.brokenly()).toEqual({ status: 200, body: { code: '200' } });
  await expect(sos.again()).rejects.toMatchObject({ code: 'idempotency_in_progress' });
  clock.advance(61_000);
  await expect(sos.again()).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(sos.runs()).toBe(1);
});

test.each([
  ['an internal error', new Error('The table is away')],
  ['a failure of our table', new GatewayError('unavailable', 'The table is away')],
])('%s after the vendor was asked does not free the key', async (_what, error) => {
  const sos = write(async (asked) => {
    asked();
    throw error;
  });
  await expect(sos.again()).rejects.toThrow(error.message);
  await expect(sos.again()).rejects.toMatchObject({ code: 'idempotency_in_progress' });
  expect(sos.runs()).toBe(1);
});

test.each([
  ['before the vendor was asked', new Error('The table is away'), false],
  ['that never reached the vendor', new GatewayError('vendor_unreachable', 'No connection', { vendor: 'talk' }), true],
])('a failure %s frees the key', async (_what, error, asks) => {
  const sos = write(async (asked) => {
    if (asks) asked();
    throw error;
  });
  await expect(sos.again()).rejects.toThrow(error.message);
  await expect(sos.again()).rejects.toThrow(error.message);
  expect(sos.runs()).toBe(2);
});
