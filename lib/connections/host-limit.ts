import { GatewayError } from '../core/errors.ts';
import { KeyedLimit } from '../core/limit.ts';

/** Concurrent requests of one tick to one server. */
const perHost = 8;

/**
 * Spreads the work of a tick over servers: a few tasks at each at once, and no more at one that has answered none of its first
 * ones, so that a server that hangs takes time from nobody.
 */
export class HostLimit {
  readonly #limit = new KeyedLimit();
  readonly #silences = new Map<string, number>();

  /** Runs a task, which returns its error, if any. False if its server does not respond and the task was not run. */
  async run(host: string, task: () => Promise<unknown>): Promise<boolean> {
    return this.#limit.run(host, perHost, async () => {
      const silences = this.#silences.get(host) ?? 0;
      if (silences >= perHost) return false;
      const error = await task();
      this.#silences.set(host, isSilence(error) ? (this.#silences.get(host) ?? 0) + 1 : 0);
      return true;
    });
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof GatewayError && (error.code === 'vendor_timeout' || error.code === 'vendor_unreachable');
}
