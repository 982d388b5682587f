import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { marshall } from '@aws-sdk/util-dynamodb';
import { bundle } from '../../cdk/bundle.ts';
import { secretsManager } from '../../lib/aws/secrets.ts';
import { settingsFrom } from '../../lib/aws/settings.ts';
import { systemClock } from '../../lib/aws/system.ts';
import type { SessionItem } from '../../lib/connections/session-store.ts';
import { forEachLimited } from '../../lib/core/limit.ts';
import { sessionKeySecret } from '../../lib/core/secrets.ts';
import type { Connection } from '../../lib/core/vendor.ts';
import { type EventQuery, listEvents } from '../../lib/events/list.ts';
import { appendEvents, findEvent } from '../../lib/events/log.ts';
import { keys } from '../../lib/store/items.ts';
import { takeLease } from '../../lib/store/lease.ts';
import type { Item } from '../../lib/store/table.ts';
import { completeTriggers, triggerWrites } from '../../lib/store/triggers.ts';
import { startLambdaEndpoint } from '../../local/aws/lambda-endpoint.ts';
import { type LambdaProcess, startLambdaProcess } from '../cloud/lambda-process.ts';
import { memoryFiles, processOf, startBackends, testCredentials } from '../support/harness.ts';
import { startScript } from './process.ts';

/**
 * The built functions over a seeded database, with stub vendors and a stub Lambda: who is served, who is late, and what it costs.
 * `--short` is for CI. SESSIONS, EVENTS (both lists of sizes) and LISTENERS set other sizes; 0 leaves a part out. Fails where somebody
 * is left out.
 */
const short = process.argv.includes('--short');
const sizes = (given: string | undefined, otherwise: number[]) =>
  (given === undefined ? otherwise : given.split(',').map(Number)).filter((size) => size > 0);
const sessionSizes = sizes(process.env.SESSIONS, short ? [1_200] : [10_000, 100_000]);
const eventSizes = sizes(process.env.EVENTS, short ? [5_000] : [100_000, 1_000_000]);
const silent = short ? 200 : 400;
const [listeners = 0] = sizes(process.env.LISTENERS, short ? [400] : [10_000]);
/** A tick with its workers must have served everybody after so many seconds. */
const keptWithinSeconds = 240;
/** Instances of a function, each with one invocation at a time, as Lambda would have. */
const instances = 8;

const directory = mkdtempSync(join(tmpdir(), 'trunkline-scale-'));
const databaseDirectory = join(directory, 'dynamodb');
const backends = await startBackends(databaseDirectory);
const secrets = secretsManager(settingsFrom(backends.env), systemClock, () => undefined);
await secrets.write(sessionKeySecret('proptt2'), 'a key for load tests');
const services = processOf(backends.database, secrets, systemClock);
const built = await bundle(['keep-sessions', 'route-events'], directory);
const stub = await startScript(join(import.meta.dirname, 'stub-vendor.ts'), { LATENCY: '50' }, /^port (\d+)/);
const hanging = createServer(() => undefined);
await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));

