import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { callsOwner, runId, runKey } from '../../lib/automations/runs/runs.ts';
import { services } from '../../lib/aws/services.ts';
import { systemClock } from '../../lib/aws/system.ts';
import { due } from '../../lib/store/due.ts';
import { keys } from '../../lib/store/items.ts';
import type { Item } from '../../lib/store/table.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Bench, type ShownRun, startBench } from './product.ts';

/**
 * What an attacker can do who has taken over the code of a function on AWS. The function's rights are enforced as IAM enforces
 * them. Also tests a clock that is set back.
 */
let bench: Bench;
let quiet: string;

const sirens = () => bench.demo.proptt2.state.sent.filter(({ kind }) => kind === 'sos');
const messages = () => bench.demo.talk.state.messages.map(({ text }) => text);
const siren = { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } };
const chat = (message: string) => ({
  name: 'tell',
  call: 'talk/demo/sendChatMessage',
  input: { token: 'controlroom', message },
});
const shown = async (id: string) => (await bench.call<ShownRun>('GET', `/v1/runs/${id}`)).body;
const ended = async (id: string) => {
  await expect.poll(async () => (await shown(id)).state).not.toBe('running');
  return shown(id);
};

/** A run as the attacker writes it, with false rights. */
function forged(owner: string, cause: string, fields: Record<string, unknown>): Item & { id: string } {
  const createdAt = Date.now();
  const id = runId(owner, createdAt, cause);
  const key = runKey(id);
  if (!key) throw new Error('No run can have this id');
  const run = { owner, name: 'Forged', state: 'running', keyId: 'admin', scopes: ['*/*/*'], createdAt, ...fields };
  return { ...run, ...key, id, expiresAt: Math.ceil(createdAt / 1000) + 3600, ...due('run-running', id, createdAt) };
}

/** Stores and starts a run with the rights of a function. */
const startAs = (functionName: string, item: Item & { id: string }) =>
  bench.as(functionName, async () => {
    const { table, starter } = services();
    await table.put(item);
    await starter.startRun(item.id, { runId: item.id });
    return item.id;
  });

beforeAll(async () => {
  bench = await startBench();
  const low = await bench.call<{ key: string }>('POST', '/v1/keys', {
    name: 'Low',
    scopes: ['talk/demo/sendChatMessage', 'trunkline/automations/write', 'trunkline/hooks/read'],
  });
  const hook = await bench.call<{ id: string }>('POST', '/v1/hooks', { name: 'Quiet', verify: { kind: 'none' } });
  const made = await bench.call<{ id: string }>(
    'POST',
    '/v1/automations',
    { name: 'Quiet', when: { hook: hook.body.id }, do: [chat('as it was stored')] },
    { authorization: `Bearer ${low.body.key}` },
  );
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  quiet = made.body.id;
});
afterAll(() => bench.close());

describe('a run that the code of `hooks` has forged', () => {
  test('does what its automation defines, with the rights of its automation', async () => {
    const definition = JSON.stringify({ do: [siren, chat('forged')] });
    const id = await startAs('hooks', forged(quiet, 'definition', { version: 1, definition }));
    expect(await ended(id)).toMatchObject({ state: 'succeeded', steps: [{ name: 'tell' }] });
    expect(sirens()).toEqual([]);
    expect(messages()).toContain('as it was stored');
    expect(messages()).not.toContain('forged');
  });

  test('is not accepted as a replay with its own outputs, an undo or a drill', async () => {
    const definition = JSON.stringify({ do: [siren] });
    const more = { replayOf: 'run_x_1_0123456789ab', outputs: '{"tell":{}}', isLiteral: true, isDrill: true };
    const id = await startAs('hooks', forged(quiet, 'replay', { version: 1, definition, ...more }));
    expect(await ended(id)).toMatchObject({ state: 'succeeded', steps: [{ name: 'tell', state: 'succeeded' }] });
    for (const owner of [quiet, `drill${quiet}`]) {
      const other = await startAs('hooks', forged(owner, 'requested', { definition, ...more }));
      expect(await ended(other)).toMatchObject({
        state: 'failed',
        reason: 'Nobody with a key has requested it.',
        steps: [],
      });
    }
    expect(sirens()).toEqual([]);
  });

  test('can be neither a single call nor a request, and no version of an automation can be written', async () => {
    const call = forged(callsOwner('proptt2'), 'call', { definition: JSON.stringify({ do: [siren] }) });
    const wanted = forged(quiet, 'wanted', { definition: JSON.stringify({ do: [siren] }) });
    const version = { scopes: ['*/*/*'], definition: JSON.stringify({ do: [siren] }) };
    const writes = [
      call,
      { ...wanted, ...keys.requestedRun(wanted.id) },
      { ...keys.automationVersion(quiet, 1), ...version },
    ];
    for (const item of writes)
      await expect(bench.as('hooks', () => services().table.put(item))).rejects.toThrow(/may not PutItem/);
    expect(bench.takeDenials()).toHaveLength(3);
  });
});

