import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lineCutter } from '../../lib/core/lines.ts';

/** What the database answered to one call: its JSON text, and whether that is an error. */
export interface DatabaseAnswer {
  failed: boolean;
  text: string;
}

/**
 * One process of the embedded database. It serves its tools over its own standard input and output, so nothing listens on
 * a port: only the process that started it can reach it, and it ends when that process closes the pipe or dies.
 */
export interface DatabaseProcess {
  pid: number;
  /** The parameters that each tool takes, by tool name. */
  tools: ReadonlyMap<string, ReadonlySet<string>>;
  /** Calls a tool with parameters as JSON. Rejects when the process ends before it answers. */
  call(tool: string, parameters: string): Promise<DatabaseAnswer>;
  /** Resolves with the reason once the process is gone. */
  ended: Promise<string>;
  stop(): Promise<void>;
}

/** A JSON-RPC answer, as the Model Context Protocol has it. */
interface Reply {
  id?: number;
  result?: { content?: { text?: string }[]; isError?: boolean; tools?: Tool[]; nextCursor?: string };
  error?: { message: string };
}

interface Tool {
  name: string;
  inputSchema: { properties?: object };
}

const startLimitMs = 10_000;
const endLimitMs = 3_000;
/** A process whose oldest call is still unanswered after `maxChecks` checks is considered hung. */
const checkEveryMs = 10_000;
const maxChecks = 6;
const protocolVersion = '2025-06-18';

/** Starts the binary on a data file and resolves when it answers. */
export async function startDatabaseProcess(binary: string, dataFile: string): Promise<DatabaseProcess> {
  // A separate session, so that Ctrl-C at the terminal does not end it before `stop` does.
  const child = spawn(binary, ['mcp', '--db-path', dataFile], { detached: true, stdio: 'pipe' });
  const exited = endOf(child);
  // Without a free file descriptor or process, there are no pipes either.
  if (child.pid === undefined) throw new Error(`The embedded DynamoDB did not start: ${await exited}`);
  const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  let sent = 0;
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output = `${output}${chunk}`.slice(-4000);
  });
  // A write to a process that has just ended; `ended` notifies all callers.
  child.stdin.on('error', () => {});
  const ended = exited.then((how) => {
    const reason = `${how}: ${output.trim()}`;
    for (const { reject } of waiting.values()) reject(new Error(`The embedded DynamoDB ended (${reason})`));
    waiting.clear();
    clearInterval(watch);
    return reason;
  });
  const cut = lineCutter();
  const receive = (line: string) => {
    const reply = JSON.parse(line) as Reply;
    waiting.get(reply.id ?? 0)?.resolve(reply);
    waiting.delete(reply.id ?? 0);
  };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    try {
      for (const line of cut(piece)) receive(line);
    } catch (error) {
      // Which call the line was meant for is unknown. Ending the process rejects all of them.
      output = `It wrote an invalid message: ${error}`;
      child.kill('SIGKILL');
    }
  });
  let oldest = { id: 0, checks: 0 };
  // Checks are counted instead of time, because this process may itself have been suspended.
  const watch = setInterval(() => {
    const [id = 0] = waiting.keys();
    oldest = { id, checks: id === oldest.id ? oldest.checks + 1 : 1 };
    if (id === 0 || oldest.checks < maxChecks) return;
    output = `It has not answered for ${(maxChecks * checkEveryMs) / 1000} seconds`;
    child.kill('SIGKILL');
  }, checkEveryMs).unref();
  // A process that never calls `stop()` can still exit, which closes the pipe.
  for (const part of [child, child.stdin, child.stdout, child.stderr]) (part as unknown as { unref(): void }).unref();

  const request = (method: string, parameters: string): Promise<Reply> =>
    new Promise((resolve, reject) => {
      if (child.exitCode !== null || child.signalCode !== null)
        return reject(new Error('The embedded DynamoDB has ended'));
      const id = ++sent;
      waiting.set(id, { resolve, reject });
      child.stdin.write(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${parameters}}\n`);
    });

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.stdin.end();
    const force = setTimeout(() => child.kill('SIGKILL'), endLimitMs);
    await ended;
    clearTimeout(force);
  };

  const late = setTimeout(() => child.kill('SIGKILL'), startLimitMs);
  try {
    const clientInfo = { name: 'trunkline', version: '1' };
    await request('initialize', JSON.stringify({ protocolVersion, capabilities: {}, clientInfo }));
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
    const tools = new Map<string, ReadonlySet<string>>();
    let cursor: string | undefined;
    do {
      const { result } = await request('tools/list', JSON.stringify({ cursor }));
      for (const { name, inputSchema } of result?.tools ?? [])
        tools.set(name, new Set(Object.keys(inputSchema.properties ?? {})));
      cursor = result?.nextCursor;
    } while (cursor !== undefined);
    return {
      pid: child.pid ?? 0,
      tools,
      ended,
      stop,
      call: async (tool, parameters) => {
        const { result, error } = await request('tools/call', `{"name":"${tool}","arguments":${parameters}}`);
        if (error) throw new Error(`The embedded DynamoDB does not take ${tool}: ${error.message}`);
        return { failed: result?.isError ?? false, text: result?.content?.[0]?.text ?? '{}' };
      },
    };
  } catch (cause) {
    await stop();
    throw new Error(`The embedded DynamoDB did not start: ${output.trim()}`, { cause });
  } finally {
    clearTimeout(late);
  }
}

async function endOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  try {
    const [code, signal] = await once(child, 'exit');
    return `exit code ${code}, signal ${signal}`;
  } catch (error) {
    return String(error);
  }
}
