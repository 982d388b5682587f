import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { once } from '../../lib/api/idempotency.ts';
import { hashOf } from '../../lib/api/keys/admin-key.ts';
import { ApiKeys } from '../../lib/api/keys/keys.ts';
import { claimKey } from '../../lib/automations/runs/dedupe.ts';
import { remember } from '../../lib/automations/runs/memory.ts';
import { runId } from '../../lib/automations/runs/runs.ts';
import { notesOf } from '../../lib/connections/notes.ts';
import { vendorCall } from '../../lib/connections/vendor-calls.ts';
import { GatewayError } from '../../lib/core/errors.ts';
import { newId } from '../../lib/core/ids.ts';
import { Hooks } from '../../lib/hooks/hooks.ts';
import { takeLease } from '../../lib/store/lease.ts';
import { Table } from '../../lib/store/table.ts';
import { proptt2 } from '../../lib/vendors/proptt2/index.ts';
import { session as policy } from '../../lib/vendors/proptt2/session.ts';
import { talk } from '../../lib/vendors/talk/index.ts';
import { startFaultyDatabase } from '../support/faulty-database.ts';
import { admin, memorySecrets, processOf, startBackends, TestClock } from '../support/harness.ts';

type Operation = 'PutItem' | 'UpdateItem' | 'TransactWriteItems';

const clock = new TestClock();
let backends: Awaited<ReturnType<typeof startBackends>>;
let database: Awaited<ReturnType<typeof startFaultyDatabase>>;
let services: ReturnType<typeof processOf>;
let table: Table;

beforeAll(async () => {
  backends = await startBackends();
  database = await startFaultyDatabase(backends.database, 1);
  const { credentials } = backends.database;
  table = new Table('trunkline', { endpoint: database.endpoint, region: 'us-east-1', credentials });
  services = processOf(table, memorySecrets(), clock);
});
afterAll(async () => {
  services.close();
  await database.close();
  await backends.stop();
});

/** Carries out a write whose first request is done, but not answered: the SDK sends it again. */
async function unanswered<T>(operation: Operation, write: () => Promise<T>): Promise<T> {
  database.failNext(operation, 'dropped');
  const { dropped } = database.counts;
  const written = await write();
  expect(database.counts.dropped).toBe(dropped + 1);
  return written;
}

describe('a conditional write that was done, but not answered', () => {
  const key = () => ({ pk: `lost-${newId(services.random)}`, sk: 'x' });

  test('is done if it was a put', async () => {
    const item = { ...key(), by: 'me', at: 1.5, list: [{ a: null }], absent: undefined };
    const written = await unanswered('PutItem', () => table.put(item, 'attribute_not_exists(#pk)'));
    expect(written).toMatchObject({ done: true, item: { by: 'me' } });
  });

  test('is done if it was an update', async () => {
    const at = key();
    const change = () =>
      table.update(at, 'SET #by = :by REMOVE #free ADD #count :one', { by: 'me', one: 1 }, 'attribute_not_exists(#by)');
    expect(await unanswered('UpdateItem', change)).toEqual({ done: true, item: { ...at, by: 'me', count: 1 } });
  });

  test('is refused if another has written', async () => {
    const at = key();
    await table.put({ ...at, by: 'another' });
    for (const [operation, write] of [
      ['PutItem', () => table.put({ ...at, by: 'me' }, 'attribute_not_exists(#pk)')],
      ['UpdateItem', () => table.update(at, 'SET #by = :by', { by: 'me' }, 'attribute_not_exists(#by)')],
      // What it would change is there already, but that is not why it is refused.
      ['UpdateItem', () => table.update(at, 'SET #by = :by', { by: 'another' }, 'attribute_exists(#gone)')],
    ] as const) {
      database.failNext(operation, 'throttled');
      expect(await write()).toEqual({ done: false, item: { ...at, by: 'another' } });
    }
  });

  test('is done once if it was a transaction', async () => {
    const at = key();
    const add = { update: { key: at, expression: 'ADD #count :one' }, values: { one: 1 } };
    const write = () => table.transact([add, { put: { ...at, sk: 'y' }, condition: 'attribute_not_exists(#pk)' }]);
    expect(await unanswered('TransactWriteItems', write)).toEqual({ done: true, refused: [] });
    expect(await table.get(at, true)).toMatchObject({ count: 1 });
  });
});

