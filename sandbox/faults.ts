import type { ServerResponse } from 'node:http';

/**
 * A way for the vendor to misbehave. `before` faults never reach the vendor's code; `after` faults let it act first, so that
 * the work is done and the answer lost.
 */
export interface Fault {
  kind: 'latency' | 'reset' | 'status' | 'html' | 'truncate' | 'slow-body' | 'garbage';
  when?: 'before' | 'after';
  method?: string;
  /** Source of a regular expression that is matched against path and query. */
  path?: string;
  status?: number;
  body?: string;
  headers?: Record<string, string>;
  /** Milliseconds, for `latency` and `slow-body`. */
  ms?: number;
  /** How many requests it affects; absent means all until `clearFaults`. */
  times?: number;
  /** 0 to 1; absent means always. */
  probability?: number;
}

/** The pending faults, in the order in which they were added; the first match applies. */
export interface FaultQueue {
  /** Throws a SyntaxError when `path` is not a regular expression. */
  add(fault: Fault): void;
  clear(): void;
  /** Returns the fault that applies to this request and counts it; undefined if none does. */
  take(method: string, target: string): Fault | undefined;
}

/** Creates an empty fault queue; `random` decides about faults with a probability. */
export function createFaultQueue(random: () => number): FaultQueue {
  let waiting: { fault: Fault; path: RegExp | undefined }[] = [];
  return {
    add: (fault) => {
      waiting.push({ fault: { ...fault }, path: fault.path === undefined ? undefined : new RegExp(fault.path) });
    },
    clear: () => {
      waiting = [];
    },
    take: (method, target) => {
      if (waiting.length === 0) return undefined;
      const at = waiting.findIndex(
        ({ fault, path }) =>
          (fault.method === undefined || fault.method === method) &&
          (path === undefined || path.test(target)) &&
          (fault.probability === undefined || random() < fault.probability),
      );
      const fault = waiting[at]?.fault;
      if (fault?.times !== undefined && --fault.times <= 0) waiting.splice(at, 1);
      return fault;
    },
  };
}

/** Applies a fault. Returns the status it sent (0 for a cut connection), or undefined when the vendor still has to respond. */
export async function misbehave(fault: Fault, response: ServerResponse): Promise<number | undefined> {
  switch (fault.kind) {
    case 'latency':
      await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 1000));
      return undefined;
    case 'reset':
      response.socket?.resetAndDestroy();
      return 0;
    case 'status':
      return send(response, fault, 500, 'application/json', '');
    case 'html':
      return send(response, fault, 500, 'text/html;charset=utf-8', tomcatPage(fault.status ?? 500));
    case 'garbage':
      return send(response, fault, 200, 'application/json', '\u0000\u0001{"code":');
    default:
      return undefined;
  }
}

function send(response: ServerResponse, fault: Fault, status: number, contentType: string, body: string): number {
  response.writeHead(fault.status ?? status, { 'content-type': contentType, ...fault.headers });
  response.end(fault.body ?? body);
  return fault.status ?? status;
}

/** The error page of a Java servlet container, which some vendors send where an API would send JSON. */
export function tomcatPage(status: number, message = ''): string {
  const text = message.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return (
    '<!doctype html><html lang="en"><head><title>Apache Tomcat - Error report</title></head><body>' +
    `<h1>HTTP Status ${status}</h1><hr class="line" /><p><b>Message</b> ${text}</p><hr class="line" /></body></html>`
  );
}
