import type { LocalHandler } from './functions.ts';
import { createLambdaContext } from './lambda-context.ts';

const minute = 60_000;

/** Calls the scheduled functions every minute, and at once when it starts; a tick that still runs is not started again. */
export function startClock(
  functions: Readonly<Record<string, LocalHandler>>,
  names: readonly string[],
): { stop(): Promise<void> } {
  const running = new Map<string, Promise<unknown>>();
  const tick = () => {
    for (const name of names) {
      const handler = functions[name];
      if (!handler || running.has(name)) continue;
      const event = { source: 'aws.scheduler', time: new Date().toISOString() };
      const turn = handler(event, createLambdaContext({ name, timeout: minute })).catch(() => undefined);
      running.set(
        name,
        turn.finally(() => running.delete(name)),
      );
    }
  };
  tick();
  const timer = setInterval(tick, minute);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running.values());
    },
  };
}
