import type { Socket } from 'node:net';

/** Requests that are held open until something happens in a room, their time is over, or the caller disconnects. */
export interface Waiting {
  /** How many requests are held now. */
  readonly count: number;
  /** Holds until `ready` answers true, `seconds` have passed on the vendor's clock, or the socket closes. */
  until(token: string, seconds: number, socket: Socket, ready: () => boolean): Promise<void>;
  /** Something happened in that room; without a token, the clock was moved. */
  wake(token?: string): void;
}

/**
 * Makes the list of held requests. `now` is the vendor's clock in milliseconds. If `moves` is true, it is the clock of a test, which
 * announces no change, so it is polled often.
 */
export function createWaiting(now: () => number, moves: boolean): Waiting {
  const waiters = new Set<{ token: string; check: () => void }>();
  return {
    get count() {
      return waiters.size;
    },
    until: (token, seconds, socket, ready) =>
      new Promise((resolve) => {
        const deadline = now() + seconds * 1000;
        let timer: NodeJS.Timeout | undefined;
        const waiter = { token, check };
        const finish = () => {
          clearTimeout(timer);
          socket.off('close', finish);
          waiters.delete(waiter);
          resolve();
        };
        function check(): void {
          clearTimeout(timer);
          const left = deadline - now();
          if (left <= 0 || ready()) finish();
          else timer = setTimeout(check, moves ? 20 : Math.min(left, 2 ** 31 - 1));
        }
        waiters.add(waiter);
        socket.once('close', finish);
        check();
      }),
    wake: (token) => {
      for (const waiter of [...waiters]) if (token === undefined || waiter.token === token) waiter.check();
    },
  };
}
