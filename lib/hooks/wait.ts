import type { Clock } from '../core/clock.ts';

/** How a run ended, as far as the sender of the message may know. */
export interface RunResult {
  id: string;
  state: 'succeeded' | 'partial' | 'failed' | 'skipped' | 'suppressed' | 'cancelled';
  reason?: string | undefined;
}

/** A run that has ended or not. */
export type RunProgress = RunResult | { id: string; state: 'running' };

/** API Gateway times out after 30 s, and a call of Trunkline after 25 s. */
export const longestWait = 25;
const firstPause = 100;
const maxPauseMs = 1_000;

/** The seconds that a request asks to wait, 1 to 25; 0 where it does not ask. */
export function secondsToWait(query: URLSearchParams): number {
  const text = query.get('wait');
  if (text === null || !/^\d{1,6}$/.test(text)) return 0;
  return Math.min(longestWait, Number(text));
}

/** Reads runs repeatedly until all have ended or the time is up. */
export async function waitForRuns(
  clock: Clock,
  ids: readonly string[],
  seconds: number,
  signal: AbortSignal,
  resultOf: (runId: string) => Promise<RunResult | undefined>,
): Promise<RunProgress[]> {
  const results = new Map<string, RunResult>();
  const until = clock.now() + seconds * 1000;
  for (let pause = firstPause; ; pause = Math.min(maxPauseMs, pause * 1.5)) {
    for (const id of ids) {
      const result = results.has(id) ? undefined : await resultOf(id);
      if (result) results.set(id, result);
    }
    const left = until - clock.now();
    if (results.size === new Set(ids).size || left <= 0 || signal.aborted) break;
    await clock.sleep(Math.min(pause, left), signal).catch(() => undefined);
  }
  return ids.map((id) => results.get(id) ?? { id, state: 'running' });
}
