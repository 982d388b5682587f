import { isRecent } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { LruMap } from '../core/lru-map.ts';
import type { Principal } from './keys/key-check.ts';

const windowSeconds = 60;

interface Window {
  startedAt: number;
  used: number;
}

/** Counts the calls of each key in this process, in windows of a minute. */
export class RateLimit {
  readonly #windows = new LruMap<string, Window>(10_000);

  /** Counts one call and returns the `RateLimit` headers. Throws `rate_limited` if the key's quota is used up. */
  take(principal: Principal, now: number): Record<string, string> {
    let window = this.#windows.get(principal.keyId);
    if (!window || !isRecent(window.startedAt, windowSeconds * 1000, now)) {
      window = { startedAt: now, used: 0 };
      this.#windows.set(principal.keyId, window);
    }
    window.used++;
    const reset = Math.max(1, Math.ceil((window.startedAt + windowSeconds * 1000 - now) / 1000));
    if (window.used > principal.perMinute) {
      throw new GatewayError(
        'rate_limited',
        `This key may make ${principal.perMinute} calls a minute. Try again in ${reset} s.`,
        { retryAfter: reset },
      );
    }
    return {
      'ratelimit-policy': `"minute";q=${principal.perMinute};w=${windowSeconds}`,
      ratelimit: `"minute";r=${principal.perMinute - window.used};t=${reset}`,
    };
  }
}
