import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { log } from '../../lib/aws/log.ts';
import { listen } from '../runtime/loopback-server.ts';
import { lockDirectory } from '../runtime/process-lock.ts';
import {
  answerError,
  createLocalCredentials,
  type LocalCredentials,
  parseJson,
  readBody,
  requireAccessKey,
} from './aws-request.ts';
import { databaseCalls, maxRequestBytes, tooLarge } from './database-calls.ts';
import { type DatabaseProcess, startDatabaseProcess } from './database-process.ts';
import { type DirectClients, directClients } from './direct-client.ts';
import { indexStream, trimStream } from './stream-upkeep.ts';

/** A running database. Its process ends with `stop()`, with this process, or at the next start in the same directory. */
export interface EmbeddedDynamodb extends DirectClients {
  /** For the `endpoint` of the AWS SDK clients, streams included; any region does. */
  endpoint: string;
  /** What callers must sign with. */
  credentials: LocalCredentials;
  /** Process id of the database as it is now; it changes when a crashed database is started again. */
  pid(): number;
  stop(): Promise<void>;
}

export interface EmbeddedDynamodbOptions {
  /** Where the data stays; absent keeps it in a temporary directory until `stop()`. */
  directory?: string;
  /** The key that callers must sign with. Generated if absent. */
  credentials?: LocalCredentials;
  /** Called when the database keeps crashing or does not start; it is then tried again, less often. Absent logs it. */
  onDown?: (error: Error) => void;
}

const trimIntervalMs = 60 * 60 * 1000;
const restartLimit = 5;
const restartWindowMs = 60 * 1000;
/** The pause before another start of a database that keeps crashing or did not start. Until then, calls fail. */
const restartPauseMs = 5_000;
const contentType = 'application/x-amz-json-1.0';

/**
 * Starts the embedded DynamoDB behind a free port of 127.0.0.1 and resolves when it answers. The database itself has no port;
 * the endpoint here asks for the access key. Throws an error that names the running process when another one has the
 * directory, and one that names TRUNKLINE_DYNAMODB_ENDPOINT on systems without the database.
 */
export async function startEmbeddedDynamodb(options: EmbeddedDynamodbOptions = {}): Promise<EmbeddedDynamodb> {
  const binary = findDynoxide();
  const onDown = options.onDown ?? logDown;
  const temporary = options.directory === undefined;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'trunkline-dynamodb-'));
  const credentials = options.credentials ?? createLocalCredentials();
  const lock = lockDirectory(directory);
  const dataFile = join(realpathSync(directory), 'data.db');
  const pidFile = join(directory, 'dynamodb.pid');
  let crashes: number[] = [];
  let restarting: NodeJS.Timeout | undefined;
  const ending = new AbortController();
  let trimmed: Promise<unknown> = Promise.resolve();
  let stopping = false;
  let pid = 0;
  let current: Promise<DatabaseProcess>;

  const cleanUp = () => {
    rmSync(pidFile, { force: true });
    lock.release();
    if (temporary) rmSync(directory, { recursive: true, force: true });
  };
  try {
    await reapOrphan(pidFile, dataFile);
    current = launch();
    await current;
    indexStream(dataFile);
  } catch (error) {
    cleanUp();
    throw error;
  }
  // Not immediately: after a suspension of days, pending output has yet to be read.
  const trimming = setInterval(trim, trimIntervalMs).unref();
  const call = databaseCalls(() => current);
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => answerError(response, error, contentType));
  });
  const { url, close } = await listen(server);
  server.unref();

  return {
    endpoint: url,
    credentials,
    ...directClients(call),
    pid: () => pid,
    stop: async () => {
      if (stopping) return;
      stopping = true;
      clearInterval(trimming);
      clearTimeout(restarting);
      ending.abort();
      await trimmed;
      await close();
      // One that is down is gone already.
      await current.then(
        (database) => database.stop(),
        () => undefined,
      );
      cleanUp();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requireAccessKey(request, credentials);
    const body = await readBody(request, maxRequestBytes, tooLarge());
    const target = String(request.headers['x-amz-target']);
    const operation = /^DynamoDB(?:Streams)?_20120810\.(\w+)$/.exec(target)?.[1];
    const text = await call(operation ?? 'nothing', parseJson(body));
    response.writeHead(200, { 'content-type': contentType }).end(text);
  }

  function trim(): void {
    trimmed = trimStream(dataFile, Date.now(), undefined, ending.signal).catch((error) => {
      // A disk that is full or a database that is busy; the next turn catches up.
      log({ level: 'error', message: 'the stream of the database was not trimmed', reason: `${error}` });
    });
  }

  async function launch(): Promise<DatabaseProcess> {
    const started = await startDatabaseProcess(binary, dataFile);
    pid = started.pid;
    try {
      writeFileSync(pidFile, `${pid}\n`);
    } catch (error) {
      await started.stop();
      throw error;
    }
    started.ended.then(recover);
    return started;
  }

  function recover(how: string): void {
    if (stopping) return;
    const now = Date.now();
    crashes = [...crashes.filter((at) => now - at < restartWindowMs), now];
    const isCrashing = crashes.length > restartLimit;
    restart(how, isCrashing ? Promise.reject(new Error(`it crashed ${crashes.length} times in a minute`)) : launch());
  }

  /** From now on, calls wait for this start. If it fails, they fail too until the next one. */
  function restart(how: string, next: Promise<DatabaseProcess>): void {
    current = next;
    next.catch((cause: unknown) => {
      if (stopping) return;
      onDown(new Error(`The embedded DynamoDB ended (${how}) and does not start: ${cause}`, { cause }));
      restarting = setTimeout(() => restart(how, launch()), restartPauseMs).unref();
    });
  }
}

