import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlDesk, startControlDesk } from '../../../test/support/control-desk.ts';
import { scopesOfKey } from '../../api/keys/keys.ts';
import { keys } from '../../store/items.ts';
import { beginRun } from './begin.ts';
import { callsOwner, runKey, startRun } from './runs.ts';

let desk: ControlDesk;
let id = '';

beforeAll(async () => {
  desk = await startControlDesk();
  id = await startRun(desk.services, {
    owner: 'automation1',
    name: 'Evacuate',
    definition: { do: [{ name: 'tell', call: 'talk/dispatch/sendChatMessage', input: { token: 'a', message: 'x' } }] },
    scopes: ['*/*/*'],
    keyId: 'automation_1',
    cause: 'test',
    createdAt: desk.clock.now(),
    event: { id: 'e', type: 'x', timestamp: 't', vendor: 'talk', connection: 'dispatch', data: {} },
  });
  const key = runKey(id);
  if (!key) throw new Error('The run has no key');
  await desk.services.table.update(key, 'SET #state = :failed', { failed: 'failed' });
});
afterAll(() => desk.close());

const principal = (...scopes: string[]) => ({ keyId: 'low', name: 'Low', scopes, perMinute: 1e9 });
const low = principal('trunkline/runs/write', 'trunkline/runs/read', 'trunkline/automations/write');

describe('a key that could not have made the automation', () => {
  test.each(['replay', 'cancel', 'undo'])('may not %s its runs', async (what) => {
    expect((await desk.call('POST', `/v1/runs/${id}/${what}`, {}, low)).status).toBe(403);
  });

  test('cannot redirect one with an event of its own either', async () => {
    const event = { data: { text: 'EVACUATE NOW' } };
    expect((await desk.call('POST', `/v1/runs/${id}/replay`, { all: true, event }, low)).status).toBe(403);
    expect(desk.started).toHaveLength(1);
  });
});

test('an edited event is for keys that write automations', async () => {
  const event = { data: {} };
  const all = ['*/*/*'];
  const runs = { keyId: 'runs', name: 'Runs', scopes: all, perMinute: 1e9 };
  expect((await desk.call('POST', `/v1/runs/${id}/replay`, { event }, runs)).status).toBe(202);
  expect((await desk.call('POST', `/v1/runs/${id}/replay`, { all: true }, runs)).status).toBe(202);
});

describe('a run of a single call', () => {
  const forged = (call: string, keyId: string, cause: string) =>
    startRun(desk.services, {
      owner: callsOwner('talk'),
      name: call,
      definition: { do: [{ name: 'call', call, input: {} }] },
      scopes: ['*/*/*', 'proptt2/demo/deleteChannel'],
      keyId,
      cause,
      createdAt: desk.clock.now(),
    });

  test('has the rights that its key has now, whatever its item says', async () => {
    await desk.services.table.put({ ...keys.apiKey('weak'), id: 'weak', scopes: ['talk/demo/getRooms'] });
    const beginning = await beginRun(desk.services, await forged('talk/demo/getRooms', 'weak', 'weak'));
    expect(beginning).toMatchObject({ go: true, facts: { run: { scopes: ['talk/demo/getRooms'] } } });
    const admin = await beginRun(desk.services, await forged('talk/demo/getRooms', 'admin', 'admin'));
    expect(admin).toMatchObject({ go: true, facts: { run: { scopes: ['*/*/*'] } } });
    await desk.services.table.delete(keys.apiKey('weak'));
    expect(await scopesOfKey(desk.services.table, 'weak')).toBeUndefined();
    const revoked = await beginRun(desk.services, await forged('talk/demo/getRooms', 'weak', 'revoked'));
    expect(revoked).toMatchObject({ go: false, state: 'failed', reason: expect.stringContaining('revoked') });
  });

  test('calls no other vendor than the one whose function may store it', async () => {
    const beginning = await beginRun(desk.services, await forged('proptt2/demo/sendSosToChannel', 'admin', 'other'));
    expect(beginning).toMatchObject({
      go: false,
      state: 'failed',
      reason: 'A call of talk cannot call anything else.',
    });
  });
});
