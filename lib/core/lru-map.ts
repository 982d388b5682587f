/** A map that holds at most `max` entries: beyond that, the one that was used longest ago goes. */
export class LruMap<Key, Value> extends Map<Key, Value> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override get(key: Key): Value | undefined {
    const value = super.get(key);
    // In a map that is less than half full, nothing is about to go, and most maps are: their order need not be kept.
    if (value !== undefined && this.size * 2 >= this.#max) {
      super.delete(key);
      super.set(key, value);
    }
    return value;
  }

  override set(key: Key, value: Value): this {
    super.delete(key);
    super.set(key, value);
    if (this.size > this.#max) {
      for (const oldest of this.keys()) {
        super.delete(oldest);
        break;
      }
    }
    return this;
  }
}
