import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A process of a benchmark: it has printed the line that was waited for. */
export interface Started {
  child: ChildProcess;
  /** What the pattern's first group matched. */
  value: string;
  /** Every line so far. */
  lines: string[];
  /** Milliseconds from the start to the line. */
  startTime: number;
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
  const child = spawn(process.execPath, [...args, script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const value = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}: ${lines.slice(-5).join('\n')}`)));
    reader.on('line', (line) => {
      if (lines.length < 200) lines.push(line);
      const match = line.match(pattern);
      if (match) resolve(match[1] ?? '');
    });
  });
  return {
    child,
    value,
    lines,
    startTime: performance.now() - startedAt,
    memory: () => Number(readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1] ?? 0) / 1024,
    stop: async () => {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}
