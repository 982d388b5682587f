import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { HttpAnswer, HttpRequestOptions } from '../../lib/core/http/client.ts';
import type { Connection, Note, Notes, VendorCall, VendorName } from '../../lib/core/vendor.ts';

/** One request to a vendor and its answer, as a fixture has it. A body that is an object stands for its JSON. */
export interface RecordedExchange {
  request: { method: string; url: string; body?: unknown; headers?: Record<string, string> };
  response: { status: number; headers?: Record<string, string>; body?: unknown };
}

/** The connection of a vendor's fixtures, with the session that it has. */
export interface PlayedConnection {
  settings: Connection['settings'];
  credentials: object;
  session: object;
}

const at = Date.parse('2026-01-05T02:11:09Z');

/**
 * A call whose vendor is a list of recorded exchanges: a request that is not the next one of the list throws. Played leniently,
 * requests are not compared and the last answer stands for all that follow.
 */
export function playedCall(
  vendor: VendorName,
  connection: PlayedConnection,
  exchanges: readonly RecordedExchange[],
  how: 'exactly' | 'leniently' = 'exactly',
) {
  const left = [...exchanges];
  const play = async (options: HttpRequestOptions) => {
    const next = left.shift() ?? (how === 'leniently' ? exchanges.at(-1) : undefined);
    if (next && how === 'leniently') {
      await bodyOf(options.body, undefined);
      return next.response;
    }
    if (!next) throw new Error(`Not recorded: ${options.method} ${String(options.url)}`);
    const wanted = { method: next.request.method, url: next.request.url, body: next.request.body };
    const got = {
      method: options.method,
      url: String(options.url),
      body: await bodyOf(options.body, next.request.body),
    };
    if (!isDeepStrictEqual(wanted, got)) {
      throw new Error(`Recorded ${JSON.stringify(wanted)}, but sent ${JSON.stringify(got)}`);
    }
    for (const [name, value] of Object.entries(next.request.headers ?? {})) {
      const sent = Object.entries(options.headers ?? {}).find(([each]) => each.toLowerCase() === name)?.[1];
      if (sent !== value) throw new Error(`Recorded the header ${name}: ${value}, but sent ${String(sent)}`);
    }
    return next.response;
  };
  const state = { generation: 3, expiresAt: '2026-01-05T02:20:09.000Z' };
  const call: VendorCall = {
    connection: { vendor, name: 'recorded', version: 1, settings: connection.settings },
    requestId: 'recorded',
    http: {
      request: async (options) => answerOf(await play(options)),
      stream: async (options) => {
        const { status, headers, bytes } = answerOf(await play(options));
        return { status, headers, body: Readable.from([bytes]) };
      },
    },
    files: unavailable('files'),
    quota: async () => undefined,
    clock: { now: () => at, sleep: async () => undefined },
    random: { number: () => 0.5, bytes: (count) => Buffer.alloc(count, 7) },
    signal: new AbortController().signal,
    memory: new Map(),
    credentials: async () => connection.credentials,
    credentialsAfresh: async () => false,
    saveCredentials: async () => undefined,
    withSession: (attempt) => attempt(connection.session),
    session: {
      renew: async () => state,
      keepAlive: async () => state,
      exclusively: (run) => run(),
      latest: async () => connection.session,
      replace: async () => undefined,
      lock: async (reason) => {
        throw new Error(`locked: ${reason}`);
      },
    },
    count: async () => 1,
    notes: memoryNotes(() => at),
    sharedNotes: memoryNotes(() => at),
  };
  return { call, left: () => left };
}

/** Notes in memory, for calls without a table. */
export function memoryNotes(now: () => number): Notes {
  const kept = new Map<string, Note>();
  return {
    read: async (name) => kept.get(name),
    readMany: async (names) => names.map((name) => kept.get(name)),
    claim: async (name, value) => {
      if (kept.has(name)) return false;
      kept.set(name, { value, at: now() });
      return true;
    },
    write: async (name, value) => {
      kept.set(name, { value, at: now() });
    },
    remove: async (name) => {
      kept.delete(name);
    },
    add: async (name, amount) => {
      const sum = Number(kept.get(name)?.value ?? 0) + amount;
      kept.set(name, { value: sum, at: now() });
      return sum;
    },
  };
}

function answerOf(response: RecordedExchange['response']): HttpAnswer {
  const { body } = response;
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const bytes = Buffer.from(text);
  return {
    status: response.status,
    headers: response.headers ?? { 'content-type': 'application/json' },
    bytes,
    text: () => text,
  };
}

async function bodyOf(body: HttpRequestOptions['body'], recorded: unknown): Promise<unknown> {
  if (body === undefined) return undefined;
  const text = body instanceof Readable ? await textOf(body) : Buffer.from(body).toString('utf8');
  return recorded !== null && typeof recorded === 'object' ? JSON.parse(text) : text;
}

/** A stream as text. */
export async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

function unavailable<T extends object>(what: string): T {
  return new Proxy({} as T, {
    get: () => {
      throw new Error(`Recorded calls have no ${what}`);
    },
  });
}