const started = new Set<string>();
let firstStart: number | undefined;
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
  start: async (_event: unknown, name: string) => {
    started.add(name);
    firstStart ??= performance.now();
    return `arn:aws:lambda:us-east-1:000000000000:function:stub/${name}`;
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

/** Seconds of processor time of all instances. */
function cpuOf(name: string): number {
  return (pool.get(name)?.all ?? []).reduce((sum, one) => sum + one.usage().cpu, 0);
}

function secondsSince(startedAt: number): string {
  return ((performance.now() - startedAt) / 1000).toFixed(1);
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

/** `from` sessions are there already. */
async function keepalives(from: number, healthy: number): Promise<void> {
  const silentUrl = `http://127.0.0.1:${(hanging.address() as AddressInfo).port}`;
  const vendorUrl = `http://localhost:${stub.value}`;
  const seedingFrom = performance.now();
  await forEachLimited(range(silent), 32, (at) => seedSession(`silent${at}`, silentUrl));
  await forEachLimited(range(healthy), 32, (at) => seedSession(`healthy${at}`, vendorUrl));
  say(`\nSeeded ${healthy} sessions (${from} were there) in ${secondsSince(seedingFrom)} s`);
  if (!pool.has('keep-sessions')) await startFunction('keep-sessions');
  const before = {
    requests: requestsOf('keep-sessions'),
    reports: reportsOf('keep-sessions').length,
    cpu: cpuOf('keep-sessions'),
  };
  const startedAt = performance.now();
  const begunAt = Date.now();
  const tick = await background('keep-sessions')({ source: 'aws.scheduler' });
  const kept = async () => {
    let count = 0;
    await forEachLimited(range(healthy), 32, async (at) => {
      const item = await services.store.read('proptt2', `healthy${at}`);
      if ((item?.keptAliveAt ?? 0) > begunAt) count++;
    });
    return count;
  };
  // The tick has ended once nothing runs any more.
  while (running.size > 0) await Promise.allSettled(running);
  const seconds = secondsSince(startedAt);
  const served = await kept();
  const reports = reportsOf('keep-sessions').slice(before.reports);
  const longest = Math.max(...reports.map((report) => Number(/"ms":(\d+)/.exec(report)?.[1])));
  say(`\nKeepalives: ${healthy} sessions at one server, ${silent} at one that never answers, ${instances} instances`);
  say(`  tick: ${JSON.stringify(tick)}`);
  say(`  kept ${served} of ${healthy} in ${seconds} s; ${healthy - served} late`);
  say(`  ${reports.length} invocations, the longest ${(longest / 1000).toFixed(1)} s`);
  say(
    `  per session: ${((requestsOf('keep-sessions') - before.requests) / healthy).toFixed(2)} DynamoDB requests, ` +
      `${(((cpuOf('keep-sessions') - before.cpu) * 1000) / healthy).toFixed(2)} ms of processor; largest memory ${memoryOf('keep-sessions')} MB`,
  );
  check(served === healthy, `${healthy - served} healthy sessions got no keepalive`);
  check(short || Number(seconds) < keptWithinSeconds, `the tick took ${seconds} s`);
  check(short || longest < 58_000, `an invocation took ${longest} ms, longer than Lambda lets it run`);
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
  const few = Math.min(100, listeners / 4);
  await forEachLimited(range(few), 16, (index) => listener(index, 'talk.message.created').then(() => undefined));
  await startFunction('route-events');
  const turns = [
    { what: 'cold', type: 'talk.message.created', interested: few },
    { what: 'warm', type: 'talk.message.created', interested: few },
    { what: 'all of them', type: 'talk.room.created', interested: listeners },
  ];
  for (const [turn, { what, type, interested }] of turns.entries()) {
    const { ids } = await appendEvents(services, [
      {
        type,
        readBy: 'getChatMessages',
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
    firstStart = undefined;
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
    const seconds = secondsSince(startedAt);
    const first = (firstStart ?? Number.POSITIVE_INFINITY) - startedAt;
    say(
      `\nOne event, ${interested} automations and ${interested} subscriptions of ${listeners + few} want it (${what})`,
    );
    say(
      `  started ${started.size} in ${seconds} s, the first after ${first.toFixed(0)} ms; largest memory ${memoryOf('route-events')} MB`,
    );
    // In CI what counts is that nobody is left out.
    check(short || first < 1_000, `the first start came after ${first.toFixed(0)} ms`);
    check(memoryOf('route-events') < 512, 'the router needs more memory than it has');
    if (started.size !== 2 * interested) say(errorsOf('route-events'));
    check(started.size === 2 * interested, `${2 * interested - started.size} were left out: ${JSON.stringify(answer)}`);
  }
}

/**
 * Puts items straight into the embedded database's file, as it stores them itself: millions of them in seconds. They get into no
 * index and no stream.
 */
function seedItems(items: Iterable<Item>): void {
  const database = new DatabaseSync(join(databaseDirectory, 'data.db'), { timeout: 60_000 });
  const insert = database.prepare(
    'INSERT OR REPLACE INTO trunkline (pk, sk, item_json, item_size) VALUES (?, ?, ?, ?)',
  );
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  for (const item of items) {
    const text = JSON.stringify(marshall(item, { removeUndefinedValues: true }));
    insert.run(`S:${item.pk}`, `S:${item.sk}`, text, text.length);
  }
  database.exec('COMMIT');
  database.close();
}

/** A log of one busy type, in which another has happened three times, long ago. */
async function eventLog(from: number, count: number): Promise<void> {
  const now = Date.now();
  const busy = { vendor: 'talk', connection: 'team', type: 'talk.message.created' };
  const rare = { vendor: 'talk', connection: 'team', type: 'talk.call.started' };
  const entry = (position: number, fact: typeof busy) => {
    const appendedAt = now - (count - position);
    const id = `evt_${String(position).padStart(27, '0')}`;
    return { position, id, ...fact, appendedAt, settledAt: appendedAt, expiresAt: Math.ceil(now / 1000) + 86_400 };
  };
  const seedingFrom = performance.now();
  const isRare = (position: number) => position <= 3;
  seedItems(
    (function* (): Generator<Item> {
      for (let position = from + 1; position <= count; position++) {
        const each = entry(position, isRare(position) ? rare : busy);
        yield { ...keys.logEntry(position), ...each };
        yield { ...keys.typeLogEntry(each.type, position), ...each };
        if (!isRare(position) && position <= count - 500) continue;
        yield { ...keys.event(each.id), ...each, timestamp: new Date(now).toISOString(), data: '{}', order: 0 };
      }
    })(),
  );
  await services.table.put({ ...keys.logCounter(), last: count });
  say(`\nEvents: ${count} in the log (${from} were there), seeded in ${secondsSince(seedingFrom)} s`);
  const look = async (what: string, query: Partial<EventQuery>, expected: number) => {
    const before = services.table.requests;
    const startedAt = performance.now();
    const wanted = { limit: 100, scopes: ['*/*/*'], ...query };
    const found = await listEvents({ ...services, vendorNames: ['talk'], files: memoryFiles() }, wanted);
    const requests = services.table.requests - before;
    say(`  ${what}: ${found.length} in ${requests} requests, ${((performance.now() - startedAt) / 1000).toFixed(2)} s`);
    check(found.length === expected, `${what}: ${found.length} instead of ${expected}`);
    check(requests <= 8, `${what}: ${requests} requests`);
  };
  await look('the newest', {}, 100);
  await look('a busy type', { type: busy.type }, 100);
  await look('a type that happened three times at the beginning', { type: rare.type }, 3);
  await look('a type that never happened', { type: 'talk.call.ended', limit: 1 }, 0);
  await look('what came before the newest', { before: entry(count, busy).id }, 100);
  await look('what came after an old one', { after: entry(count - 200, busy).id }, 100);
}

try {
  for (const [at, size] of sessionSizes.entries()) await keepalives(sessionSizes[at - 1] ?? 0, size);
  if (listeners > 0) await fanOut();
  // Last: it moves the counter of the log.
  for (const [at, size] of eventSizes.entries()) await eventLog(eventSizes[at - 1] ?? 0, size);
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
