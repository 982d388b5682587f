import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { logTo } from '../../lib/aws/log.ts';
import { services } from '../../lib/aws/services.ts';
import { startBench } from '../acceptance/product.ts';

/**
 * Hook to radio on the sandbox, one after another, with a chat line and another automation for each event; events a second from the
 * log to a receiver; requests that a run costs.
 */
export async function automationBench(count: number): Promise<void> {
  const bench = await startBench();
  logTo((line) => void line());
  try {
    const hook = await bench.call<{ id: string; url: string }>('POST', '/v1/hooks', {
      name: 'Bench',
      verify: { kind: 'none' },
      perMinute: 6_000,
    });
    const path = new URL(hook.body.url).pathname;
    const automation = await bench.call<{ id: string }>('POST', '/v1/automations', {
      name: 'Bench',
      when: { hook: hook.body.id },
      maxPerMinute: 600,
      do: [
        { name: 'siren', call: 'proptt2/demo/sendSosToChannel', input: { channelId: 1 } },
        { name: 'line', call: 'talk/demo/sendChatMessage', input: { token: 'controlroom', message: 'Alarm' } },
      ],
    });
    // What else the same event starts must not delay the siren.
    await bench.call('POST', '/v1/automations', {
      name: 'Chronicle',
      when: { event: 'trunkline.hook.received' },
      maxPerMinute: 600,
      do: [{ name: 'keep', remember: { key: 'last', value: '{% event.id %}' } }],
    });
    const post = (body: object) => bench.call('POST', path, body, { authorization: '' });
    const sirens = () => bench.demo.proptt2.state.totals.sent;
    await post({ warm: true });
    await bench.runs(automation.body.id, 1);

    const requestsBefore = services().table.requests;
    const times: number[] = [];
    for (let at = 0; at < count; at++) {
      const before = sirens();
      const startedAt = performance.now();
      await post({ at });
      while (sirens() === before) await new Promise((resolve) => setTimeout(resolve, 1));
      times.push(performance.now() - startedAt);
    }
    await bench.runs(automation.body.id, count + 1);
    times.sort((one, other) => one - other);
    const requests = (services().table.requests - requestsBefore) / count;
    process.stdout.write(
      `\nHook to radio: p50 ${times[Math.floor(count / 2)]?.toFixed(0)} ms, p99 ${times[Math.floor(count * 0.99)]?.toFixed(0)} ms; DynamoDB requests of the functions per event with two runs of three steps: ${requests.toFixed(1)}\n`,
    );
    await bench.call('PATCH', `/v1/automations/${automation.body.id}`, { enabled: false });
    await deliveries(bench, post, count);
  } finally {
    await bench.close();
  }
}

async function deliveries(
  bench: Awaited<ReturnType<typeof startBench>>,
  post: (body: object) => Promise<unknown>,
  count: number,
): Promise<void> {
  const seen = new Set<string>();
  const receiver = createServer((request, response) => {
    seen.add(String(request.headers['webhook-id']));
    request.resume();
    response.end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  await bench.call('POST', '/v1/subscriptions', { url, types: ['trunkline.hook.received'] });
  const before = services().table.requests;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: count }, (_, at) => post({ deliver: at })));
  const deadline = Date.now() + 120_000;
  while (seen.size < count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  const seconds = (performance.now() - startedAt) / 1000;
  const requests = (services().table.requests - before) / count;
  process.stdout.write(
    `Log to delivery: ${seen.size} events in ${seconds.toFixed(1)} s, ${(seen.size / seconds).toFixed(0)} a second to one target (its own limit is 25); DynamoDB requests of the functions per event and delivery: ${requests.toFixed(1)}\n`,
  );
  receiver.closeAllConnections();
  receiver.close();
}
