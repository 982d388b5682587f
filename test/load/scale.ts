import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { marshall } from '@aws-sdk/util-dynamodb';
import { bundle } from '../../cdk/bundle.ts';
import { functions } from '../../functions/declarations.ts';
import { createAutomation } from '../../lib/automations/records.ts';
import { secretsManager } from '../../lib/aws/secrets.ts';
import { settingsFrom } from '../../lib/aws/settings.ts';
import { systemClock } from '../../lib/aws/system.ts';
import { createConnection } from '../../lib/connections/records.ts';
import type { SessionItem } from '../../lib/connections/session-store.ts';
import type { Clock } from '../../lib/core/clock.ts';
import { sessionKeySecret } from '../../lib/core/secrets.ts';
import { type EventQuery, listEvents } from '../../lib/events/list.ts';
import { appendEvents, findEvent } from '../../lib/events/log.ts';
import { planPolls } from '../../lib/events/poll-plan.ts';
import { settleEvents } from '../../lib/events/settle.ts';
import { keys } from '../../lib/store/items.ts';
import { takeLease } from '../../lib/store/lease.ts';
import { createSubscription, removeSubscription } from '../../lib/subscriptions/subscriptions.ts';
import { vendors } from '../../lib/vendors/index.ts';
import { startLambdaEndpoint } from '../../local/aws/lambda-endpoint.ts';
import { createTable } from '../../local/aws/table.ts';
import { usageOf } from '../cloud/lambda-process.ts';
import { admin, processOf, putConnection, startBackends, testCredentials } from '../support/harness.ts';
import { FunctionPool } from './function-pool.ts';
import { startScript } from './process.ts';
import { SeedTable } from './seed.ts';

/**
 * The built functions over a seeded database, with stub vendors and a stub Lambda: who is served, who is late, and what it costs.
 * `--short` is for CI. SESSIONS, EVENTS (both lists of sizes) and LISTENERS set other sizes; 0 leaves a part out. Prints for each
 * target whether it is met, and fails when one is not.
 */
const short = process.argv.includes('--short');
const sizes = (given: string | undefined, otherwise: number[]) =>
  (given === undefined ? otherwise : given.split(',').map(Number)).filter((size) => size > 0);
const sessionSizes = sizes(process.env.SESSIONS, short ? [1_200] : [10_000, 100_000]);
const eventSizes = sizes(process.env.EVENTS, short ? [5_000] : [100_000, 1_000_000]);
const silent = short ? 200 : 400;
const [listeners = 0] = sizes(process.env.LISTENERS, short ? [400] : [10_000]);

/** A session comes due every two minutes, and must have been kept this many seconds after that. */
const keptWithinSeconds = 240;
const beatSeconds = 120;
/** How long the stub of the vendor takes for an answer, and how many requests a worker makes at once to one server. */
const vendorSeconds = 0.05;
const requestsAtOnce = 8;
/** Instances of the function with the keepalives on this machine. */
const instances = short ? 8 : 24;
/** What a function costs: arm64 in us-east-1, and how much memory comes with a whole processor. */
const dollarsPerGbSecond = 0.0000133334;
const dollarsPerInvocation = 0.2e-6;
const memoryPerProcessor = 1_769;
/** Executions that an account may run at once unless it asks for more. */
const accountConcurrency = 1_000;

const directory = mkdtempSync(join(tmpdir(), 'trunkline-scale-'));
const databaseDirectory = join(directory, 'dynamodb');
const backends = await startBackends(databaseDirectory);
const secrets = secretsManager(settingsFrom(backends.env), systemClock, () => undefined);
await secrets.write(sessionKeySecret('proptt2'), 'a key for load tests');
const services = processOf(backends.database, secrets, systemClock);
const built = await bundle(['keep-sessions', 'poll-events', 'route-events'], directory);
const stub = await startScript(
  join(import.meta.dirname, 'stub-vendor.ts'),
  { LATENCY: String(vendorSeconds * 1000) },
  /^port (\d+)/,
);
const hanging = await listening(() => undefined);

const started = new Set<string>();
let firstStart: number | undefined;
const pools = new Map<string, FunctionPool>();
const running = new Set<Promise<unknown>>();
const durable = {
  start: async (_event: unknown, name: string) => {
    started.add(name);
    firstStart ??= performance.now();
    return `arn:aws:lambda:us-east-1:000000000000:function:stub/${name}`;
  },
};
const lambda = await startLambdaEndpoint({
  functions: { 'keep-sessions': keepSessions, 'deliver-event': durable, 'run-automation': durable },
  credentials: testCredentials,
  retryDelays: [],
});