test('the code of a vendor can forge a call of that vendor alone, and no run of an automation', async () => {
  const definition = JSON.stringify({ do: [{ ...siren, name: 'call' }] });
  const other = await startAs('talk', forged(callsOwner('talk'), 'other vendor', { definition }));
  expect(await ended(other)).toMatchObject({ state: 'failed', reason: 'A call of talk cannot call anything else.' });
  // Whose run it is follows from where it is stored, not from what the item says.
  const posing = { ...forged(callsOwner('talk'), 'posing', { definition, version: 1 }), owner: quiet };
  expect(await ended(await startAs('talk', posing))).toMatchObject({ state: 'failed' });
  await expect(bench.as('talk', () => services().table.put(forged(quiet, 'x', { definition })))).rejects.toThrow(
    /may not PutItem/,
  );
  expect(bench.takeDenials()).toHaveLength(1);
  expect(sirens()).toEqual([]);
});

test('a replay of a forged run repeats what the automation says', async () => {
  const definition = JSON.stringify({ do: [siren] });
  const id = await startAs('hooks', forged(quiet, 'to be replayed', { version: 1, definition }));
  await ended(id);
  const replay = await bench.call<{ id: string }>('POST', `/v1/runs/${id}/replay`, { all: true });
  expect(replay.status, JSON.stringify(replay.body)).toBe(202);
  expect(await ended(replay.body.id)).toMatchObject({ state: 'succeeded', steps: [{ name: 'tell' }] });
  expect(sirens()).toEqual([]);
});

test('the runs of a deleted automation can be replayed, and a forged one starts nothing', async () => {
  const gone = await bench.call<{ id: string }>('POST', '/v1/automations', {
    name: 'Gone',
    when: { event: 'talk.call.started' },
    do: [chat('before it was deleted')],
  });
  const run = await bench.call<{ id: string }>('POST', `/v1/automations/${gone.body.id}/run`, {});
  expect(await ended(run.body.id)).toMatchObject({ state: 'succeeded' });
  expect((await bench.call('DELETE', `/v1/automations/${gone.body.id}`)).status).toBe(204);
  const id = await startAs('hooks', forged(gone.body.id, 'late', { version: 1, definition: '{"do":[]}' }));
  expect(await ended(id)).toMatchObject({ state: 'cancelled', reason: 'Its automation was deleted.' });
  const replay = await bench.call<{ id: string }>('POST', `/v1/runs/${run.body.id}/replay`, { all: true });
  expect(await ended(replay.body.id)).toMatchObject({ state: 'succeeded', steps: [{ name: 'tell' }] });
});

describe('a clock that was wrong', () => {
  const hour = 60 * 60_000;
  const turnClock = (ms: number) => {
    vi.restoreAllMocks();
    if (ms !== 0) vi.spyOn(systemClock, 'now').mockImplementation(() => Date.now() + ms);
  };
  afterEach(() => turnClock(0));
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await startReceiver();
  });
  afterAll(() => receiver.close());

  /** An alarm with a key that counts for half an hour, and a subscription, all made now. */
  async function alarm(name: string) {
    const dedupe = { header: 'x-number' };
    const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
      name,
      verify: { kind: 'none' },
      dedupe,
    });
    const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
      name,
      when: { hook: hook.body.id },
      dedupe: { key: '{% event.data.body.zone %}', seconds: 1800 },
      do: [{ wait: { seconds: 1 } }, siren],
    });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    await bench.call('POST', '/v1/subscriptions', { url: receiver.url, types: ['trunkline.hook.received'] });
    let posts = 0;
    return async (zone: string, number = `${name} ${++posts}`) => {
      const path = new URL(hook.body.url).pathname;
      const posted = await bench.call<{ eventId: string }>(
        'POST',
        path,
        { zone },
        { authorization: '', 'x-number': number },
      );
      expect(posted.status, JSON.stringify(posted.body)).toBe(202);
      await expect
        .poll(() => receiver.received.map(({ headers }) => headers['webhook-id']))
        .toContain(posted.body.eventId);
    };
  }

  test.each([
    ['an hour ahead', hour],
    ['two days ahead', 48 * hour],
  ])('%s, and right again: alarms sound once, and targets receive them', async (name, ms) => {
    turnClock(ms);
    const post = await alarm(name);
    const before = sirens().length;
    await post('A');
    await expect.poll(sirens).toHaveLength(before + 1);
    turnClock(0);
    // The automation, the subscription, the key of the zone and the turn of the target are from the future.
    await post('A');
    await expect.poll(sirens).toHaveLength(before + 2);
    await post('A');
    await post('B');
    await expect.poll(sirens).toHaveLength(before + 3);
  });

  test('two days ahead, and right again: a schedule fires when it should', async () => {
    turnClock(48 * hour);
    const made = await bench.call<{ id: string }>('POST', '/v1/automations', {
      name: 'Every minute',
      when: { schedule: { everySeconds: 60 } },
      do: [{ name: 'read', call: 'talk/demo/getRooms' }],
    });
    const next = async () => {
      const { body } = await bench.call<{ nextRunAt: string }>('GET', `/v1/automations/${made.body.id}`);
      return Date.parse(body.nextRunAt);
    };
    await bench.product.tick();
    turnClock(0);
    await bench.product.tick();
    expect(await next()).toBeLessThanOrEqual(Date.now() + 60_000);
    const runs = async () => (await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${made.body.id}`)).body.length;
    const before = await runs();
    turnClock(61_000);
    await bench.product.tick();
    await expect.poll(runs).toBeGreaterThan(before);
  });
});
