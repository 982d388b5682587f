import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { marshall } from '@aws-sdk/util-dynamodb';
import { bundle } from '../../cdk/bundle.ts';
import { secretsManager } from '../../lib/aws/secrets.ts';
import { settingsFrom } from '../../lib/aws/settings.ts';
import { systemClock } from '../../lib/aws/system.ts';
import type { SessionItem } from '../../lib/connections/session-store.ts';
import { forEachLimited } from '../../lib/core/limit.ts';
import { sessionKeySecret } from '../../lib/core/secrets.ts';
import type { Connection } from '../../lib/core/vendor.ts';
import { appendEvents, findEvent } from '../../lib/events/log.ts';
import { keys } from '../../lib/store/items.ts';
import { takeLease } from '../../lib/store/lease.ts';
import { completeTriggers, triggerWrites } from '../../lib/store/triggers.ts';
import { startLambdaEndpoint } from '../../local/aws/lambda-endpoint.ts';
import { type LambdaProcess, startLambdaProcess } from '../cloud/lambda-process.ts';
import { processOf, startBackends, testCredentials } from '../support/harness.ts';
import { startScript } from './process.ts';

/**
 * The built functions over a seeded database, with stub vendors and a stub Lambda: who is served, who is late, and what it costs.
 * `--short` is for CI. Fails where somebody is left out.
 */
const short = process.argv.includes('--short');
const healthy = Number(process.env.SESSIONS ?? (short ? 1_200 : 10_000));
const silent = short ? 200 : 400;
const listeners = Number(process.env.LISTENERS ?? (short ? 400 : 10_000));
/** Instances of a function, each with one invocation at a time, as Lambda would have. */
const instances = 8;

const directory = mkdtempSync(join(tmpdir(), 'trunkline-scale-'));
const backends = await startBackends();
const secrets = secretsManager(settingsFrom(backends.env), systemClock, () => undefined);
await secrets.write(sessionKeySecret('proptt2'), 'a key for load tests');
const services = processOf(backends.endpoint, secrets, systemClock);
const built = await bundle(['keep-sessions', 'route-events'], directory);
const stub = await startScript(join(import.meta.dirname, 'stub-vendor.ts'), { LATENCY: '50' }, /^port (\d+)/);
const hanging = createServer(() => undefined);
await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));

const started = new Set<string>();
const pool = new Map<
  string,
  { idle: LambdaProcess[]; all: LambdaProcess[]; waiting: ((one: LambdaProcess) => void)[] }
>();
const running = new Set<Promise<unknown>>();
const invoked = async (name: string, event: unknown): Promise<unknown> => {
  const own = pool.get(name);
  if (!own) throw new Error(`${name} is not started`);
  const one = own.idle.pop() ?? (await new Promise<LambdaProcess>((resolve) => own.waiting.push(resolve)));
  try {
    return await one.invoke(event);
  } finally {
    const next = own.waiting.shift();
    if (next) next(one);
    else own.idle.push(one);
  }
};
const background = (name: string) => (event: unknown) => {
  const done = invoked(name, event).finally(() => running.delete(done));
  running.add(done);
  return done;
};
const durable = {
  start: async (_event: unknown, { name }: { name: string }) => {
    started.add(name);
    return {
      executionArn: `arn:aws:lambda:us-east-1:000000000000:function:stub/${name}`,
      result: Promise.resolve(null),
    };
  },
};
const lambda = await startLambdaEndpoint({
  functions: {
    'keep-sessions': background('keep-sessions'),
    'deliver-event': durable,
    'run-automation': durable,
  },
  credentials: testCredentials,
  retryDelays: [],
});

async function startFunction(name: string): Promise<void> {
  const environment = {
    ...backends.env,
    TRUNKLINE_LAMBDA_ENDPOINT: lambda.endpoint,
    AWS_LAMBDA_FUNCTION_NAME: name,
    TRUNKLINE_RUN_FUNCTION: 'run-automation',
    AWS_REGION: 'us-east-1',
  };
  const all = await Promise.all(
    Array.from({ length: instances }, () =>
      startLambdaProcess(built.get(name)?.entry ?? '', environment, ['--max-old-space-size=400']),
    ),
  );
  pool.set(name, { idle: [...all], all, waiting: [] });
}

function memoryOf(name: string): number {
  return Math.round(Math.max(...(pool.get(name)?.all ?? []).map((one) => one.usage().memory)));
}

function requestsOf(name: string): number {
  const lines = (pool.get(name)?.all ?? []).flatMap((one) => one.output().split('\n'));
  return lines.reduce((sum, line) => sum + Number(/"dynamodbRequests":(\d+)/.exec(line)?.[1] ?? 0), 0);
}

function errorsOf(name: string): string {
  const lines = (pool.get(name)?.all ?? []).flatMap((one) => one.output().split('\n'));
  return lines
    .filter((line) => line.includes('"error"'))
    .slice(-3)
    .join('\n');
}

