import type { Clock } from '../core/clock.ts';

/** A change that this process made, with a unique stamp. */
export interface Change<Item> {
  stamp: number;
  item: Item;
}

const maxChanges = 1_000;

/** The last changes of runs and deliveries, for a process that makes all of them: changes are then known without a query. */
export class RecentChanges<Item> {
  readonly #clock: Clock;
  readonly #changes: Change<Item>[] = [];
  #stamp = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(item: Item): void {
    this.#stamp = Math.max(this.#clock.now(), this.#stamp + 1);
    this.#changes.push({ stamp: this.#stamp, item });
    if (this.#changes.length > maxChanges) this.#changes.shift();
  }

  /** The changes after a stamp, oldest first. */
  after(stamp: number): readonly Change<Item>[] {
    return this.#changes.filter((change) => change.stamp > stamp);
  }

  /** The stamp of the last change. */
  get last(): number {
    return Math.max(this.#stamp, 0);
  }
}
