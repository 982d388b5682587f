import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { localAccountFile, storeAccount } from '../cli/account.ts';
import { publishAdminKey } from '../lib/api/keys/admin-key.ts';
import type { StatusChangeEvent } from '../lib/aws/ended-executions.ts';
import { hooksOf } from '../lib/aws/hooks.ts';
import { log, logTo, onLog } from '../lib/aws/log.ts';
import { metricsFunction } from '../lib/aws/metrics-function.ts';
import { resetServices, services, useFiles, useHttp, useTable } from '../lib/aws/services.ts';
import { signInLink } from '../lib/aws/sign-in-link.ts';
import type { Clock } from '../lib/core/clock.ts';
import { statusChange } from '../lib/core/durable.ts';
import { GatewayError } from '../lib/core/errors.ts';
import { httpClient } from '../lib/core/http/client.ts';
import { adminKeySecret, sealingKeySecret, sessionKeySecret } from '../lib/core/secrets.ts';
import { isDeliveryItem, isEventItem, isRunItem, keys } from '../lib/store/items.ts';
import type { Item } from '../lib/store/table.ts';
import { RecentChanges } from '../lib/stream/recent-changes.ts';
import { vendorNames } from '../lib/vendors/index.ts';
import { createLocalCredentials } from './aws/aws-request.ts';
import { startEmbeddedDynamodb } from './aws/embedded-dynamodb.ts';
import { type EventStreamOptions, eventStream } from './aws/event-stream.ts';
import { startExpirySweep } from './aws/expired-items.ts';
import { startFileStore } from './aws/file-store.ts';
import { startHttpBridge } from './aws/http-bridge.ts';
import { createLambdaContext, functionArn } from './aws/lambda-context.ts';
import {
  type DurableFunction,
  type LambdaEndpointOptions,
  type LambdaHandler,
  startLambdaEndpoint,
} from './aws/lambda-endpoint.ts';
import { startSecretsEndpoint } from './aws/secrets-endpoint.ts';
import { startStreamPump } from './aws/stream-pump.ts';
import { createTable, type LocalDatabase } from './aws/table.ts';
import { type Demo, startDemo } from './demo.ts';
import { claimDatabase } from './installation.ts';
import { Metrics } from './metrics.ts';
import { type DurableRuntime, startDurableRuntime } from './runtime/durable-runtime.ts';
import { batchResponses } from './runtime/event-loop-batch.ts';
import type { QueueState } from './runtime/execution-queue.ts';
import {
  clockFunctions,
  type Functions,
  httpRoutes,
  type InvocationWrapper,
  type LocalHandler,
  loadFunctions,
} from './runtime/functions.ts';
import { startClock } from './runtime/local-clock.ts';
import { gatherLines } from './runtime/log-lines.ts';
import { steadyClock } from './runtime/steady-clock.ts';
import { effectLine, terminalLine } from './runtime/terminal-lines.ts';

/** How the whole product is started on one machine. */
export interface ProductOptions {
  /** Where all state stays. */
  directory: string;
  host?: string;
  /** 0 takes any free port. */
  port?: number;
  /** The address that callers outside this machine use, such as that of a tunnel. */
  publicUrl?: string;
  /** The admin key, `tl_…`; absent keeps the one of an earlier start, or makes one. */
  adminKey?: string;
  /** Start the stand-in vendors and their demo connections. */
  sandbox?: boolean;
  /** Writes lines for people instead of JSON, and shows what the stand-in vendors do. */
  readable?: boolean;
  /** Another DynamoDB than the embedded one. */
  dynamodbEndpoint?: string;
  /** Whether the clock ticks by itself; tests tick by hand. */
  clock?: boolean;
  /** The clock of the waits and retries of runs and deliveries; the system's if absent. */
  waitClock?: Clock;
  /** Runs each invocation of a function. */
  wrapInvocation?: InvocationWrapper;
}

export interface Product {
  url: string;
  adminKey: string;
  /** True when this start made the admin key. */
  adminKeyIsNew: boolean;
  demo?: Demo;
  /** An address of the console that signs in once, within an hour. */
  consoleLink(): Promise<string>;
  /** Runs the functions of the clock once, now, or one of them. */
  tick(functionName?: string): Promise<void>;
  /** Continues the runs and deliveries whose wait is over, after `waitClock` was moved. */
  wake(): void;
  close(): Promise<void>;
}

const tableName = 'trunkline';

type StreamHandler = EventStreamOptions['handler'];

