import type { ServerResponse } from 'node:http';
import type { Fault } from './faults.ts';

/** What a vendor answers. A plain object is sent as JSON; `write` takes over the response for streams. */
export interface SandboxReply {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer | object | null;
  write?: (response: ServerResponse) => Promise<void> | void;
  /** Why a strict check refused the request; recorded in the journal, never sent. */
  refusal?: string;
  /**
   * When the state file is written: absent means before the answer is sent, `later` within a second. `later` is for frequent
   * requests that change nothing that a restart must remember.
   */
  save?: 'later';
}

/** Sends the vendor's response, cut or slowed if a `truncate` or `slow-body` fault applies to the request. */
export async function sendReply(response: ServerResponse, reply: SandboxReply, fault?: Fault): Promise<void> {
  if (reply.write) return reply.write(response);
  const { status, body: given } = reply;
  const json = given !== null && typeof given === 'object' && !Buffer.isBuffer(given);
  // Text is sent as a string: Node then writes head and body in one piece, but a Buffer in two.
  const body = json ? JSON.stringify(given) : ((given as string | Buffer | null | undefined) ?? '');
  const headers = { ...(json ? { 'content-type': 'application/json;charset=utf-8' } : {}), ...reply.headers };
  if (fault?.kind === 'truncate') return truncate(response, status, headers, Buffer.from(body));
  if (fault?.kind === 'slow-body') return slow(response, status, headers, Buffer.from(body), fault.ms ?? 1000);
  if (status === 204 || status === 304) response.writeHead(status, headers).end();
  else response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) }).end(body);
}

type Headers = NonNullable<SandboxReply['headers']>;

function truncate(response: ServerResponse, status: number, headers: Headers, body: Buffer): void {
  response.writeHead(status, { ...headers, 'content-length': String(body.length + 10) });
  response.write(body.subarray(0, Math.floor(body.length / 2)));
  setTimeout(() => response.destroy(), 20);
}

async function slow(
  response: ServerResponse,
  status: number,
  headers: Headers,
  body: Buffer,
  ms: number,
): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': String(body.length) });
  const step = Math.max(1, Math.ceil(body.length / 10));
  const pause = ms / Math.ceil(body.length / step);
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    response.write(body.subarray(at, at + step));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  response.end();
}
