import { Pool } from 'undici';
import { type AddressPolicy, checkUrl, pinnedLookup, RefusedAddress } from '../lib/core/address-policy.ts';
import type { HttpAnswer, HttpClient, HttpRequestOptions } from '../lib/core/http.ts';
import { HttpFailure, type HttpFailureKind } from '../lib/core/http-failure.ts';

/** Connecting may take so long, in milliseconds; a request that never got a connection was certainly not sent. */
const connectTime = 4_000;
const defaultMaxBytes = 10_000_000;
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
    const pool = poolFor(url, options.address ?? strictPolicy);
    const ending = new AbortController();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      ending.abort();
    }, options.timeoutMs);
    const abort = () => ending.abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    let answered = false;
    try {
      if (options.signal?.aborted) throw new HttpFailure('aborted', false, 'was given up before it was sent');
      const { statusCode, headers, body } = await pool.request({
        method: options.method as 'GET',
        path: url.pathname + url.search,
        headers: (options.headers ?? {}) as Record<string, string | string[]>,
        body: (options.body ?? null) as string | Uint8Array | null,
        signal: ending.signal,
      });
      answered = true;
      const bytes = await wholeBody(body, options.maxBytes ?? defaultMaxBytes, url.origin);
      return { status: statusCode, headers, bytes, text: () => bytes.toString('utf8').replace(/^\uFEFF/, '') };
    } catch (error) {
      if (error instanceof HttpFailure) throw error;
      throw failureOf(error, url.origin, { late, aborted: options.signal?.aborted ?? false, answered });
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
    }
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

async function wholeBody(body: AsyncIterable<Buffer>, maxBytes: number, origin: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new HttpFailure('too-large', true, `${origin} answers with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}

const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
]);

/** What is not certain to have been kept back counts as sent. */
function failureOf(
  error: unknown,
  origin: string,
  how: { late: boolean; aborted: boolean; answered: boolean },
): HttpFailure {
  const cause = error instanceof Error ? error : new Error(String(error));
  const code = String((cause as NodeJS.ErrnoException).code ?? '');
  const fail = (kind: HttpFailureKind, sent: boolean, message: string) =>
    new HttpFailure(kind, sent, `${origin} ${message}`, { cause });
  if (cause instanceof RefusedAddress) return fail('refused-address', false, cause.message);
  if (how.late) return fail('timeout', true, 'did not answer in time');
  if (how.aborted) return fail('aborted', true, 'was given up');
  if (neverConnected.has(code)) return fail('not-connected', false, `could not be connected (${code})`);
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code))
    return fail('tls', false, `has no valid certificate (${code})`);
  if (how.answered) return fail('cut-body', true, 'broke off in the middle of the answer');
  return fail('reset', true, `closed the connection (${code || cause.message})`);
}