function logDown({ message }: Error): void {
  log({ level: 'error', message });
}

/** Where the database binary is installed; `resolve` finds a file of a package. */
export function findDynoxide(resolve: (file: string) => string = createRequire(import.meta.url).resolve): string {
  try {
    return join(dirname(resolve('@dynoxide/linux-x64/package.json')), 'dynoxide');
  } catch (cause) {
    throw new Error(databaseHelp(process.platform, process.arch), { cause });
  }
}

/** What to do where the embedded database is not installed: which database to use instead, with which keys and settings. */
export function databaseHelp(platform: NodeJS.Platform, arch: string): string {
  if (platform === 'linux' && arch === 'x64') {
    return 'The embedded DynamoDB is not installed: its package @dynoxide/linux-x64 is optional. Run npm ci without --omit=optional.';
  }
  const endpoint = 'http://127.0.0.1:8000';
  const setting =
    platform === 'win32'
      ? `$env:TRUNKLINE_DYNAMODB_ENDPOINT = '${endpoint}'   (PowerShell)`
      : `export TRUNKLINE_DYNAMODB_ENDPOINT=${endpoint}`;
  return `The embedded DynamoDB runs on Linux x64 only, and this is ${platform} ${arch}. Run Amazon's DynamoDB Local next to Trunkline:
  java -jar DynamoDBLocal.jar -sharedDb -port 8000
  or: docker run -p 127.0.0.1:8000:8000 amazon/dynamodb-local -jar DynamoDBLocal.jar -sharedDb
Then set
  ${setting}
and start again. It needs no AWS account and no keys: Trunkline signs with its own keys, which DynamoDB Local accepts, and creates its table.
Where the data stays and other databases: docs/operations.md, "Systems other than Linux x64".`;
}

/** Ends a database that outlived its parent. The command line is compared, since a process id may have been given out again. */
async function reapOrphan(pidFile: string, dataFile: string): Promise<void> {
  const pid = Number(readOrEmpty(pidFile));
  const isOurs = () => readOrEmpty(`/proc/${pid}/cmdline`).split('\0').includes(dataFile);
  if (!Number.isInteger(pid) || pid <= 1 || !isOurs()) return;
  process.kill(pid, 'SIGKILL');
  for (let waited = 0; isOurs(); waited += 10) {
    if (waited > 5000)
      throw new Error(`Process ${pid}, left over from an earlier start, cannot be ended: end it manually`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
