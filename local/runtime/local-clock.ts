import { createLambdaContext } from '../aws/lambda-context.ts';
import type { LocalHandler } from './functions.ts';

const minute = 60_000;

export interface LocalClock {
  /** One tick now, of all functions or of one; resolves when they have ended. */
  tick(functionName?: string): Promise<void>;
  /** Resolves when the tick at the start has ended. */
  started: Promise<void>;
  stop(): Promise<void>;
}

/** Calls the scheduled functions every minute, first when it starts; one that still runs is not started again. */
export function startClock(
  functions: Readonly<Record<string, LocalHandler>>,
  names: readonly string[],
  ticking: boolean,
): LocalClock {
  const running = new Map<string, Promise<unknown>>();
  const tick = async (only?: string) => {
    const event = { source: 'aws.scheduler', time: new Date().toISOString() };
    for (const name of names) {
      const handler = functions[name];
      if (!handler || running.has(name) || (only !== undefined && name !== only)) continue;
      // A tick that fails has logged the reason. The next one follows in a minute.
      const turn = handler(event, createLambdaContext({ name, timeout: minute }))
        .catch(() => undefined)
        .finally(() => running.delete(name));
      running.set(name, turn);
    }
    await Promise.all(only === undefined ? running.values() : [running.get(only)]);
  };
  const timer = ticking ? setInterval(() => void tick(), minute) : undefined;
  return {
    tick,
    started: ticking ? tick() : Promise.resolve(),
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running.values());
    },
  };
}
