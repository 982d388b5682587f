/** A waiting reservation. `isWanted` turns false when nobody waits for it any more. */
interface Waiting {
  bytes: number;
  isWanted(): boolean;
  resolve(granted: boolean): void;
}

/** A shared memory budget for incoming bodies. A reservation that does not fit waits for its turn. */
export class ByteBudget {
  #left: number;
  #waiting: Waiting[] = [];

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Resolves to true once that many bytes are reserved, in the order of the calls; to false if they are no longer needed. */
  take(bytes: number, isWanted: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, isWanted, resolve });
      this.#serve();
    });
  }

  /** Also called when a waiting reservation is no longer wanted. */
  giveBack(bytes: number): void {
    this.#left += bytes;
    this.#serve();
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const isWanted = first.isWanted();
      if (isWanted && first.bytes > this.#left) return;
      this.#waiting.shift();
      if (isWanted) this.#left -= first.bytes;
      first.resolve(isWanted);
    }
  }
}
