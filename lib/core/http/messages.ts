import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { AddressPolicy } from './address-policy.ts';

/** One outgoing request. The client itself sets `Host`, `Connection` and, where the length is known, `Content-Length`. */
export interface HttpRequestOptions {
  method: string;
  url: string | URL;
  headers?: Readonly<Record<string, string | readonly string[]>>;
  body?: string | Uint8Array | Readable;
  signal?: AbortSignal;
  /** For everything together: waiting, connecting, headers and body, in milliseconds. */
  timeoutMs: number;
  /** The largest response body that is accepted, 10 MB if absent. Applies before and after decompression. */
  maxBytes?: number;
  /** The allowed addresses. Absent allows only public addresses over https; `any` checks nothing. */
  address?: 'any' | AddressPolicy;
}

/** A complete response with any status, including redirects. */
export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names; `set-cookie` is a list, other repeated headers are joined. */
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The body as UTF-8, without a byte order mark. */
  text(): string;
}

/** A response whose body is not read yet. Reading fails with `HttpFailure` if the body is cut off, too long or too late. */
export interface HttpStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
}
