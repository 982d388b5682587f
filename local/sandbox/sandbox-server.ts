import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What every stand-in vendor is started with. Times are epoch milliseconds. */
export interface SandboxOptions {
  /** 0 or absent takes any free port of 127.0.0.1. */
  port?: number;
  /** The vendor's clock; a test may hand in its own. `advance` is added on top of it. */
  now?: () => number;
  /** Where the state is kept between starts; absent keeps it in memory. */
  stateFile?: string;
}

/** One request as a vendor sees it. `body` reads the whole of it; `raw` is there for what must be streamed. */
export interface SandboxRequest {
  method: string;
  /** Path without the query, still percent-encoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  raw: IncomingMessage;
  body(): Promise<Buffer>;
}

/** What a vendor answers. A plain object is sent as JSON; `write` takes over the response for streams. */
export interface SandboxReply {
  status: number;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer | object | null;
  write?: (response: ServerResponse) => Promise<void> | void;
  /** Why a strict check refused the request; recorded in the journal, never sent. */
  refusal?: string;
}

/**
 * A way for the vendor to misbehave. `before` faults never reach the vendor's code; `after` faults let it act first, so that
 * the work is done and the answer lost.
 */
export interface Fault {
  kind: 'latency' | 'reset' | 'status' | 'html' | 'truncate' | 'slow-body' | 'garbage';
  when?: 'before' | 'after';
  method?: string;
  /** Regular expression source, tried against path and query. */
  path?: string;
  status?: number;
  body?: string;
  headers?: Record<string, string>;
  /** Milliseconds, for `latency` and `slow-body`. */
  ms?: number;
  /** How many requests it hits; absent is every one until `clearFaults`. */
  times?: number;
  /** 0 to 1; absent is always. */
  probability?: number;
}

/** One request as it was seen, newest last. At most 20,000 are kept. */
export interface JournalEntry {
  at: number;
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** First 64 kB as text; empty for streamed bodies. */
  body: string;
  status: number;
  refusal?: string;
}

/** A running stand-in vendor. The same controls answer over HTTP below `/__sandbox/` for callers in other processes. */
export interface Sandbox<State> {
  url: string;
  port: number;
  server: Server;
  state: State;
  journal: JournalEntry[];
  now(): number;
  /** Moves the vendor's clock forward, in milliseconds. */
  advance(ms: number): void;
  fault(fault: Fault): void;
  clearFaults(): void;
  /** Requests seen since the start or the last `reset`, keyed `METHOD /path`. */
  counts(): Record<string, number>;
  /** Forgets journal, counts and faults, not the vendor's state. */
  reset(): void;
  close(): Promise<void>;
}

const journalLimit = 20_000;

/** Starts a stand-in vendor on loopback: `handle` is the vendor, the rest (faults, journal, clock, state file) is shared. */
export async function startSandbox<State extends object>(
  options: SandboxOptions,
  initial: () => State,
  handle: (request: SandboxRequest, sandbox: Sandbox<State>) => Promise<SandboxReply> | SandboxReply,
): Promise<Sandbox<State>> {
  let offset = 0;
  let faults: Fault[] = [];
  let counts: Record<string, number> = {};
  let saved = '';
  const sockets = new Set<Socket>();
  const clock = options.now ?? Date.now;

  const sandbox: Sandbox<State> = {
    url: '',
    port: 0,
    server: createServer((request, response) => void serve(request, response)),
    state: load(options.stateFile) ?? initial(),
    journal: [],
    now: () => clock() + offset,
    advance: (ms) => {
      offset += ms;
    },
    fault: (fault) => {
      faults.push({ ...fault });
    },
    clearFaults: () => {
      faults = [];
    },
    counts: () => ({ ...counts }),
    reset: () => {
      sandbox.journal.length = 0;
      counts = {};
      faults = [];
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => sandbox.server.close(() => resolve()));
    },
  };
  sandbox.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  sandbox.server.keepAliveTimeout = 60_000;