function keepSessions(event: unknown): Promise<unknown> {
  const done = poolOf('keep-sessions')
    .invoke(event)
    .finally(() => running.delete(done));
  running.add(done);
  return done;
}

async function startFunction(name: string, count: number): Promise<FunctionPool> {
  const environment = {
    ...backends.env,
    TRUNKLINE_LAMBDA_ENDPOINT: lambda.endpoint,
    AWS_LAMBDA_FUNCTION_NAME: name,
    TRUNKLINE_RUN_FUNCTION: 'run-automation',
    AWS_REGION: 'us-east-1',
  };
  const pool = await FunctionPool.start(built.get(name)?.entry ?? '', environment, count);
  pools.set(name, pool);
  return pool;
}

function poolOf(name: string): FunctionPool {
  const pool = pools.get(name);
  if (!pool) throw new Error(`${name} is not started`);
  return pool;
}

/** What a function is declared with on AWS. */
function declared(name: string): { memory: number; timeout: number } {
  const found = functions.find((each) => each.name === name);
  if (!found) throw new Error(`There is no function ${name}`);
  return found;
}

/** A server of this process. */
async function listening(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

function secondsSince(startedAt: number): string {
  return ((performance.now() - startedAt) / 1000).toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const verdicts: string[] = [];

function target(isMet: boolean, what: string): void {
  verdicts.push(`${isMet ? 'PASS' : 'FAIL'}  ${what}`);
  if (!isMet) process.exitCode = 1;
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at);

/** What writes into a seed: the product's own functions, over a table in memory and with secrets that are kept by nobody. */
function seeding(clock: Clock) {
  const table = new SeedTable(databaseDirectory);
  const keepNone = { read: secrets.read, write: async () => undefined, delete: async () => undefined };
  const process = processOf(table, keepNone, clock);
  const starter = { startRun: nothing, startDelivery: nothing, complete: async () => false };
  return { ...process, table, vendors, starter };
}

async function nothing(): Promise<void> {}

/** Puts what was seeded into the database, and has that forget what it has read before: any change of a table makes it. */
async function store(table: SeedTable): Promise<void> {
  table.flush();
  await createTable(backends.database, 'trunkline');
}

/**
 * Connections whose sessions were kept alive two minutes ago and are due. They live longer than a server would let them, so that
 * on a slow machine late ones count as late and are not logged in again.
 */
async function seedSessions(prefix: string, count: number, cloudUrl: string): Promise<void> {
  const now = Date.now() - 121_000;
  const seed = seeding({ now: () => now, sleep: nothing });
  for (const at of range(count)) {
    const name = `${prefix}${at}`;
    const id = `${name}@example.com`;
    const settings = { cloudUrl, ownerId: id, hid: 1, allowHttp: true, allowPrivateNetwork: true };
    const connection = await putConnection(seed, 'proptt2', name, settings, {});
    const lease = await takeLease<SessionItem>(seed.table, keys.session('proptt2', name), 'seed', now, 20_000);
    if (!lease) throw new Error('The session is leased');
    const data = { serverUrl: cloudUrl, id, hid: 1, skey: 'a34b56c21' };
    await seed.store.store(connection, lease, { data, expiresAt: now + 3_600_000 }, beatSeconds * 1000, now);
  }
  await store(seed.table);
}

/** Seconds after `from` at which the sessions were kept that were. */
function keptAfter(prefix: string, from: number): number[] {
  const database = new DatabaseSync(join(databaseDirectory, 'data.db'), { readOnly: true, timeout: 60_000 });
  const times = database
    .prepare(
      `SELECT json_extract(item_json, '$.keptAliveAt.N') AS at FROM trunkline
        WHERE pk >= ? AND pk < ? AND sk = 'S:session'`,
    )
    .all(`S:session#proptt2#${prefix}`, `S:session#proptt2#${prefix}~`)
    .map(({ at }) => (Number(at) - from) / 1000);
  database.close();
  return times.filter((seconds) => seconds > 0).sort((one, other) => one - other);
}

async function keepalives(healthy: number): Promise<void> {
  const seedingFrom = performance.now();
  await seedSessions('silent', silent, hanging.url);
  await seedSessions('healthy', healthy, `http://localhost:${stub.value}`);
  say(`\nKeepalives: ${healthy} sessions at one server, ${silent} at one that never answers; ${instances} instances`);
  say(`  seeded in ${secondsSince(seedingFrom)} s`);
  const pool = pools.get('keep-sessions') ?? (await startFunction('keep-sessions', instances));
  pool.mark();
  const { cpu: cpuBefore } = pool.usage();
  const allBefore = processorOfAll();
  const startedAt = performance.now();
  const tickedAt = Date.now();
  const tick = await keepSessions({ source: 'aws.scheduler' });
  // The tick has ended once nothing runs any more.
  while (running.size > 0) await Promise.allSettled(running);
  const seconds = Number(secondsSince(startedAt));
  const all = (processorOfAll() - allBefore) / availableParallelism();
  const made = pool
    .lines('"tick"')
    .map((line) => JSON.parse(line.slice(line.indexOf('{'))) as { ms: number; dynamodbRequests: number });
  const kept = keptAfter('healthy', tickedAt);
  const late = kept.filter((after) => after > keptWithinSeconds).length;
  const longest = Math.max(...made.map(({ ms }) => ms)) / 1000;
  const cpu = (pool.usage().cpu - cpuBefore) / healthy;
  const requests = made.reduce((sum, { dynamodbRequests }) => sum + dynamodbRequests, 0) / healthy;
  const { memory } = pool.usage();
  const middle = kept[Math.floor(kept.length / 2)] ?? Number.NaN;
  say(`  tick: ${JSON.stringify(tick)}`);
  say(
    `  served ${kept.length} of ${healthy} in ${seconds} s: half after ${middle.toFixed(0)} s, the last after ${kept.at(-1)?.toFixed(0)} s`,
  );
  say(
    `  processor time of everything here, the database included: ${all.toFixed(0)} s of all ${availableParallelism()} processors`,
  );
  say(`  later than ${keptWithinSeconds} s on this machine: ${late}`);
  say(`  ${made.length} invocations, the longest ${longest.toFixed(1)} s; largest memory ${memory} MB`);
  say(`  per session: ${requests.toFixed(2)} DynamoDB requests, ${(cpu * 1000).toFixed(2)} ms of processor`);
  // On Lambda every worker has the processor that comes with its memory.
  const { memory: size, timeout } = declared('keep-sessions');
  const workers = made.length - 1;
  // As if it never waited while it works.
  const waiting = (vendorSeconds * healthy) / workers / requestsAtOnce;
  const workerSeconds = (cpu * (healthy / workers)) / (size / memoryPerProcessor) + waiting;
  const needed = Math.ceil((workers * workerSeconds) / beatSeconds);
  const ticksAMonth = (30 * 86_400) / beatSeconds;
  const price = workers * ticksAMonth * ((workerSeconds * size * dollarsPerGbSecond) / 1024 + dollarsPerInvocation);
  const onAws = `${workers} workers of ${size} MB, each for ${workerSeconds.toFixed(1)} s every two minutes, ${needed} of them at once on average, $${price.toFixed(0)} a month`;
  say(`  on Lambda: ${onAws}`);
  target(kept.length === healthy, `${healthy} sessions: every due one is kept; ${healthy - kept.length} were left out`);
  target(
    late === 0 || workers <= accountConcurrency,
    `${healthy} sessions: within four minutes, ${late === 0 ? 'on this machine too' : `not on this machine (${seconds} s)`}; with ${onAws}`,
  );
  // How long it takes in CI depends on what else runs there.
  target(
    (short || longest < timeout) && memory < size,
    `${healthy} sessions: a worker stays below ${timeout} s and ${size} MB`,
  );
}

async function fanOut(): Promise<void> {
  const types = { rare: 'talk.message.created', common: 'talk.room.created' };
  const few = Math.min(100, listeners / 4);
  const seedingFrom = performance.now();
  const createdAt = Date.now() - 60_000;
  const seed = seeding({ now: () => createdAt, sleep: nothing });
  const listen = async (type: string, index: number) => {
    await createSubscription(seed, admin, { url: 'https://receiver.example/', types: [type] });
    const step = { name: 'tell', call: 'talk.sendMessage', input: { token: 'guards', message: 'Somebody wrote.' } };
    const name = `${type} ${index}`;
    await createAutomation(seed, { name, enabled: true, when: { event: type }, do: [step] }, admin);
  };
  // Most listen to something else.
  for (const index of range(listeners)) await listen(types.common, index);
  for (const index of range(few)) await listen(types.rare, index);
  await store(seed.table);
  say(`\nAutomations and subscriptions: ${listeners + few} of each, seeded in ${secondsSince(seedingFrom)} s`);
  const pool = await startFunction('route-events', 1);
  const { memory: size, timeout } = declared('route-events');
  await route(pool, types.rare, 0, 'in a process that has just started', few);
  await route(pool, types.rare, 1, 'again', few);
  await pool.stop();
  const another = await startFunction('route-events', 1);
  await route(another, types.common, 2, 'in a process that has just started', listeners);

  async function route(
    pool: FunctionPool,
    type: string,
    turn: number,
    what: string,
    interested: number,
  ): Promise<void> {
    const timestamp = new Date().toISOString();
    const event = {
      type,
      readBy: 'getChatMessages',
      vendor: 'talk',
      connection: 'team',
      id: `scale-${turn}`,
      timestamp,
    };
    const { ids } = await appendEvents(services, [{ ...event, data: {} }]);
    const item = await findEvent(services, ids[0] ?? '');
    if (!item) throw new Error('The event is not stored');
    started.clear();
    firstStart = undefined;
    const cpuBefore = pool.usage().cpu;
    const startedAt = performance.now();
    const record = {
      eventName: 'INSERT',
      dynamodb: {
        SequenceNumber: '1',
        Keys: marshall({ pk: item.pk, sk: item.sk }),
        NewImage: marshall(item, { removeUndefinedValues: true }),
      },
    };
    const answer = await pool.invoke({ Records: [record] });
    const seconds = secondsSince(startedAt);
    const first = (firstStart ?? Number.POSITIVE_INFINITY) - startedAt;
    const { cpu, memory } = pool.usage();
    const onAws = (cpu - cpuBefore) / (size / memoryPerProcessor);
    say(`\nOne event, ${interested} automations and ${interested} subscriptions want it (${what})`);
    say(
      `  started ${started.size} in ${seconds} s, the first after ${first.toFixed(0)} ms; largest memory ${memory} MB`,
    );
    say(
      `  ${(((cpu - cpuBefore) * 1000) / (2 * interested)).toFixed(2)} ms of processor for each: ${onAws.toFixed(0)} s with ${size} MB on Lambda`,
    );
    if (started.size !== 2 * interested)
      say(`  ${JSON.stringify(answer)}\n${pool.lines('"error"').slice(-3).join('\n')}`);
    const label = `one event to ${interested} automations and subscriptions, ${what}`;
    target(started.size === 2 * interested, `${label}: ${2 * interested - started.size} were left out`);
    // In CI what counts is that nobody is left out.
    target(short || first < 1_000, `${label}: the first starts after ${first.toFixed(0)} ms`);
    target(onAws < timeout && memory < size, `${label}: fits into ${timeout} s and ${size} MB`);
  }
}

/** A log of one busy type, in which another has happened three times, long ago. */
async function eventLog(from: number, count: number): Promise<void> {
  const busy = 'talk.message.created';
  const rare = 'talk.call.started';
  const seedingFrom = performance.now();
  let now = Date.now() - count;
  const seed = seeding({ now: () => now, sleep: nothing });
  const chunk = 10_000;
  let ids: string[] = [];
  for (let at = from; at < count; at += chunk) {
    await seed.table.put({ ...keys.logCounter(), last: at });
    const items = [];
    for (const position of range(chunk).map((each) => at + each + 1)) {
      now++;
      const owner = { vendor: 'talk', connection: 'team', readBy: 'getChatMessages' };
      const type = position <= 3 ? rare : busy;
      const timestamp = new Date(now).toISOString();
      const event = {
        ...owner,
        type,
        timestamp,
        id: String(position),
        data: { room: 'lobby', text: `message ${position}` },
      };
      items.push(...(await appendEvents(seed, [event])).items);
    }
    await settleEvents(seed, items);
    ids = items.map(({ id }) => id);
    await store(seed.table);
  }
  say(`\nEvents: ${count} in the log (${from} were there), seeded in ${secondsSince(seedingFrom)} s`);
  const measure = async (what: string, query: Partial<EventQuery>, expected: number) => {
    const before = services.table.requests;
    const startedAt = performance.now();
    const wanted = { limit: 100, scopes: ['*/*/*'], ...query };
    const found = await listEvents({ ...services, vendorNames: ['talk'] }, wanted);
    const requests = services.table.requests - before;
    const ms = performance.now() - startedAt;
    say(`  ${what}: ${found.length} in ${requests} requests, ${ms.toFixed(0)} ms`);
    target(
      found.length === expected && requests <= 8,
      `${count} events, ${what}: ${found.length} of ${expected} in ${requests} requests`,
    );
  };
  await measure('the newest', {}, 100);
  await measure('a busy type', { type: busy }, 100);
  await measure('a type that happened three times at the beginning', { type: rare }, 3);
  await measure('a type that never happened', { type: 'talk.call.ended', limit: 1 }, 0);
  await measure('what came before the newest', { before: ids.at(-1) }, 100);
  await measure('what came after an old one', { after: ids.at(-200) }, 100);
}

/** A new TimeTonic connection, and what the clock's functions ask its server for. */
async function idleConnection(): Promise<void> {
  let calls = 0;
  const server = await listening((_request, response) => {
    calls++;
    response.writeHead(503).end();
  });
  const { timetonic } = vendors;
  if (!timetonic) throw new Error('TimeTonic is not in the catalogue');
  const input = {
    name: 'trial',
    settings: { baseUrl: server.url, user: 'jane', allowHttp: true, allowPrivateNetwork: true },
    credentials: { sesskey: 'abcd-efgh-ijkl' },
  };
  const author = { principal: admin, request: { requestId: 'scale', signal: AbortSignal.timeout(25_000) } };
  await createConnection(services, timetonic, input, author as never, async (_vendor, connection) => {
    await planPolls(services.table, timetonic, connection, systemClock.now(), true);
  });
  const pool = await startFunction('poll-events', 1);
  await startFunction('keep-sessions', instances);
  const ticks = async () => {
    for (const _ of range(5)) {
      await pool.invoke({ source: 'aws.scheduler' });
      await keepSessions({ source: 'aws.scheduler' });
    }
  };
  const asked = calls;
  await ticks();
  const idle = calls - asked;
  const wanted = { url: 'https://receiver.example/', types: ['timetonic.*'] };
  const { item } = await createSubscription(services, admin, wanted);
  await ticks();
  const used = calls - asked - idle;
  await removeSubscription(services, item.id, 'The end of the test.');
  server.close();
  say(
    `\nA new TimeTonic connection: ${asked} calls when it is created, ${idle} in five ticks, ${used} in five more once a subscription wants its events`,
  );
  target(idle === 0 && used > 0, `a new TimeTonic connection makes ${idle} calls that nobody asked for`);
}

/** The most memory that everything here has had, in MB. */
function memoryOfAll(): number {
  const functions = [...pools.values()].map((pool) => pool.usage().allMemory);
  return Math.round(sum([...ownProcesses().map((pid) => usageOf(pid).memory), ...functions]));
}

/** The seconds of processor time that everything here has had. */
function processorOfAll(): number {
  const functions = [...pools.values()].map((pool) => pool.usage().cpu);
  return sum([...ownProcesses().map((pid) => usageOf(pid).cpu), ...functions]);
}

/** This process, the database and the stub of the vendor. */
function ownProcesses(): number[] {
  return [process.pid, backends.database.pid(), stub.child.pid ?? process.pid];
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

const startedAt = performance.now();
try {
  await idleConnection();
  for (const size of sessionSizes) await keepalives(size);
  if (listeners > 0) await fanOut();
  // Last: it moves the counter of the log.
  for (const [at, size] of eventSizes.entries()) await eventLog(eventSizes[at - 1] ?? 0, size);
  say(`\nAll of it in ${(Number(secondsSince(startedAt)) / 60).toFixed(1)} min with ${memoryOfAll()} MB\n`);
  for (const verdict of verdicts) say(verdict);
} finally {
  hanging.close();
  await Promise.allSettled(running);
  for (const pool of pools.values()) await pool.stop();
  await lambda.stop();
  await stub.stop();
  services.close();
  await backends.stop();
  rmSync(directory, { recursive: true, force: true });
}