/** Starts everything in this process except the database, which runs in a separate process. Only one product per process. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  prepareDirectory(options.directory);
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    return await start(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Creates the data folder, or makes an existing one private: it holds keys and messages. */
function prepareDirectory(directory: string): void {
  try {
    makeDirectory(directory);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The data folder cannot be created: ${why}. Set TRUNKLINE_DATA to another one.`, { cause });
  }
  if ((statSync(directory).mode & 0o077) === 0) return;
  try {
    chmodSync(directory, 0o700);
  } catch (cause) {
    throw new Error(`Others may read ${directory}, and its rights cannot be changed: run chmod 700 on it.`, { cause });
  }
}

/** Creates a folder with those above it. The recursive `mkdirSync` never ends where a file system takes no folders, such as /proc. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
}

async function start(
  options: ProductOptions,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Product> {
  const { directory } = options;
  const lines = gatherLines(process.stdout, (count) =>
    log({ level: 'warn', message: 'log lines were dropped because nobody read them', count }),
  );
  const write = (line: () => string) => lines.write(options.readable ? () => readable(line()) : line);
  // While the product starts, it logs only errors of its own activity.
  let quiet: (line: string) => boolean = () => true;
  const metrics = new Metrics();
  onLog((line) => metrics.note(line));
  logTo((line) => {
    // The line is formatted later, when the start may be over.
    const isQuiet = quiet;
    write(() => unlessQuiet(line(), isQuiet));
  });
  closers.push(async () => {
    lines.flush();
    logTo();
    onLog();
    resetServices();
  });
  const credentials = createLocalCredentials();
  const embedded =
    options.dynamodbEndpoint === undefined
      ? await startEmbeddedDynamodb({ directory: join(directory, 'dynamodb'), credentials })
      : undefined;
  if (embedded) closers.push(embedded.stop);
  const database: LocalDatabase = embedded ?? { endpoint: options.dynamodbEndpoint ?? '', credentials };
  const [secrets] = await Promise.all([
    startSecretsEndpoint({ directory: join(directory, 'secrets'), credentials }),
    createTable(database, tableName),
  ]);
  closers.push(secrets.stop);
  if (embedded) closers.push(startExpirySweep({ ...embedded, tableName }).stop);
  useTable(embedded?.client);

  Object.assign(process.env, {
    TRUNKLINE_TABLE: tableName,
    TRUNKLINE_VENDORS: vendorNames.join(','),
    TRUNKLINE_DYNAMODB_ENDPOINT: database.endpoint,
    TRUNKLINE_SECRETS_ENDPOINT: secrets.endpoint,
    TRUNKLINE_LOCAL_ACCESS_KEY_ID: credentials.accessKeyId,
    TRUNKLINE_LOCAL_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
  const lambda: LambdaEndpointOptions & { functions: Record<string, LambdaHandler | DurableFunction> } = {
    functions: {},
    credentials,
  };
  const lambdaEndpoint = await startLambdaEndpoint(lambda);
  process.env.TRUNKLINE_LAMBDA_ENDPOINT = lambdaEndpoint.endpoint;
  closers.push(lambdaEndpoint.stop);
  const files = await startFileStore({ directory: join(directory, 'files') });
  closers.push(files.close);
  useFiles(files);
  const http = batchResponses(httpClient());
  useHttp(http);
  closers.push(async () => services().usage.flush());
  closers.push(async () => http.close());
  const { adminKey, isNew } = await ensureSecrets(options.adminKey);
  const { table, secrets: stored } = services();
  await claimDatabase(table, stored);
  await publishAdminKey(services());

  await services().pause.begin();
  const functions = await loadFunctions(options.wrapInvocation);
  const control = functions.plain.control;
  const live =
    control && eventStream({ path: '/v1/stream', functionName: 'control', handler: control as StreamHandler });
  let queues: () => Readonly<Record<string, QueueState>> = () => ({});
  const scrape = metricsFunction(async (usage) => metrics.text(table, queues(), usage, Date.now()));
  for (const name of clockFunctions) Object.assign(lambda.functions, { [name]: functions.plain[name] });
  const bridge = await startHttpBridge({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 8787,
    ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    admit: knownSender,
    routes: [
      ...(live ? [live.route] : []),
      { method: 'ANY', path: '/metrics', handler: scrape, functionName: 'metrics' },
      ...httpRoutes.flatMap(({ path, functionName }) => {
        const handler = functions.plain[functionName];
        return handler ? [{ method: 'ANY', path, handler, functionName }] : [];
      }),
    ],
    files,
  });
  closers.push(bridge.close);
  process.env.TRUNKLINE_PUBLIC_URL = options.publicUrl ?? bridge.url;
  // An open stream would keep the bridge from closing.
  if (live) closers.push(async () => live.close());
  const environment = { directory, database, lambda, metrics, changed: () => live?.changed() };
  const durable = await startDurableHalf(functions, environment, closers, options.waitClock);
  queues = durable.queues;
  const onEffect = options.readable ? (effect: string) => lines.write(() => `${effectLine(effect)}\n`) : undefined;
  const demo = options.sandbox
    ? await startDemo({ directory, gatewayUrl: bridge.url, adminKey, ...(onEffect && { onEffect }) })
    : undefined;
  if (demo) closers.push(demo.close);
  const clock = startClock(functions.plain, clockFunctions, options.clock ?? true);
  closers.push(clock.stop);
  storeAccount(join(directory, localAccountFile), { url: bridge.url, key: adminKey });
  // The first tick still runs while the links are printed, and they should remain the last lines.
  quiet = isTickLine;
  void clock.started.then(() => {
    quiet = () => false;
  });
  return {
    url: bridge.url,
    adminKey,
    adminKeyIsNew: isNew,
    ...(demo && { demo }),
    consoleLink: () => signInLink(bridge.url, adminKey),
    tick: clock.tick,
    wake: durable.wake,
    close,
  };
}

function readable(text: string): string {
  const line = text === '' ? undefined : terminalLine(text);
  return line === undefined ? '' : `${line}\n`;
}

/** The line, or undefined if it is not shown now. Errors are always shown. */
function unlessQuiet(text: string, quiet: (line: string) => boolean): string {
  return quiet(text) && !text.includes('"level":"error"') ? '' : text;
}

function isTickLine(text: string): boolean {
  return text.includes('"tick":') || text.includes('"_aws":');
}

interface Environment {
  directory: string;
  database: LocalDatabase;
  lambda: LambdaEndpointOptions;
  metrics: Metrics;
  /** Called when something has changed that the live stream carries. */
  changed(): void;
}

/** The partitions of the other changes on the live stream: events, the pause and automations. */
const streamed = new Set([keys.log(), keys.pause().pk, keys.triggerVersion('automation').pk]);

/** What Lambda's durable executions and the table's stream are on AWS; takes up what an earlier process left unfinished. */
async function startDurableHalf(
  functions: Functions,
  environment: Environment,
  closers: (() => Promise<void>)[],
  waitClock?: Clock,
): Promise<DurableRuntime> {
  const { table, clock } = services();
  const recentChanges = new RecentChanges<Item>(clock);
  services().recentChanges = recentChanges;
  const onFault = (functionName: string, name: string, error: unknown) =>
    log({
      level: 'error',
      durable: functionName,
      execution: name,
      message: error instanceof Error ? error.message : String(error),
    });
  const runtime = await startDurableRuntime({
    table,
    clock: steadyClock(waitClock ?? clock),
    handlers: functions.durable,
    connect: (started) => {
      Object.assign(environment.lambda.functions, started.functions);
      environment.lambda.completeCallback = started.complete;
    },
    onFault,
    onSucceeded: (functionName, result) => {
      // What the delivery returns.
      const end = functionName === 'deliver-event' && (JSON.parse(result ?? '{}') as { state?: string });
      if (end) environment.metrics.noteDelivery(String(end.state));
    },
    onFailed: (execution) => endExecution(functions.plain['end-executions'], execution),
  });
  closers.push(runtime.stop);
  const pump = await startStreamPump({
    ...environment.database,
    tableName,
    handler: functions.stream,
    positionFile: join(environment.directory, 'stream.json'),
    onGiveUp: (records) => log({ level: 'error', message: 'events were not routed', count: records.length }),
  });
  table.onWrite = (key, item) => {
    if (isEventItem(key.pk)) pump.nudge();
    // An event is in the log once it has its position there.
    const isListed = isRunItem(key) || isDeliveryItem(key);
    if (item && isListed) recentChanges.note(item);
    if (isListed || streamed.has(key.pk)) environment.changed();
  };
  closers.push(pump.stop);
  return runtime;
}

/** Throws unless a request names a known key or hook. A long body is read only then. */
async function knownSender({ rawPath, headers, cookies, requestContext }: APIGatewayProxyEventV2): Promise<void> {
  const gateway = services();
  const token = /^\/hooks\/([^/]+)\/?$/.exec(rawPath)?.[1];
  if (token === undefined) {
    const cookie = cookies?.join('; ');
    const { method } = requestContext.http;
    await gateway.keyCheck.check({ method, path: rawPath, headers: { ...headers, ...(cookie && { cookie }) } });
  } else if (!(await hooksOf(gateway).byToken(token))) {
    throw new GatewayError('not_found', 'There is no hook at this address.');
  }
}

/** What EventBridge does on AWS when an execution has failed. */
async function endExecution(
  handler: LocalHandler | undefined,
  { name, arn, functionName }: { name: string; arn: string; functionName: string },
): Promise<void> {
  const event: Pick<StatusChangeEvent, 'source' | 'detail-type' | 'detail'> = {
    source: 'aws.lambda',
    'detail-type': statusChange,
    detail: {
      durableExecutionArn: arn,
      durableExecutionName: name,
      functionArn: functionArn(functionName),
      status: 'FAILED',
    },
  };
  await handler?.(event, createLambdaContext({ name: 'end-executions', timeout: 60_000 }));
}

/** The secrets that the storage stack makes on AWS. */
async function ensureSecrets(given: string | undefined): Promise<{ adminKey: string; isNew: boolean }> {
  const { secrets } = services();
  for (const name of [sealingKeySecret, ...vendorNames.map(sessionKeySecret)]) {
    if ((await secrets.read(name, true)) === undefined)
      await secrets.write(name, randomBytes(32).toString('base64url'));
  }
  const stored = await secrets.read(adminKeySecret, true);
  const wanted = given?.slice('tl_'.length) ?? stored ?? randomBytes(24).toString('base64url');
  if (wanted !== stored) await secrets.write(adminKeySecret, wanted);
  return { adminKey: `tl_${wanted}`, isNew: stored === undefined };
}
