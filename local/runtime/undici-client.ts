import { Pool } from 'undici';
import { type AddressPolicy, checkUrl, pinnedLookup } from '../../lib/core/http/address-policy.ts';
import type { HttpAnswer, HttpClient, HttpRequestOptions } from '../../lib/core/http/client.ts';
import { HttpFailure } from '../../lib/core/http/failure.ts';
import { undiciExchange } from './undici-exchange.ts';

/** Connecting may take so long, in milliseconds; a request that never got a connection was certainly not sent. */
const connectTime = 4_000;
const strictPolicy: AddressPolicy = {};

/**
 * Whole requests over undici, which costs half of Node's own client for each. On AWS that is outweighed by what it costs to load;
 * on one machine nothing starts cold. Streams in either direction go through `base`.
 */
export function undiciClient(base: HttpClient): HttpClient & { close(): Promise<void> } {
  const pools = new Map<string, Pool>();

  function poolFor(url: URL, address: 'any' | AddressPolicy): Pool {
    const rule = address === 'any' ? 'any' : `${address.allowHttp === true} ${address.allowPrivateNetwork === true}`;
    const key = `${url.origin} ${rule}`;
    const known = pools.get(key);
    if (known && url.username === '' && url.password === '') return known;
    const problem = address === 'any' ? undefined : checkUrl(url, address);
    if (problem !== undefined) throw new HttpFailure('refused-address', false, problem);
    if (known) return known;
    const lookup = address === 'any' ? {} : { lookup: pinnedLookup(address) };
    const pool = new Pool(url.origin, {
      connections: 128,
      keepAliveTimeout: 4_000,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: connectTime, ...lookup },
    });
    pools.set(key, pool);
    return pool;
  }

  async function request(options: HttpRequestOptions): Promise<HttpAnswer> {
    const url = typeof options.url === 'string' ? URL.parse(options.url) : options.url;
    if (url === null) throw new HttpFailure('refused-address', false, 'this is not a complete URL');
    return undiciExchange(poolFor(url, options.address ?? strictPolicy), url, options);
  }

  return {
    request: (options) => {
      const { body } = options;
      const plain = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
      return plain ? request(options) : base.request(options);
    },
    stream: (options) => base.stream(options),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}
