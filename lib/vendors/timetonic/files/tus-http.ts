import { Readable } from 'node:stream';
import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client';
import type { HttpAnswer } from '../../../core/http/client.ts';
import type { TimetonicCall } from '../connection.ts';

/** A chunk of a file with its length, which tus-js-client requires. */
export type SizedStream = Readable & { size: number };

/** One PATCH carries at most one chunk of the file; the call's own deadline comes first. */
const requestTimeoutMs = 14 * 60_000;

/** Makes tus-js-client send through the connection's own client, so that its address policy and its deadline apply here too. */
export function tusHttp(call: TimetonicCall, report: (error: unknown) => void): HttpStack {
  return { getName: () => 'trunkline', createRequest: (method, url) => requestOf(call, method, url, report) };
}

function requestOf(call: TimetonicCall, method: string, url: string, report: (error: unknown) => void): HttpRequest {
  const headers: Record<string, string> = {};
  const ended = new AbortController();
  return {
    getMethod: () => method,
    getURL: () => url,
    setHeader: (name, value) => {
      headers[name.toLowerCase()] = value;
    },
    getHeader: (name) => headers[name.toLowerCase()],
    setProgressHandler: () => undefined,
    getUnderlyingObject: () => undefined,
    abort: async () => ended.abort(),
    async send(body?: SizedStream) {
      try {
        const answer = await call.http.request({
          method,
          url,
          headers: { ...headers, ...(body && { 'content-length': String(body.size) }) },
          ...(body && { body }),
          timeoutMs: requestTimeoutMs,
          signal: AbortSignal.any([call.signal, ended.signal]),
        });
        return responseOf(answer);
      } catch (error) {
        report(error);
        throw error;
      } finally {
        if (body instanceof Readable) body.destroy();
      }
    },
  };
}

function responseOf(answer: HttpAnswer): HttpResponse {
  return {
    getStatus: () => answer.status,
    getHeader: (name) => {
      const value = answer.headers[name.toLowerCase()];
      return Array.isArray(value) ? value[0] : value;
    },
    getBody: () => answer.text(),
    getUnderlyingObject: () => answer,
  };
}
