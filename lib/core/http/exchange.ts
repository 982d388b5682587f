import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { RefusedAddress } from './address-policy.ts';
import { cut, defaultMaxBytes, type Receive } from './answer.ts';
import { ConnectFailure, type ConnectionPool, wasSent } from './connection-pool.ts';
import { HttpFailure, type HttpFailureKind } from './failure.ts';
import type { HttpRequestOptions } from './messages.ts';

/** The longest timer that Node supports, in milliseconds; it turns longer ones into one millisecond. */
const maxTimerMs = 2 ** 31 - 1;

/** Makes one request over a pool, within its deadline. */
export function exchange<Result>(
  pool: ConnectionPool,
  url: URL,
  wanted: HttpRequestOptions,
  receive: Receive<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const { body, signal } = wanted;
    const failure = (kind: HttpFailureKind, sent: boolean, message: string, cause: unknown) =>
      new HttpFailure(kind, sent, `${wanted.method} ${url.origin} ${message}`, { cause });
    if (signal?.aborted) {
      reject(failure('aborted', false, 'was stopped before it began', signal.reason));
      return;
    }
    const request = httpRequest({
      agent: pool.agent,
      protocol: pool.protocol,
      host: url.hostname,
      method: wanted.method,
      path: url.pathname + url.search,
      headers: headerList(url, wanted),
    });
    let report: (failure: HttpFailure) => void = reject;
    let done = false;
    let answered = false;

    function complete(): void {
      done = true;
      clearTimeout(deadline);
      signal?.removeEventListener('abort', abort);
      if (body instanceof Readable && !request.writableEnded) stopSending(body);
    }

    function stopSending(source: Readable): void {
      source.unpipe(request);
      source.destroy();
      request.destroy();
    }

    function fail(kind: HttpFailureKind, message: string, cause?: unknown): void {
      if (done) return;
      const sent = wasSent(request);
      complete();
      pool.abandon(request);
      request.destroy();
      report(failure(kind, sent, message, cause));
    }

    function abort(): void {
      fail('aborted', 'was stopped', signal?.reason);
    }

    const deadline = setTimeout(
      () => fail('timeout', `took longer than ${wanted.timeoutMs} ms`),
      Math.min(wanted.timeoutMs, maxTimerMs),
    );
    signal?.addEventListener('abort', abort, { once: true });
    request.on('error', (error) => {
      const { kind, message } = answered ? cut : explain(error, url);
      fail(kind, message, error);
    });
    request.on('close', () => {
      if (!answered) fail('reset', 'ended without an answer');
    });
    request.on('response', (response: IncomingMessage) => {
      answered = true;
      const announced = response.headers['keep-alive'];
      if (typeof announced === 'string') pool.noteKeepAlive(request, announced);
      response.on('error', (error) => fail(cut.kind, cut.message, error));
      const maxBytes = wanted.maxBytes ?? defaultMaxBytes;
      if (wanted.method !== 'HEAD' && Number(response.headers['content-length']) > maxBytes) {
        fail('too-large', `answers with more than ${maxBytes} bytes`);
        return;
      }
      receive({ response, maxBytes, resolve, fail, complete, reportTo: (next) => (report = next) });
    });
    if (body instanceof Readable) send(body, request, fail);
    else request.end(body);
  });
}

/** Header names and values as one flat list, which costs `ClientRequest` a fifth less work than an object. */
function headerList(url: URL, { method, headers = {}, body }: HttpRequestOptions): string[] {
  const list = ['Host', url.host, 'Connection', 'keep-alive'];
  const streamed = body instanceof Readable;
  let measured = false;
  for (const name in headers) {
    const value = headers[name];
    const lower = name.toLowerCase();
    if (value === undefined || lower === 'host' || lower === 'connection' || lower === 'transfer-encoding') continue;
    if (lower === 'content-length') {
      if (!streamed) continue;
      measured = true;
    }
    if (typeof value === 'string') list.push(name, value);
    else for (const one of value) list.push(name, one);
  }
  if (streamed) {
    if (!measured) list.push('Transfer-Encoding', 'chunked');
  } else if (body !== undefined) {
    list.push('Content-Length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.length));
  } else if (method === 'POST' || method === 'PUT' || method === 'PATCH') {
    list.push('Content-Length', '0');
  }
  return list;
}

function send(
  body: Readable,
  request: ClientRequest,
  fail: (kind: HttpFailureKind, message: string, cause: unknown) => void,
): void {
  body.on('error', (error) => fail('aborted', 'was given a body that could not be read', error));
  body.on('close', () => {
    if (!body.readableEnded) fail('aborted', 'was given a body that ended too early', body.errored);
  });
  if (body.destroyed) fail('aborted', 'was given a body that was already read', body.errored);
  else body.pipe(request);
}

/** Certificates that nobody whom this process trusts has signed. */
const unknownAuthority =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/;

function explain(error: unknown, url: URL): { kind: HttpFailureKind; message: string } {
  const code = codeOf(error);
  if (error instanceof ConnectFailure) {
    if (error.cause instanceof RefusedAddress) return { kind: 'refused-address', message: error.cause.message };
    if (error.phase === 'tls') {
      return { kind: 'tls', message: `could not agree on a safe connection: ${error.message}${tlsHint(error.cause)}` };
    }
    return { kind: 'not-connected', message: `could not connect (${codeOf(error.cause) ?? error.message})` };
  }
  if (code === 'HPE_HEADER_OVERFLOW') return { kind: 'too-large', message: 'answers with too long headers' };
  if (code?.startsWith('HPE_')) return { kind: 'cut-body', message: `answers with something else than HTTP (${code})` };
  const hint = url.protocol === 'http:' ? '; if the server speaks TLS at this port, the address begins with https' : '';
  return { kind: 'reset', message: `lost its connection before the answer (${code ?? 'closed'})${hint}` };
}

function tlsHint(cause: unknown): string {
  const code = codeOf(cause) ?? '';
  if (unknownAuthority.test(code)) return '; add the authority that signed its certificate with NODE_EXTRA_CA_CERTS';
  return code === 'EPROTO' || code.includes('WRONG_VERSION') ? '; the server may not speak TLS at this port' : '';
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
