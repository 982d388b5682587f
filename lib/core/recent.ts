import { type Clock, isRecent } from './clock.ts';
import { LruMap } from './lru-map.ts';

interface Read<Value> {
  value: Value;
  until: number;
}

interface Kept<Value> extends Read<Value> {
  readAt: number;
}

/**
 * Values that were read elsewhere and may be used for a while. Callers during a read wait for that read, so that a busy
 * value costs one read when its time is over.
 */
export class Recent<Value> {
  readonly #clock: Clock;
  readonly #kept: LruMap<string, Kept<Value>>;
  readonly #reading = new Map<string, Promise<Read<Value> | undefined>>();

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#kept = new LruMap(max);
  }

  /** The value; it is read if it is missing or has expired. `undefined` is not kept. */
  async get(id: string, read: () => Promise<Read<Value> | undefined>): Promise<Value | undefined> {
    const known = this.#kept.get(id);
    const now = this.#clock.now();
    if (known && isRecent(known.readAt, known.until - known.readAt, now)) return known.value;
    let reading = this.#reading.get(id);
    if (!reading) {
      reading = read();
      this.#reading.set(id, reading);
      void this.#keep(id, reading);
    }
    return (await reading)?.value;
  }

  /** Keeps the result of a read, unless it was forgotten meanwhile. */
  async #keep(id: string, reading: Promise<Read<Value> | undefined>): Promise<void> {
    const found = await reading.catch(() => undefined);
    if (this.#reading.get(id) !== reading) return;
    this.#reading.delete(id);
    if (found) this.#kept.set(id, { ...found, readAt: this.#clock.now() });
    else this.#kept.delete(id);
  }

  forget(id: string): void {
    this.#kept.delete(id);
    this.#reading.delete(id);
  }

  clear(): void {
    this.#kept.clear();
    this.#reading.clear();
  }
}
