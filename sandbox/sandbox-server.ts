import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createFaultQueue, type Fault, misbehave } from './faults.ts';
import { type SandboxReply, sendReply } from './sandbox-reply.ts';
import { openStateFile } from './state-file.ts';

export type { Fault } from './faults.ts';
export type { SandboxReply } from './sandbox-reply.ts';

/** The options of every stand-in vendor. Times are epoch milliseconds. */
export interface SandboxOptions {
  /** 0 or absent: any free port of 127.0.0.1. */
  port?: number;
  /** The vendor's clock, which its Date header shows too; a test may pass its own. `advance` adds to it. */
  now?: () => number;
  /** Where the state is kept between starts; absent: in memory only. */
  stateFile?: string;
  /** Decides about faults with a probability; Math.random by default. */
  random?: () => number;
  /** The bearer token for the controls below `/__sandbox/`; absent: every program on this machine may use them. */
  controlKey?: string;
  /** Called with a description of what a person near the vendor would notice: a siren, a chat line, a new row. */
  onEffect?: (effect: string) => void;
}

/** One request as a vendor sees it. `body` reads the whole body; `raw` is for bodies that must be streamed. */
export interface SandboxRequest {
  method: string;
  /** Path without the query, still percent-encoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  raw: IncomingMessage;
  body(): Promise<Buffer>;
}

/** One recorded request, newest last. At most 20,000 are kept. */
export interface JournalEntry {
  at: number;
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** First 64 kB as text; empty for streamed bodies. */
  body: string;
  /** 0 when the connection was cut instead of answered. */
  status: number;
  refusal?: string;
  /** The fault that hit it. */
  fault?: Fault['kind'];
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
  /** Reports what a person near the vendor would notice to `onEffect`. */
  effect(text: string): void;
  /** Clears journal, counts and faults, but not the vendor's state. */
  reset(): void;
  /** Writes the state file now, after a change that no request over HTTP made. */
  save(): void;
  close(): Promise<void>;
}

/**
 * A vendor's own control, answering at `/__sandbox/` beside the shared ones, keyed `METHOD name`. `input` is the query
 * and the JSON body in one object. Its result is sent as JSON, or as 204 if there is none; an error is sent as 400.
 */
export type SandboxControls<State> = Record<
  string,
  (input: Record<string, unknown>, sandbox: Sandbox<State>) => unknown
>;

const journalLimit = 20_000;

/**
 * Starts a stand-in vendor on loopback: `handle` is the vendor, `controls` its own handles for tests; the rest (faults,
 * journal, clock, state file) is shared.
 */
export async function startSandbox<State extends object>(
  options: SandboxOptions,
  initial: () => State,
  handle: (request: SandboxRequest, sandbox: Sandbox<State>) => Promise<SandboxReply> | SandboxReply,
  controls: SandboxControls<State> = {},
): Promise<Sandbox<State>> {
  let offset = 0;
  let counts: Record<string, number> = {};
  const faults = createFaultQueue(options.random ?? Math.random);
  const file = openStateFile<State>(options.stateFile);
  const sockets = new Set<Socket>();
  const clock = options.now ?? Date.now;

  const sandbox: Sandbox<State> = {
    url: '',
    port: 0,
    server: createServer((request, response) => void serve(request, response)),
    state: file.load() ?? initial(),
    journal: [],
    now: () => clock() + offset,
    advance: (ms) => {
      offset += ms;
    },
    fault: faults.add,
    clearFaults: faults.clear,
    counts: () => ({ ...counts }),
    effect: (text) => options.onEffect?.(text),
    reset: () => {
      sandbox.journal.length = 0;
      counts = {};
      faults.clear();
    },
    save: () => file.save(sandbox.state),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => sandbox.server.close(() => resolve()));
      file.close();
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
    const target = raw.url ?? '/';
    // Split here because the URL class throws on `//` and rewrites dots, and a strict vendor must see what was sent.
    const mark = target.indexOf('?');
    let read: Promise<Buffer> | undefined;
    const request: SandboxRequest = {
      method: raw.method ?? 'GET',
      path: mark < 0 ? target : target.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
      headers: raw.headers,
      raw,
      body: () => {
        read ??= buffer(raw);
        return read;
      },
    };
    if (isForeign(raw))
      return sendReply(response, { status: 403, body: { message: 'Only programs on this machine.' } });
    if (request.path.startsWith('/__sandbox/')) return sendReply(response, await control(request));

    response.setHeader('date', new Date(sandbox.now()).toUTCString());
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

    const fault = faults.take(request.method, target);
    if (fault) entry.fault = fault.kind;
    try {
      if (fault && fault.when !== 'after' && (await isAnswered(fault))) return;
      const reply = await handle(request, sandbox);
      if (read) entry.body = (await read).subarray(0, 65_536).toString('utf8');
      entry.status = reply.status;
      if (reply.refusal !== undefined) entry.refusal = reply.refusal;
      if (reply.save === 'later') file.saveLater(sandbox.state);
      else file.save(sandbox.state);
      if (fault?.when === 'after' && (await isAnswered(fault))) return;
      await sendReply(response, reply, fault);
    } catch (error) {
      // A caller that disconnects in the middle of its body is not a bug of the sandbox.
      if (raw.destroyed && !raw.complete) return;
      entry.status = 500;
      entry.refusal = `sandbox: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
      if (!response.headersSent) response.writeHead(500).end(entry.refusal);
      else response.destroy();
    }

    /** Applies the fault; true if that sent the answer. */
    async function isAnswered(given: Fault): Promise<boolean> {
      const decided = await misbehave(given, response);
      entry.status = decided ?? entry.status;
      return decided !== undefined;
    }
  }

  async function control(request: SandboxRequest): Promise<SandboxReply> {
    if (options.controlKey !== undefined && request.headers.authorization !== `Bearer ${options.controlKey}`)
      return { status: 401, body: { message: 'The controls need their key.' } };
    const key = `${request.method} ${request.path.slice('/__sandbox/'.length)}`;
    const own = Object.hasOwn(controls, key) ? controls[key] : undefined;
    const called = own ?? (Object.hasOwn(sharedControls, key) ? sharedControls[key] : undefined);
    if (!called) return { status: 404, body: { message: 'No such control' } };
    try {
      const text = (await request.body()).toString('utf8');
      const input = { ...Object.fromEntries(request.query), ...(text === '' ? {} : JSON.parse(text)) };
      const body = await called(input, sandbox as Sandbox<never>);
      if (own) file.save(sandbox.state);
      return body === undefined ? { status: 204 } : { status: 200, body: Buffer.from(JSON.stringify(body)), headers };
    } catch (error) {
      return { status: 400, body: { message: error instanceof Error ? error.message : String(error) } };
    }
  }
}

/** Whether a web page, or a name that was made to resolve to this machine, is behind a request. */
export function isForeign({ headers }: IncomingMessage): boolean {
  return headers.origin !== undefined || !/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '');
}

const headers = { 'content-type': 'application/json;charset=utf-8' };

const sharedControls: SandboxControls<never> = {
  'GET journal': (_input, sandbox) => sandbox.journal,
  'GET counts': (_input, sandbox) => sandbox.counts(),
  'GET state': (_input, sandbox) => sandbox.state,
  'POST faults': (input, sandbox) => sandbox.fault(input as unknown as Fault),
  'DELETE faults': (_input, sandbox) => sandbox.clearFaults(),
  'POST clock': (input, sandbox) => {
    if (!Number.isFinite(Number(input.advance))) throw new TypeError('advance must be a number of milliseconds');
    sandbox.advance(Number(input.advance));
  },
  'POST reset': (_input, sandbox) => sandbox.reset(),
};
