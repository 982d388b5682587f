import type { Clock } from '../../core/clock.ts';

interface Alarm {
  at: number;
  ring: () => void;
}

/**
 * Time that passes only while nothing is being done: then it jumps to the next alarm. Work that takes real time, such as reading a
 * table, takes none of it.
 */
export class VirtualClock implements Clock {
  #now: number;
  #working = 0;
  #idle = Promise.withResolvers<void>();
  readonly #alarms = new Set<Alarm>();

  /** Starts at a time in epoch milliseconds. */
  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.at(this.#now + ms, resolve);
    signal?.addEventListener('abort', () => {
      cancel();
      reject(signal.reason);
    });
    return promise;
  }

  /** Rings at a time, or next where it has passed. Returns a function that cancels the alarm. */
  at(time: number, ring: () => void): () => void {
    const alarm = { at: time, ring };
    this.#alarms.add(alarm);
    return () => void this.#alarms.delete(alarm);
  }

  /** Does something during which no time passes. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work();
    } finally {
      if (--this.#working === 0) this.#idle.resolve();
    }
  }

  /** Lets time pass until `isOver`, or until nothing is left that could happen. `isOver` learns the time of the next alarm. */
  async run(isOver: (nextAt: number) => boolean): Promise<void> {
    for (;;) {
      // All that follows from the last alarm without waiting has happened after this.
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#next();
      if (isOver(next?.at ?? this.#now)) return;
      if (this.#working > 0) {
        this.#idle = Promise.withResolvers();
        await this.#idle.promise;
      } else if (next) {
        this.#alarms.delete(next);
        this.#now = Math.max(this.#now, next.at);
        next.ring();
      } else return;
    }
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) if (!first || alarm.at < first.at) first = alarm;
    return first;
  }
}
