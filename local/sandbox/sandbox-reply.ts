import type { ServerResponse } from 'node:http';
import type { Fault, SandboxReply } from './sandbox-server.ts';

/** Sends what the vendor answered, cut or slowed when a `truncate` or `slow-body` fault hits the request. */
export async function sendReply(response: ServerResponse, reply: SandboxReply, fault?: Fault): Promise<void> {
  if (reply.write) return reply.write(response);
  const json = reply.body !== null && typeof reply.body === 'object' && !Buffer.isBuffer(reply.body);
  const body = Buffer.from(json ? JSON.stringify(reply.body) : ((reply.body as string | Buffer | undefined) ?? ''));
  const headers = { ...(json ? { 'content-type': 'application/json;charset=utf-8' } : {}), ...reply.headers };
  if (fault?.kind === 'truncate') {
    response.writeHead(reply.status, { ...headers, 'content-length': String(body.length + 10) });
    response.write(body.subarray(0, Math.floor(body.length / 2)));
    setTimeout(() => response.destroy(), 20);
    return;
  }
  if (fault?.kind === 'slow-body') {
    response.writeHead(reply.status, { ...headers, 'content-length': String(body.length) });
    const step = Math.max(1, Math.ceil(body.length / 10));
    const pause = (fault.ms ?? 1000) / Math.ceil(body.length / step);
    for (let at = 0; at < body.length && !response.destroyed; at += step) {
      response.write(body.subarray(at, at + step));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    response.end();
    return;
  }
  if (reply.status === 204 || reply.status === 304) response.writeHead(reply.status, headers).end();
  else response.writeHead(reply.status, { ...headers, 'content-length': String(body.length) }).end(body);
}
