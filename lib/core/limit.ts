/** Runs at most `max` tasks at once; the others wait in order. */
export class Limit {
  max: number;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(max: number) {
    this.max = max;
  }

  /** True while nothing runs and nothing waits. */
  get idle(): boolean {
    return this.#running === 0;
  }

  /** Runs a task when its turn comes; rejects with the signal's reason when that comes first. A running task is not stopped. */
  async run<Result>(task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    if (this.#running < this.max) this.#running++;
    else await this.#turn(signal);
    try {
      return await task();
    } finally {
      const [next] = this.#waiting;
      // The next task takes over this slot, so that no other task can take it in between.
      if (next && this.#running <= this.max) next();
      else this.#running--;
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(enter);
        reject(signal?.reason);
      };
      const enter = () => {
        this.#waiting.delete(enter);
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.add(enter);
    });
  }
}

/** One `Limit` for each key, such as a host. Unused keys take no memory. */
export class KeyedLimit {
  readonly #limits = new Map<string, Limit>();

  async run<Result>(key: string, max: number, task: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const limit = this.#limits.get(key) ?? new Limit(max);
    limit.max = max;
    this.#limits.set(key, limit);
    try {
      return await limit.run(task, signal);
    } finally {
      if (limit.idle && this.#limits.get(key) === limit) this.#limits.delete(key);
    }
  }
}

/** Runs a task for each item, at most `max` at once. After a failure it takes no further item, waits for those that run, and throws it. */
export async function forEachLimited<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  max: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  for await (const item of items) {
    const task = run(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => running.delete(task));
    running.add(task);
    if (running.size >= max) await Promise.race(running);
    if (failures.length > 0) break;
  }
  await Promise.all(running);
  if (failures.length > 0) throw failures[0];
}