describe('an answer of the table that is lost', () => {
  test('leaves a lease with its owner', async () => {
    const at = { pk: `lost-${newId(services.random)}`, sk: 'lease' };
    const take = () => takeLease(table, at, 'me', clock.now(), 20_000);
    expect(await unanswered('UpdateItem', take)).toMatchObject({ owner: 'me', fence: 1 });
    expect(await takeLease(table, at, 'another', clock.now(), 20_000)).toBeUndefined();
  });

  test('does not keep a call with an idempotency key from being made', async () => {
    const request = { area: 'proptt2', keyId: 'k', key: 'sos', requestId: 'r', fingerprint: [1] };
    const call = () => once(services, request, async () => ({ status: 200, body: { code: '200' } }));
    expect(await unanswered('PutItem', call)).toEqual({ status: 200, body: { code: '200' } });
  });

  test('does not keep a call from being made again after every attempt to claim its key has failed', async () => {
    const request = { area: 'proptt2', keyId: 'k', key: 'again', requestId: 'r', fingerprint: [1] };
    const call = () => once(services, request, async () => ({ status: 200, body: { code: '200' } }));
    // As many as the SDK makes.
    for (const kind of ['dropped', 'throttled', 'throttled', 'throttled'] as const) database.failNext('PutItem', kind);
    await expect(call()).rejects.toThrow('Rate exceeded');
    expect(await call()).toEqual({ status: 200, body: { code: '200' } });
  });

  test('counts a refused login once', async () => {
    let logins = 0;
    const login = async () => {
      // The next update counts the refusal.
      if (++logins === 1) database.failNext('UpdateItem', 'dropped');
      throw new GatewayError('unauthorized', 'Refused.', { session: 'refused' });
    };
    const vendor = { ...proptt2, session: { ...policy, login } };
    const connection = { vendor: 'proptt2' as const, name: 'refused', version: 1, settings: {} };
    const call = vendorCall(services, vendor, connection, { requestId: 'r', signal: new AbortController().signal });
    const known = { ...call, credentialsAfresh: async () => false };
    await expect(services.sessions.latest(vendor, known)).rejects.toMatchObject({ code: 'connection_needs_attention' });
    expect(logins).toBe(policy.refusalsUntilLocked);
    expect(services.attention.splice(0)).toMatchObject([{ connection: 'refused' }]);
  });

  test('reports the lock of a connection', async () => {
    const connection = { vendor: 'talk' as const, name: 'lost', version: 1, settings: {} };
    await unanswered('UpdateItem', () => services.sessions.lock(talk, connection, 'Refused.'));
    expect(services.attention).toEqual([{ connection: 'lost', reason: 'Refused.' }]);
  });

  test('does not suppress a run as a duplicate of itself', async () => {
    const dead = { id: runId('auto', 1, 'dead'), createdAt: 1 };
    const mine = { id: runId('auto', 2, 'mine'), createdAt: 2 };
    expect(await claimKey(runServices(), 'auto', 'door', dead, 1)).toEqual({ mine: true });
    // The run that holds the key has ended without releasing it: it is read after the first put, and before the second.
    database.failNext('GetItem', 'throttled');
    const claim = () => claimKey(runServices(), 'auto', 'door', mine, 2);
    expect(await unanswered('PutItem', claim)).toEqual({ mine: true });
  });

  test('tells the run that it is the one that changed the memory', async () => {
    const write = () => remember(runServices(), 'auto', { key: 'first', value: 1, expect: null });
    expect(await unanswered('PutItem', write)).toEqual({ written: true, value: 1 });
    const forget = () => remember(runServices(), 'auto', { key: 'first', value: null, expect: 1 });
    expect(await unanswered('TransactWriteItems', forget)).toEqual({ written: true, value: null });
  });

  test('leaves a note with the call that claimed it', async () => {
    const notes = notesOf(table, clock, { vendor: 'timetonic', name: 'lost' });
    expect(await unanswered('PutItem', () => notes.claim('creation', { state: 'making' }, 60))).toBe(true);
    expect(await notes.claim('creation', { state: 'making' }, 61)).toBe(false);
  });

  test('shows the new secret of a key', async () => {
    const apiKeys = new ApiKeys(table, clock, services.random, services.keyCheck);
    const { item } = await apiKeys.create(admin, 'Lost', ['talk/*/read'], 60);
    const { key } = await unanswered('UpdateItem', () => apiKeys.rotate(admin, item.id, 0));
    expect((await apiKeys.get(item.id)).hashes).toEqual([{ hash: hashOf(key.slice(`tl_${item.id}_`.length)) }]);
  });

  test('frees the name of a hook that was removed', async () => {
    const hooks = new Hooks(table, clock, services.random);
    const settings = { name: 'Panel', verify: { kind: 'none' }, perMinute: 60 };
    const { item } = await hooks.create(hooks.newId(), 'admin', settings);
    await unanswered('TransactWriteItems', () => hooks.remove(item.id));
    expect(await hooks.create(hooks.newId(), 'admin', settings)).toMatchObject({ item: { name: 'Panel' } });
  });
});

const runServices = () => ({ ...services, starter: noStarter });
const never = async () => {
  throw new Error('Nothing is started here');
};
const noStarter = { startRun: never, startDelivery: never, complete: never };
