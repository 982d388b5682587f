import type { Dispatcher, Pool } from 'undici';
import { RefusedAddress } from '../../lib/core/http/address-policy.ts';
import { decoded, defaultMaxBytes, WholeAnswer } from '../../lib/core/http/answer.ts';
import type { HttpAnswer, HttpRequestOptions } from '../../lib/core/http/client.ts';
import { HttpFailure, type HttpFailureKind } from '../../lib/core/http/failure.ts';
import { together } from './together.ts';

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/**
 * One whole request over an undici pool, below its streams and abort signals, which cost more than the rest of a call:
 * resolves with the whole answer, or rejects with an `HttpFailure`.
 */
export function undiciExchange(pool: Pool, url: URL, wanted: HttpRequestOptions): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => new Exchange(pool, url, wanted, resolve, reject));
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #origin: string;
  readonly #wanted: HttpRequestOptions;
  readonly #resolve: (answer: HttpAnswer | Promise<HttpAnswer>) => void;
  readonly #reject: (failure: HttpFailure) => void;
  readonly #maxBytes: number;
  readonly #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  /** Set once it has come to an end for the caller; a request that is then still queued never leaves. */
  #over = false;
  #status = 0;
  #headers: Headers = {};
  #size = 0;
  #first: Buffer | undefined;
  #chunks: Buffer[] | undefined;

  constructor(
    pool: Pool,
    url: URL,
    wanted: HttpRequestOptions,
    resolve: (answer: HttpAnswer | Promise<HttpAnswer>) => void,
    reject: (failure: HttpFailure) => void,
  ) {
    this.#origin = url.origin;
    this.#wanted = wanted;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#maxBytes = wanted.maxBytes ?? defaultMaxBytes;
    const { signal } = wanted;
    if (signal?.aborted) {
      this.#fail('aborted', 'was given up before it was sent', signal.reason);
      return;
    }
    this.#deadline = setTimeout(overdue, wanted.timeoutMs, this);
    signal?.addEventListener('abort', this);
    pool.dispatch(
      {
        method: wanted.method as Dispatcher.HttpMethod,
        path: url.pathname + url.search,
        // undici reads them and changes nothing.
        headers: wanted.headers as Record<string, string | string[]>,
        body: (wanted.body ?? null) as string | Uint8Array | null,
      },
      this,
    );
  }

  /** The caller's signal. */
  handleEvent(): void {
    this.#fail('aborted', 'was given up', this.#wanted.signal?.reason);
  }

  overdue(): void {
    this.#fail('timeout', `took longer than ${this.#wanted.timeoutMs} ms`, undefined);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Called once a connection is there, right before the first byte.
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('given up'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    this.#status = status;
    this.#headers = headers;
    if (this.#wanted.method !== 'HEAD' && Number(headers['content-length']) > this.#maxBytes) this.#tooLarge();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#maxBytes) this.#tooLarge();
    else if (this.#first === undefined) this.#first = chunk;
    else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#end();
    const bytes = this.#chunks ? Buffer.concat(this.#chunks, this.#size) : (this.#first ?? Buffer.alloc(0));
    const answer = new WholeAnswer(this.#status, joined(this.#headers), bytes);
    const plain = answer.headers['content-encoding'] === undefined;
    together(() => this.#resolve(plain ? answer : decoded(answer, this.#wanted)));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { kind, message } = explain(error, this.#controller !== undefined, this.#status !== 0);
    this.#fail(kind, message, error);
  }

  #tooLarge(): void {
    this.#fail('too-large', `answers with more than ${this.#maxBytes} bytes`, undefined);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#wanted.signal?.removeEventListener('abort', this);
  }

  #fail(kind: HttpFailureKind, message: string, cause: unknown): void {
    if (this.#over) return;
    this.#end();
    const sent = this.#controller !== undefined;
    this.#reject(new HttpFailure(kind, sent, `${this.#wanted.method} ${this.#origin} ${message}`, { cause }));
    this.#controller?.abort(new Error('given up'));
  }
}

function overdue(exchange: Exchange): void {
  exchange.overdue();
}

/** undici gives every repeated header as a list. */
function joined(headers: Headers): Headers {
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value) && name !== 'set-cookie') headers[name] = value.join(', ');
  }
  const cookies = headers['set-cookie'];
  if (typeof cookies === 'string') headers['set-cookie'] = [cookies];
  return headers;
}

function explain(error: Error, connected: boolean, answered: boolean): { kind: HttpFailureKind; message: string } {
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (error instanceof RefusedAddress) return { kind: 'refused-address', message: error.message };
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code))
    return { kind: 'tls', message: `has no valid certificate (${code})` };
  if (!connected) return { kind: 'not-connected', message: `could not be connected (${code || error.message})` };
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return { kind: 'too-large', message: 'answers with too long headers' };
  if (code.startsWith('HPE_')) return { kind: 'cut-body', message: `answers with something else than HTTP (${code})` };
  if (answered) return { kind: 'cut-body', message: 'broke off in the middle of the answer' };
  return { kind: 'reset', message: `closed the connection (${code || error.message})` };
}
