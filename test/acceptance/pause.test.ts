import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { SendingPaused } from '../../lib/api/pause/pause.ts';
import { services } from '../../lib/aws/services.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Bench, startBench } from './product.ts';

/** A pause stops everything that sends. What arrives during the pause waits and is sent afterwards, once. */
let bench: Bench;
let target: Receiver;

beforeAll(async () => {
  bench = await startBench();
  target = await startReceiver();
});
afterEach(() => vi.restoreAllMocks());
afterAll(async () => {
  await bench.close();
  await target.close();
});

interface Paused {
  paused: boolean;
  by?: string;
  reason?: string;
  since?: string;
  waiting: { runs: number; deliveries: number };
}

test('direct writes are refused, runs and deliveries wait, and nothing is lost', async () => {
  const hook = (
    await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', { name: 'Panel', verify: { kind: 'none' } })
  ).body;
  const automation = await bench.call<{ id: string }>('PUT', '/v1/automations/Alarm', {
    when: { hook: hook.id },
    do: [
      { name: 'channels', call: 'proptt2/demo/getChannelList' },
      {
        name: 'siren',
        call: 'proptt2/demo/sendSosToChannel',
        input: { channelId: '{% steps.channels.output.channels[0].id %}' },
      },
    ],
  });
  expect(automation.status, JSON.stringify(automation.body)).toBe(201);
  const subscription = { url: target.url, types: ['trunkline.hook.received'] };
  expect((await bench.call('POST', '/v1/subscriptions', subscription)).status).toBe(201);
  // Long after a pause began, what waits for its end rarely checks by itself.
  vi.spyOn(services().pause, 'waitSeconds').mockReturnValue(1800);
  const sirens = () => bench.demo.proptt2.state.sent.filter((each) => each.kind === 'sos').length;

  const paused = await bench.call<Paused>('POST', '/v1/pause', { reason: 'false alarms at S12' });
  expect(paused.body).toMatchObject({ paused: true, reason: 'false alarms at S12' });
  const direct = await bench.call('POST', '/v1/proptt2/demo/sendSosToChannel', { channelId: 1 });
  expect(direct).toMatchObject({
    status: 503,
    body: { code: 'paused', retryable: true, detail: expect.stringContaining('false alarms at S12') },
  });
  const { key } = (await bench.call<{ key: string }>('POST', '/v1/keys', { name: 'raw', scopes: ['proptt2/demo/raw'] }))
    .body;
  const raw = await bench.call('POST', '/v1/proptt2/demo/raw/beacons', {}, { authorization: `Bearer ${key}` });
  expect(raw).toMatchObject({ status: 503, body: { code: 'paused' } });
  expect((await bench.call('GET', '/v1/proptt2/demo/getChannelList')).status).toBe(200);

  await bench.call('POST', new URL(hook.url).pathname, { zone: 'Z1' }, { authorization: '' });
  const state = async () => (await bench.call<Paused>('GET', '/v1/pause')).body;
  await expect.poll(async () => (await state()).waiting).toEqual({ runs: 1, deliveries: 1 });
  expect(sirens()).toBe(0);
  expect(target.received).toHaveLength(0);

  const resumed = await bench.call<Paused>('DELETE', '/v1/pause');
  expect(resumed.body).toEqual({ paused: false, waiting: { runs: 0, deliveries: 0 } });
  const [run] = await bench.runs(automation.body.id, 1);
  expect(run?.state).toBe('succeeded');
  await expect.poll(() => target.received.length).toBe(1);
  expect(sirens()).toBe(1);
  const events = await bench.call<{ data: object }[]>('GET', '/v1/events?type=trunkline.sending.resumed');
  const pausedBy = paused.body.by;
  expect(events.body.map(({ data }) => data)).toEqual([
    { pausedAt: paused.body.since, pausedBy, reason: 'false alarms at S12', resumedBy: pausedBy },
  ]);
});

test('a wait that begins while sending is being resumed ends at once', async () => {
  const { id } = (
    await bench.call<{ id: string }>('PUT', '/v1/automations/Late', {
      when: { event: 'talk.message.created' },
      do: [{ name: 'line', call: 'talk/demo/sendChatMessage', input: { token: 'controlroom', message: 'late' } }],
    })
  ).body;
  const { pause } = services();
  vi.spyOn(pause, 'waitSeconds').mockReturnValue(1800);
  // Another process resumed a moment ago: the attempt still found the pause, and no event for it follows.
  vi.spyOn(pause, 'check').mockRejectedValueOnce(new SendingPaused({ since: Date.now(), by: 'an operator' }, 1800));
  expect((await bench.call('POST', `/v1/automations/${id}/run`, {})).status).toBe(202);
  expect((await bench.runs(id, 1))[0]?.state).toBe('succeeded');
});

test('the live stream sends a pause, its end and a changed automation as they happen', async () => {
  // The stream asks by itself every ten seconds; here, only because something has changed.
  const { setTimeout: start } = globalThis;
  const later = (run: () => void, ms?: number) => start(run, ms === 10_000 ? 3_600_000 : ms);
  vi.stubGlobal('setTimeout', Object.assign(later, start));
  onTestFinished(() => void vi.unstubAllGlobals());
  const following = await fetch(`${bench.product.url}/v1/stream`, {
    headers: { authorization: `Bearer ${bench.product.adminKey}` },
  });
  let read = '';
  const reader = following.body?.pipeThrough(new TextDecoderStream()).getReader();
  const received = async (what: string) => {
    while (!read.includes(what)) read += (await reader?.read())?.value ?? '';
  };
  await received('id: ');
  await bench.call('POST', '/v1/pause', { reason: 'drill' });
  await received('event: pause\ndata: {"paused":true');
  await bench.call('DELETE', '/v1/pause');
  await received('event: pause\ndata: {"paused":false}');
  await bench.call('PATCH', '/v1/automations/Alarm', { enabled: false });
  await received('event: automations\n');
  await reader?.cancel();
});
