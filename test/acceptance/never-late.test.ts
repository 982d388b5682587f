import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, type ShownRun, startBench } from './product.ts';

/** Trouble at one vendor, and what it must not hold up at the others. */
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
      const told = await bench.call('POST', path, {}, { authorization: '' });
      expect(told.status, JSON.stringify(told.body)).toBe(202);
    },
  };
}

const going = async (id: string) =>
  (await bench.call<ShownRun[]>('GET', `/v1/runs?automation=${id}&state=running&limit=200`)).body.length;

test('seventy runs at a vendor that hangs hold up no alarm, and no other automation', async () => {
  const stuck = await automation('Stuck', [line]);
  const alarm = await automation('Alarm', [siren]);
  const other = await automation('Other', [{ name: 'list', call: 'proptt2/demo/getChannelList' }]);
  bench.demo.talk.fault(hang);
  await Promise.all(Array.from({ length: 70 }, () => stuck.post()));
  await alarm.post();
  await other.post();
  await expect.poll(sirens).toHaveLength(1);
  await expect.poll(() => going(other.id)).toBe(0);
  // It sounded although they all still wait for their vendor.
  expect(await going(stuck.id)).toBe(70);
  bench.demo.talk.clearFaults();
});

test('a chat that hangs in front of the siren does not hold it up', async () => {
  const before = sirens().length;
  const first = await automation('Chat first', [{ ...line, onError: 'continue' }, siren]);
  bench.demo.talk.fault(hang);
  await first.post();
  await expect.poll(sirens).toHaveLength(before + 1);
  expect(await going(first.id)).toBe(1);
  bench.demo.talk.clearFaults();
});
