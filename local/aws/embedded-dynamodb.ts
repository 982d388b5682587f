import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { lockDirectory } from '../runtime/process-lock.ts';
import { indexStream, trimStream } from './stream-upkeep.ts';

/** A running database. Its process ends with `stop()`, with this process, or at the next start in the same directory. */
export interface EmbeddedDynamodb {
  /** For the `endpoint` of the AWS SDK clients, streams included; any region and credentials do. */
  endpoint: string;
  /** Process id of the database as it is now; it changes when a crashed database is started again. */
  pid(): number;
  stop(): Promise<void>;
}

export interface EmbeddedDynamodbOptions {
  /** Where the data stays; absent keeps it in a temporary directory until `stop()`. */
  directory?: string;
  /** Called when the database keeps crashing and is not started again. */
  onGiveUp?: (error: Error) => void;
}

const trimInterval = 60 * 60 * 1000;
const restartLimit = 5;
const restartWindow = 60 * 1000;

/**
 * Starts the embedded DynamoDB on a free port of 127.0.0.1 and resolves when it answers. Throws an error that names the running
 * process when another one has the directory, and one that names TRUNKLINE_DYNAMODB_ENDPOINT on systems without the database.
 */
export async function startEmbeddedDynamodb(options: EmbeddedDynamodbOptions = {}): Promise<EmbeddedDynamodb> {
  const binary = findDynoxide();
  const temporary = options.directory === undefined;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'trunkline-dynamodb-'));
  const lock = lockDirectory(directory);
  const dataFile = join(realpathSync(directory), 'data.db');
  const pidFile = join(directory, 'dynamodb.pid');
  const crashes: number[] = [];
  let stopping = false;
  let port = 0;
  let words = '';
  let child: ChildProcess;

  try {
    await reapOrphan(pidFile, dataFile);
    for (let attempt = 1; ; attempt++) {
      port = await freePort();
      try {
        child = await launch();
        break;
      } catch (error) {
        // Between finding the port and binding it, another process may have taken it.
        if (attempt === 5 || !String(error).includes('already in use')) throw error;
      }
    }
    indexStream(dataFile);
  } catch (error) {
    lock.release();
    if (temporary) rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  // Not at once: after days of standing still, what was not read before is yet to be read.
  const trimming = setInterval(() => trimStream(dataFile, Date.now()), trimInterval).unref();

  return {
    endpoint: `http://127.0.0.1:${port}`,
    pid: () => child.pid ?? 0,
    stop: async () => {
      if (stopping) return;
      stopping = true;
      clearInterval(trimming);
      await end(child);
      rmSync(pidFile, { force: true });
      lock.release();
      if (temporary) rmSync(directory, { recursive: true, force: true });
    },
  };

  async function launch(): Promise<ChildProcess> {
    words = '';
    const started = spawnGuarded(binary, [
      'serve',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--db-path',
      dataFile,
    ]);
    started.stderr?.on('data', (chunk: Buffer) => {
      words = `${words}${chunk}`.slice(-4000);
    });
    try {
      await untilAnswering(started, port, () => words);
    } catch (error) {
      await end(started);
      throw error;
    }
    writeFileSync(pidFile, `${started.pid}\n`);
    started.once('exit', (code, signal) => void recover(`exit code ${code}, signal ${signal}: ${words.trim()}`));
    return started;
  }

  async function recover(how: string): Promise<void> {
    if (stopping) return;
    const now = Date.now();
    crashes.push(now);
    const recent = crashes.filter((at) => now - at < restartWindow).length;
    try {
      if (recent > restartLimit) throw new Error(`it crashed ${recent} times within a minute`);
      const next = await launch();
      child = next;
      if (stopping) await end(next);
    } catch (error) {
      options.onGiveUp?.(new Error(`The embedded DynamoDB ended (${how}) and does not start again`, { cause: error }));
    }
  }
}

/** Where the database binary is installed; `resolve` finds a file of a package. */
export function findDynoxide(resolve: (file: string) => string = createRequire(import.meta.url).resolve): string {
  try {
    return join(dirname(resolve('@dynoxide/linux-x64/package.json')), 'dynoxide');
  } catch (cause) {
    throw new Error(
      'The embedded DynamoDB runs on Linux x64 only: set TRUNKLINE_DYNAMODB_ENDPOINT to the URL of a DynamoDB to use instead.',
      { cause },
    );
  }
}

/**
 * A child that dies with us: the watcher beside it reads a pipe whose other end only this process holds, so that even kill -9
 * here closes it. A line on the pipe sends the watcher away. Its own session keeps Ctrl-C from ending it before `stop()` does.
 */
function spawnGuarded(command: string, parameters: string[]): ChildProcess {
  const script = 'self=$$; { read -r _ <&3 || kill -9 $self; } 1>&- 2>&- & exec "$0" "$@" 3<&-';
  const child = spawn('/bin/sh', ['-c', script, command, ...parameters], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pipe = child.stdio[3] as Socket;
  child.once('exit', () => pipe.end('\n'));
  // The watcher may be gone already.
  pipe.on('error', () => {});
  // Whoever forgets `stop()` can still end; the watcher then does the rest.
  pipe.unref();
  (child.stderr as Socket).unref();
  child.unref();
  return child;
}

async function untilAnswering(child: ChildProcess, port: number, words: () => string): Promise<void> {
  // Its own words come first: a stranger on the same port would answer, too.
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => () => reject(new Error(`The embedded DynamoDB ${why}: ${words().trim()}`));
    const deadline = setTimeout(fail('did not start within 10 s'), 10_000);
    child.once('error', reject);
    child.once('exit', fail('did not start'));
    child.stderr?.on('data', () => {
      if (!words().includes('listening on')) return;
      clearTimeout(deadline);
      resolve();
    });
  });
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`The embedded DynamoDB answers ${answer.status} on port ${port}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(force);
}

/** Ends a database that outlived its parent. The command line is compared, since a process id may have been given out again. */
async function reapOrphan(pidFile: string, dataFile: string): Promise<void> {
  const pid = Number(readOrEmpty(pidFile));
  const isOurs = () => readOrEmpty(`/proc/${pid}/cmdline`).split('\0').includes(dataFile);
  if (!Number.isInteger(pid) || pid <= 1 || !isOurs()) return;
  process.kill(pid, 'SIGKILL');
  for (let waited = 0; isOurs(); waited += 10) {
    if (waited > 5000)
      throw new Error(`Process ${pid}, left over from an earlier start, cannot be ended: end it by hand`);
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}