function reportsOf(name: string): string[] {
  const lines = (pool.get(name)?.all ?? []).flatMap((one) => one.output().split('\n'));
  return lines.filter((line) => line.includes('"tick"')).map((line) => line.replace(/^.*?"ms"/, '{"ms"').slice(0, 200));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function check(holds: boolean, what: string): void {
  if (holds) return;
  say(`FAILED: ${what}`);
  process.exitCode = 1;
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** A live session that was kept alive two minutes ago. */
async function seedSession(name: string, cloudUrl: string): Promise<void> {
  const settings = { cloudUrl, ownerId: `${name}@example.com`, hid: 1, allowHttp: true, allowPrivateNetwork: true };
  const connection: Connection = { vendor: 'proptt2', name, version: 1, settings };
  const now = Date.now() - 121_000;
  const key = keys.session('proptt2', name);
  const lease = await takeLease<SessionItem>(services.table, key, 'seed', now, 20_000);
  if (!lease) throw new Error('The session is leased');
  const data = { serverUrl: cloudUrl, id: settings.ownerId, hid: 1, skey: 'a34b56c21' };
  await services.store.store(connection, lease, { data, expiresAt: now + 9 * 60_000 }, 120_000, now);
}

async function keepalives(): Promise<void> {
  const silentUrl = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`;
  await forEachLimited(range(silent), 32, (at) => seedSession(`silent${at}`, silentUrl));
  await forEachLimited(range(healthy), 32, (at) => seedSession(`healthy${at}`, `http://localhost:${stub.value}`));
  await startFunction('keep-sessions');
  const startedAt = performance.now();
  const tick = await background('keep-sessions')({ source: 'aws.scheduler' });
  const kept = async () => {
    let count = 0;
    await forEachLimited(range(healthy), 32, async (at) => {
      const item = await services.store.read('proptt2', `healthy${at}`);
      if ((item?.keptAliveAt ?? 0) > Date.now() - 60_000) count++;
    });
    return count;
  };
  // The tick has ended once nothing runs any more.
  while (running.size > 0) await Promise.allSettled(running);
  const served = await kept();
  const seconds = (performance.now() - startedAt) / 1000;
  say(`\nKeepalives: ${healthy} sessions at one server, ${silent} at one that never answers, ${instances} instances`);
  say(`  tick: ${JSON.stringify(tick)}`);
  say(`  kept ${served} of ${healthy} in ${seconds.toFixed(1)} s; ${healthy - served} late`);
  for (const report of reportsOf('keep-sessions')) say(`  worker: ${report}`);
  say(`  DynamoDB requests so far ${requestsOf('keep-sessions')}, largest memory ${memoryOf('keep-sessions')} MB`);
  check(served === healthy, 'a healthy session got no keepalive within the minute');
  check(memoryOf('keep-sessions') < 512, 'a worker needs more memory than it has');
}

async function fanOut(): Promise<void> {
  const at = new Date().toISOString();
  const now = Date.now() - 60_000;
  await completeTriggers(services.table, 'subscription', async () => []);
  await completeTriggers(services.table, 'automation', async () => []);
  const listener = (index: number, type: string) => {
    const id = `${type.replace(/\W/g, '')}${index}`;
    const subscription = {
      ...keys.subscription(`sub_${id}`),
      id: `sub_${id}`,
      url: 'https://receiver.example/',
      types: [type],
      state: 'active',
      keyId: 'admin',
      scopes: ['*/*/*'],
      secretVersion: 1,
      createdAt: now,
      updatedAt: now,
    };
    const definition = { name: id, enabled: true, when: { event: type }, do: [] };
    const automation = {
      ...keys.automation(id),
      id,
      name: id,
      enabled: true,
      definition: JSON.stringify(definition),
      scopes: ['*/*/*'],
      creator: 'admin',
      anchor: now,
      createdAt: new Date(now).toISOString(),
      updatedAt: at,
      version: 1,
    };
    return services.table.transact([
      { put: subscription },
      ...triggerWrites('subscription', subscription.id, [type]).slice(0, 1),
      { put: automation },
      ...triggerWrites('automation', id, [type]).slice(0, 1),
    ]);
  };
  // Most listen to something else.
  await forEachLimited(range(listeners), 16, (index) => listener(index, 'talk.room.created').then(() => undefined));
  const interested = Math.min(100, listeners / 4);
  await forEachLimited(range(interested), 16, (index) => listener(index, 'talk.message.created').then(() => undefined));
  await startFunction('route-events');
  for (const [turn, what] of ['cold', 'warm'].entries()) {
    const { ids } = await appendEvents(services, [
      {
        type: 'talk.message.created',
        vendor: 'talk',
        connection: 'team',
        id: `scale-${turn}`,
        timestamp: at,
        data: {},
      },
    ]);
    const item = await findEvent(services, ids[0] ?? '');
    if (!item) throw new Error('The event is not stored');
    started.clear();
    const startedAt = performance.now();
    const record = {
      eventName: 'INSERT',
      dynamodb: {
        SequenceNumber: '1',
        Keys: marshall({ pk: item.pk, sk: item.sk }),
        NewImage: marshall(item, { removeUndefinedValues: true }),
      },
    };
    const answer = await invoked('route-events', { Records: [record] });
    const seconds = (performance.now() - startedAt) / 1000;
    say(
      `\nOne event, ${interested} automations and ${interested} subscriptions of ${listeners + interested} want it (${what})`,
    );
    say(`  started ${started.size} in ${seconds.toFixed(1)} s; largest memory ${memoryOf('route-events')} MB`);
    if (started.size !== 2 * interested) say(errorsOf('route-events'));
    check(started.size === 2 * interested, `${2 * interested - started.size} were left out: ${JSON.stringify(answer)}`);
  }
}

try {
  await keepalives();
  await fanOut();
} finally {
  hanging.closeAllConnections();
  hanging.close();
  await Promise.allSettled(running);
  for (const { all } of pool.values()) await Promise.all(all.map((one) => one.stop()));
  await lambda.stop();
  await stub.stop();
  services.close();
  await backends.stop();
  rmSync(directory, { recursive: true, force: true });
}