  await new Promise<void>((resolve, reject) => {
    sandbox.server.once('error', reject);
    sandbox.server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  sandbox.port = (sandbox.server.address() as AddressInfo).port;
  sandbox.url = `http://127.0.0.1:${sandbox.port}`;
  return sandbox;

  async function serve(raw: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(raw.url ?? '/', 'http://sandbox');
    let read: Promise<Buffer> | undefined;
    const request: SandboxRequest = {
      method: raw.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: raw.headers,
      raw,
      body: () => {
        read ??= collect(raw);
        return read;
      },
    };
    if (request.path.startsWith('/__sandbox/')) return answer(response, await control(request));

    const key = `${request.method} ${request.path}`;
    counts[key] = (counts[key] ?? 0) + 1;
    const entry: JournalEntry = {
      at: sandbox.now(),
      method: request.method,
      path: request.path,
      query: Object.fromEntries(request.query),
      headers: Object.fromEntries(Object.entries(raw.headers).map(([name, value]) => [name, String(value)])),
      body: '',
      status: 0,
    };
    sandbox.journal.push(entry);
    if (sandbox.journal.length > journalLimit) sandbox.journal.splice(0, journalLimit / 10);

    const fault = takeFault(request.method, raw.url ?? '/');
    try {
      if (fault && (fault.when ?? 'before') === 'before') {
        const decided = await misbehave(fault, response);
        if (decided) {
          entry.status = response.statusCode;
          return;
        }
      }
      const reply = await handle(request, sandbox);
      if (read) entry.body = (await read).subarray(0, 65_536).toString('utf8');
      entry.status = reply.status;
      if (reply.refusal !== undefined) entry.refusal = reply.refusal;
      save();
      if (fault?.when === 'after' && (await misbehave(fault, response))) return;
      await answer(response, reply, fault);
    } catch (error) {
      entry.status = 500;
      entry.refusal = `sandbox: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
      if (!response.headersSent) response.writeHead(500).end(entry.refusal);
      else response.destroy();
    }
  }

  async function control(request: SandboxRequest): Promise<SandboxReply> {
    const text = (await request.body()).toString('utf8');
    const input = text === '' ? {} : JSON.parse(text);
    switch (`${request.method} ${request.path.slice('/__sandbox/'.length)}`) {
      case 'GET journal':
        return { status: 200, body: sandbox.journal };
      case 'GET counts':
        return { status: 200, body: counts };
      case 'GET state':
        return { status: 200, body: sandbox.state };
      case 'POST faults':
        sandbox.fault(input as Fault);
        return { status: 204 };
      case 'DELETE faults':
        sandbox.clearFaults();
        return { status: 204 };
      case 'POST clock':
        sandbox.advance(Number(input.advance));
        return { status: 204 };
      case 'POST reset':
        sandbox.reset();
        return { status: 204 };
      default:
        return { status: 404, body: { message: 'No such control' } };
    }
  }

  function takeFault(method: string, target: string): Fault | undefined {
    const at = faults.findIndex(
      (fault) =>
        (fault.method === undefined || fault.method === method) &&
        (fault.path === undefined || new RegExp(fault.path).test(target)) &&
        (fault.probability === undefined || Math.random() < fault.probability),
    );
    const fault = faults[at];
    if (fault?.times !== undefined && --fault.times <= 0) faults.splice(at, 1);
    return fault;
  }

  /** Answers true when the fault decided the answer. */
  async function misbehave(fault: Fault, response: ServerResponse): Promise<boolean> {
    switch (fault.kind) {
      case 'latency':
        await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 1000));
        return false;
      case 'reset':
        response.socket?.resetAndDestroy();
        return true;
      case 'status':
        response.writeHead(fault.status ?? 500, { 'content-type': 'application/json', ...fault.headers });
        response.end(fault.body ?? '');
        return true;
      case 'html':
        response.writeHead(fault.status ?? 500, { 'content-type': 'text/html;charset=utf-8', ...fault.headers });
        response.end(
          fault.body ??
            '<html><head><title>Apache Tomcat - Error report</title></head><body><h1>HTTP Status 500</h1></body></html>',
        );
        return true;
      case 'garbage':
        response.writeHead(fault.status ?? 200, { 'content-type': 'application/json', ...fault.headers });
        response.end(fault.body ?? '\u0000\u0001{"code":');
        return true;
      default:
        return false;
    }
  }

  async function answer(response: ServerResponse, reply: SandboxReply, fault?: Fault): Promise<void> {
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
      for (let at = 0; at < body.length && !response.destroyed; at += step) {
        response.write(body.subarray(at, at + step));
        await new Promise((resolve) => setTimeout(resolve, (fault.ms ?? 1000) / 10));
      }
      response.end();
      return;
    }
    if (reply.status === 204 || reply.status === 304) response.writeHead(reply.status, headers).end();
    else response.writeHead(reply.status, { ...headers, 'content-length': String(body.length) }).end(body);
  }

  function save(): void {
    if (options.stateFile === undefined) return;
    const text = JSON.stringify(sandbox.state);
    if (text === saved) return;
    saved = text;
    writeFileSync(`${options.stateFile}.new`, text);
    renameSync(`${options.stateFile}.new`, options.stateFile);
  }

  function load(file: string | undefined): State | undefined {
    if (file === undefined) return undefined;
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as State;
    } catch {
      return undefined;
    }
  }
}

async function collect(raw: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of raw) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
