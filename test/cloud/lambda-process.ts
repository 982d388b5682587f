import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The result of an invocation, as Lambda would report it. */
type Reply = { id: number; result: unknown } | { id: number; error: string };

/** What Lambda's own runtime does around a handler, over the pipe to the test. */
const runtime = `
const { handler } = await import(process.argv[2]);
process.on('message', async ({ id, event }) => {
  const deadline = Date.now() + 29000;
  const context = {
    awsRequestId: 'invocation-' + id,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    process.send({ id, result: (await handler(event, context)) ?? null });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.send('ready');
`;

/** Seconds of processor time, and the most memory that a process has had, in MB. */
export function usageOf(pid: number): { cpu: number; memory: number } {
  const file = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  const ticks = file('stat').split(' ').slice(13, 15).map(Number);
  const memory = Number(file('status').match(/VmHWM:\s+(\d+)/)?.[1]) / 1024;
  return { cpu: ticks.reduce((sum, each) => sum + each, 0) / 100, memory };
}

/** A built function in a separate process, with only the environment that Lambda gives it. */
export async function startLambdaProcess(
  entry: string,
  environment: Readonly<Record<string, string>>,
  flags: string[] = [],
) {
  const file = join(mkdtempSync(join(tmpdir(), 'trunkline-lambda-')), 'runtime.mjs');
  writeFileSync(file, runtime);
  const child = fork(file, [pathToFileURL(entry).href], {
    env: environment,
    execArgv: flags,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  }
  const waiting = new Map<number, (reply: Reply) => void>();
  child.on('message', (message: 'ready' | Reply) => {
    if (message !== 'ready') waiting.get(message.id)?.(message);
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`The function ended by itself: ${output}`);
  });
  ended.catch(() => undefined);
  await Promise.race([once(child, 'message'), ended]);
  let count = 0;
  return {
    /** Everything that it has written. */
    output: () => output,
    async invoke<T>(event: unknown): Promise<T> {
      const id = ++count;
      const answered = new Promise<Reply>((resolve) => waiting.set(id, resolve));
      child.send({ id, event });
      const reply = await Promise.race([answered, ended]);
      if ('error' in reply) throw new Error(reply.error);
      // The test knows what the function answers.
      return reply.result as T;
    },
    usage: () => usageOf(child.pid ?? 0),
    async stop(): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}

export type LambdaProcess = Awaited<ReturnType<typeof startLambdaProcess>>;
