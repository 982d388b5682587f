import { setImmediate as afterReading } from 'node:timers';
import type { ConnectionOptions } from 'node:tls';
import { type AddressPolicy, checkUrl, pinnedLookup, type Resolve } from './address-policy.ts';
import { decoded, type Receive, receiveStream, receiveWhole } from './answer.ts';
import { ConnectionPool } from './connection-pool.ts';
import { exchange } from './exchange.ts';
import { HttpFailure } from './failure.ts';
import type { HttpAnswer, HttpRequestOptions, HttpStream } from './messages.ts';

export { HttpFailure } from './failure.ts';
export type { HttpAnswer, HttpRequestOptions, HttpStream } from './messages.ts';

/** Makes outgoing requests. Every failure is an `HttpFailure`; a status is never one, and no redirect is followed. */
export interface HttpClient {
  request(options: HttpRequestOptions): Promise<HttpAnswer>;
  stream(options: HttpRequestOptions): Promise<HttpStream>;
}

/** Settings of a client; all have defaults that suit production. */
export interface HttpClientOptions {
  resolve?: Resolve;
  /** Certificates to trust instead of the system's. */
  ca?: ConnectionOptions['ca'];
  /** Connections to one origin, 128 when absent. */
  maxSockets?: number;
  /** Milliseconds that an unused connection is kept, 15,000 when absent. */
  idleMs?: number;
}

const strictPolicy: AddressPolicy = {};
const maxPools = 500;

/** A client on Node's own HTTP, with one pool of connections per origin and address policy. `close` fails what is in flight. */
export function httpClient(options: HttpClientOptions = {}): HttpClient & { close(): void } {
  const pools = new Map<string, ConnectionPool>();

  function poolFor(url: URL, address: 'any' | AddressPolicy): ConnectionPool {
    const rule = address === 'any' ? 'any' : `${address.allowHttp === true} ${address.allowPrivateNetwork === true}`;
    const key = `${url.protocol}${url.host} ${rule}`;
    const known = pools.get(key);
    // The policy has allowed the origin of a known pool. URLs of one origin can differ only in their credentials.
    if (known !== undefined && url.username === '' && url.password === '') return known;
    if (address !== 'any') refuseIf(checkUrl(url, address));
    else if (!/^https?:$/.test(url.protocol)) refuseIf(`${url.protocol} is not a protocol that can be called`);
    if (known !== undefined) return known;
    if (pools.size >= maxPools) forgetUnused(pools);
    const pool = new ConnectionPool(target(url, address));
    pools.set(key, pool);
    return pool;
  }

  function target(url: URL, address: 'any' | AddressPolicy) {
    const secure = url.protocol === 'https:';
    const policy = address === 'any' ? undefined : address;
    return {
      secure,
      host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
      port: Number(url.port) || (secure ? 443 : 80),
      maxSockets: options.maxSockets ?? 128,
      idleMs: options.idleMs ?? 15_000,
      lookup: pinnedLookup(policy, options.resolve),
      ...(options.ca && { ca: options.ca }),
    };
  }

  async function begin<Result>(wanted: HttpRequestOptions, receive: Receive<Result>): Promise<Result> {
    const url = typeof wanted.url === 'string' ? URL.parse(wanted.url) : wanted.url;
    if (url === null) throw new HttpFailure('refused-address', false, 'this is not a complete URL');
    const pool = poolFor(url, wanted.address ?? strictPolicy);
    if (pool.mayBeStale(Date.now())) await lookAtSockets();
    return exchange(pool, url, wanted, receive);
  }

  return {
    async request(wanted) {
      const answer = await begin(wanted, receiveWhole);
      return answer.headers['content-encoding'] === undefined ? answer : decoded(answer, wanted);
    },
    stream: (wanted) => begin(wanted, receiveStream),
    close() {
      for (const pool of pools.values()) pool.close();
      pools.clear();
    },
  };
}

/**
 * Lets the event loop read pending input, such as the end of a connection that was closed while this process was frozen. Waits two
 * turns, because the reading of the current one may be over.
 */
async function lookAtSockets(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => afterReading(resolve));
}

function refuseIf(problem: string | undefined): void {
  if (problem !== undefined) throw new HttpFailure('refused-address', false, problem);
}

function forgetUnused(pools: Map<string, ConnectionPool>): void {
  for (const [key, pool] of pools) if (pool.size === 0) pools.delete(key);
}
