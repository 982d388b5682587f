import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A process of a benchmark: it has printed the line that was waited for. */
export interface Started {
  child: ChildProcess;
  /** What the pattern's first group matched. */
  value: string;
  /** Milliseconds from the start to the line. */
  startTime: number;
  /** What it printed last. */
  lastLine(): string;
  /** Resident memory now, in MB. */
  memory(): number;
  stop(): Promise<void>;
}

/** Starts a script with this Node and waits for a line that matches. */
export async function startScript(
  script: string,
  env: Record<string, string>,
  pattern: RegExp,
  args: string[] = [],
): Promise<Started> {
  const startedAt = performance.now();
  // Into a file: reading its lines through a pipe would cost the process that measures.
  const folder = mkdtempSync(join(tmpdir(), 'trunkline-process-'));
  const output = join(folder, 'output');
  const file = openSync(output, 'w');
  const child = spawn(process.execPath, [...args, script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', file, 'inherit'],
  });
  closeSync(file);
  const lines = (): string[] => readFileSync(output, 'utf8').split('\n');
  let value: string | undefined;
  while (value === undefined) {
    if (child.exitCode !== null)
      throw new Error(`${script} ended with ${child.exitCode}: ${lines().slice(-5).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    value = lines()
      .map((line) => line.match(pattern)?.[1])
      .find((found) => found !== undefined);
  }
  return {
    child,
    value,
    startTime: performance.now() - startedAt,
    lastLine: () => lines().findLast((line) => line !== '') ?? '',
    memory: () => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1] ?? 0) / 1024,
    stop: async () => {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Calls the API of a product with a key; resolves to the body of its answer, throws when it is refused. */
export async function callApi<T>(url: string, key: string, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return JSON.parse(text) as T;
}
