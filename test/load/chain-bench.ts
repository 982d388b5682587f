import type { Context } from 'aws-lambda';
import { publishAdminKey } from '../../lib/api/keys/admin-key.ts';
import { adminKeySecret, sessionKeySecret } from '../../lib/core/secrets.ts';
import { eventOf } from '../support/function-request.ts';
import { memoryFiles, startBackends } from '../support/harness.ts';

const calls = 20_000;
const answers: Readonly<Record<string, string>> = {
  server: '{"ServerURL":"https://vendor.example","Rand":"452673a34b"}',
  auth: '{"sessionkey":"a34b56c21"}',
};

/** Measures the request chain in this process: key, rate, JSON, schema, session, protocol, log. The vendor answers from memory. */
export async function chainBench(): Promise<void> {
  const backends = await startBackends();
  Object.assign(process.env, backends.env);
  const { services, useFiles } = await import('../../lib/aws/services.ts');
  const { logTo } = await import('../../lib/aws/log.ts');
  logTo((line) => void line());
  useFiles(memoryFiles());
  const gateway = services();
  await gateway.secrets.write(sessionKeySecret('proptt2'), 'a key for benchmarks');
  await gateway.secrets.write(adminKeySecret, 'a-key-for-benchmarks');
  await publishAdminKey(gateway);
  gateway.http.request = async ({ url }) => {
    const text = answers[String(url).split('/').at(-1) ?? ''] ?? '{"code":"200"}';
    return { status: 200, headers: {}, bytes: Buffer.from(text), text: () => text };
  };
  const { handler: control } = await import('../../functions/control.ts');
  const { handler: proptt2 } = await import('../../functions/proptt2.ts');
  const headers = { authorization: 'Bearer tl_a-key-for-benchmarks' };
  const context = { awsRequestId: 'bench', getRemainingTimeInMillis: () => 29_000 } as Context;
  // middy's handler takes more arguments than Lambda gives.
  const invoke = (handler: unknown, event: unknown) =>
    (handler as (...given: unknown[]) => Promise<{ statusCode: number }>)(event, context);
  const settings = { cloudUrl: 'https://vendor.example', ownerId: 'owner@company.com', hid: 1 };
  const connection = { vendor: 'proptt2', name: 'bench', settings, credentials: { interactionKey: 'bb00cc' } };
  await invoke(control, eventOf({ path: '/v1/connections', headers, body: connection }));

  const times: number[] = [];
  const before = { cpu: process.cpuUsage(), requests: gateway.table.requests };
  for (let call = -2_000; call < calls; call++) {
    if (call === 0) Object.assign(before, { cpu: process.cpuUsage(), requests: gateway.table.requests });
    const event = eventOf({
      path: '/v1/proptt2/bench/sendMessageToChannel',
      headers,
      body: { channelId: 1, message: 'Hello' },
    });
    const startedAt = performance.now();
    const { statusCode } = await invoke(proptt2, event);
    if (call >= 0) times.push(performance.now() - startedAt);
    if (statusCode !== 200) throw new Error(`The chain answered ${statusCode}`);
  }
  const cpu = process.cpuUsage(before.cpu);
  times.sort((one, other) => one - other);
  process.stdout.write(
    `\nThe chain in process: median ${times[calls / 2]?.toFixed(3)} ms, p99 ${times[Math.floor(calls * 0.99)]?.toFixed(3)} ms, CPU ${((cpu.user + cpu.system) / calls / 1000).toFixed(3)} ms a call, ` +
      `${((gateway.table.requests - before.requests) / calls).toFixed(4)} DynamoDB requests a call\n`,
  );
  gateway.table.destroy();
  await backends.stop();
}
