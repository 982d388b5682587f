import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimKey } from '../../lib/automations/runs/dedupe.ts';
import { runId, runKey } from '../../lib/automations/runs/runs.ts';
import { services } from '../../lib/aws/services.ts';
import { packText } from '../../lib/store/blobs.ts';
import { due } from '../../lib/store/due.ts';
import type { Item } from '../../lib/store/table.ts';
import { startReceiver } from '../support/receiver.ts';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** A failing vendor must not delay the others. */
let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

/** Longer than any request waits for its answer. */
const hang = { kind: 'latency', ms: 60_000, path: '/chat/' } as const;

const sirens = () => bench.demo.proptt2.state.sent.filter(({ kind }) => kind === 'sos');
const line = {
  name: 'line',
  call: 'talk/demo/sendChatMessage',
  input: { token: 'controlroom', message: '{% run.ref %}' },
};
const siren = { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } };

/** A hook with an automation that it starts; posts to it. */
async function automation(name: string, steps: object[], more: object = {}) {
  const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', { name, verify: { kind: 'none' } });
  expect(hook.status, JSON.stringify(hook.body)).toBe(201);
  const definition = { name, when: { hook: hook.body.id }, maxPerMinute: 600, ...more, do: steps };
  const made = await bench.call<{ id: string }>('POST', '/v1/automations', definition);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const path = new URL(hook.body.url).pathname;
  return {
    id: made.body.id,
    post: async () => {
      const answer = await bench.call('POST', path, {}, { authorization: '' });
      expect(answer.status, JSON.stringify(answer.body)).toBe(202);
    },
  };
}

const going = async (id: string) =>
  (await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${id}&state=running&limit=200`)).body.length;

test('seventy runs at a vendor that hangs delay neither alarms nor other automations', async () => {
  const stuck = await automation('Stuck', [line]);
  const alarm = await automation('Alarm', [siren]);
  const other = await automation('Other', [{ name: 'list', call: 'proptt2/demo/getChannelList' }]);
  bench.demo.talk.fault(hang);
  await Promise.all(Array.from({ length: 70 }, () => stuck.post()));
  await alarm.post();
  await other.post();
  await expect.poll(sirens).toHaveLength(1);
  await expect.poll(() => going(other.id)).toBe(0);
  // It sounded although others still wait for their vendor, which ends eight at a time after ten seconds.
  expect(await going(stuck.id)).toBeGreaterThan(0);
  bench.demo.talk.clearFaults();
});

test('a target that hangs delays no delivery to another', async () => {
  const silent = await startReceiver(() => undefined);
  const quick = await startReceiver();
  const types = ['trunkline.hook.received'];
  const subscribe = async ({ url }: { url: string }) =>
    (await bench.call<{ id: string }>('POST', '/v1/subscriptions', { url, types })).body.id;
  const stuck = await subscribe(silent);
  const source = await automation('Source', [{ name: 'list', call: 'proptt2/demo/getChannelList' }]);
  await Promise.all(Array.from({ length: 12 }, () => source.post()));
  await expect.poll(() => silent.received.length).toBeGreaterThanOrEqual(8);
  await subscribe(quick);
  await source.post();
  await expect.poll(() => quick.received.length).toBe(1);
  // It arrived although everything that came before it still waits for the other target.
  const { body } = await bench.call<{ state: string }[]>('GET', `/v1/deliveries?subscription=${stuck}&limit=100`);
  expect(body.filter(({ state }) => state === 'pending' || state === 'retrying')).toHaveLength(13);
  await Promise.all([silent.close(), quick.close()]);
});

test('a run whose execution fails ends as failed at once, and the next alarm with its key sounds', async () => {
  const before = sirens().length;
  const dedupe = { key: '{% "zone" %}', seconds: 60 };
  const guard = await automation('Guard', [siren], { dedupe });
  const { table, starter, ...more } = services();
  // A run that holds its key, and whose execution has nothing to carry out.
  const createdAt = Date.now();
  const id = runId(guard.id, createdAt, 'broken');
  const definition = packText(JSON.stringify({ do: [siren], dedupe }));
  const run = {
    ...runKey(id),
    id,
    owner: guard.id,
    name: 'Guard',
    state: 'running',
    definition,
    scopes: [],
    createdAt,
  };
  await table.put({ ...run, ...due('run-running', id, createdAt) } as Item);
  await claimKey({ table, starter, ...more }, guard.id, 'zone', { id, createdAt }, createdAt);
  await starter.startRun(id, null as never);
  const shown = async () => (await bench.call<ShownRun>('GET', `/v1/runs/${id}`)).body;
  await expect.poll(async () => (await shown()).state).toBe('failed');
  expect((await shown()).reason).toBe('Its execution failed; the log says why.');
  const received = async () =>
    (await bench.call<{ data: { runId: string } }[]>('GET', '/v1/events?type=trunkline.run.failed')).body;
  await expect.poll(async () => (await received()).map(({ data }) => data.runId)).toContain(id);
  await guard.post();
  await expect.poll(sirens).toHaveLength(before + 1);
});

test('a chat step that hangs before the siren does not delay it', async () => {
  const before = sirens().length;
  const first = await automation('Chat first', [{ ...line, onError: 'continue' }, siren]);
  bench.demo.talk.fault(hang);
  await first.post();
  await expect.poll(sirens).toHaveLength(before + 1);
  expect(await going(first.id)).toBe(1);
  bench.demo.talk.clearFaults();
});
