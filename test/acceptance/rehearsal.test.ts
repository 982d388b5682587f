import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Bench, startBench } from './product.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const sent = () => bench.demo.proptt2.state.totals.sent;
interface Shown {
  id: string;
  message: string;
  state: string;
  events: number;
  connections: object;
  summary: { calls: Record<string, number> };
  steps: { name: string; state: string; performed?: boolean; input?: Record<string, unknown> }[];
}
const post = (path: string, body: object) => bench.call<Shown>('POST', path, body);

describe('before an alarm matters', () => {
  test('a rehearsal reads from the vendor when it is asked to, and sounds no siren', async () => {
    const automation = {
      name: 'By number',
      when: { event: 'talk.message.created' },
      do: [
        { name: 'channels', call: 'proptt2/demo/getChannelList' },
        {
          name: 'siren',
          call: 'proptt2/demo/sendSosToChannel',
          input: { channelId: "{% steps.channels.output.channels[no = '12'].id %}" },
        },
      ],
    };
    const before = sent();
    const blind = await post('/v1/automations/test', { automation });
    expect(blind.body.steps[1]).toMatchObject({ unknown: ['channels'], problem: expect.stringContaining('channelId') });
    const seeing = await post('/v1/automations/test', { automation, reads: true });
    expect(seeing.body.steps).toMatchObject([{ performed: true }, { state: 'succeeded', input: { channelId: 1 } }]);
    expect(sent()).toBe(before);
  });

  test('a backtest shows the runs that past posts would have started', async () => {
    const since = new Date().toISOString();
    const path = new URL(bench.demo.hookUrl).pathname;
    for (const zone of ['Z1', 'Z2']) await bench.call('POST', path, { zone }, { authorization: '' });
    const before = sent();
    const shown = await vi.waitFor(
      async () => {
        const { body } = await post('/v1/automations/Demo%20alarm/backtest', { since });
        expect(body.events).toBe(2);
        return body;
      },
      { timeout: 120_000, interval: 200 },
    );
    expect(shown.summary.calls).toMatchObject({ 'proptt2/demo/sendSosToChannel': expect.any(Number) });
    expect(sent() - before).toBeLessThanOrEqual(2);
  });

  test('a drill sends to the simulated vendors in place of the real ones', async () => {
    const settings = { cloudUrl: 'https://cloud.example.com', ownerId: 'owner@company.com', hid: 2 };
    const real = { vendor: 'proptt2', name: 'north', settings, credentials: { interactionKey: 'real' } };
    expect((await bench.call('POST', '/v1/connections', real)).status).toBe(201);
    const siren = { name: 'siren', call: 'proptt2/north/sendSosToChannel', input: { channelId: 1 } };
    const automation = { name: 'North', when: { event: 'talk.message.created' }, do: [siren] };
    const { id } = (await post('/v1/automations', automation)).body;
    const before = sent();
    const drill = await post('/v1/automations/North/drill', {});
    expect(drill).toMatchObject({ status: 202, body: { connections: { 'proptt2/north': 'demo' } } });
    const [run] = await bench.runs(`drill${id}`, 1);
    expect(run).toMatchObject({ state: 'succeeded', steps: [{ call: 'proptt2/demo/sendSosToChannel' }] });
    expect(sent()).toBe(before + 1);
    const refused = await post('/v1/automations/North/drill', { connections: { 'proptt2/north': 'north' } });
    expect(refused).toMatchObject({ status: 409, body: { message: expect.stringContaining('has no stand-in') } });
  });
});
