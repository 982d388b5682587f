import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TalkSandbox } from '../../sandbox/talk/index.ts';

/** One request and answer of a real server, as the fixtures hold it. */
export interface Recording {
  request: {
    method: string;
    path: string;
    query?: Record<string, string | number>;
    headers: Record<string, string>;
    form?: Record<string, string | number>;
    body?: unknown;
  };
  response: { status: number; headers: Record<string, string>; setCookieNames: string[]; body?: unknown; raw?: string };
}

const folder = join(import.meta.dirname, '../fixtures/talk/recorded');

/** Reads one recording. */
export function recording(name: string): Recording {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Recording;
}

/** What came back, in the form that recordings have. */
export interface Replayed {
  status: number;
  headers: Headers;
  text: string;
  body: unknown;
}

/** Sends recorded requests to a stand-in, with its own tokens, ids, sessions and cookies in place of the recorded ones. */
export class Replay {
  readonly jars = new Map<string, Map<string, string>>();
  private readonly learned = new Map<string, string>();
  private readonly talk: TalkSandbox;

  constructor(talk: TalkSandbox) {
    this.talk = talk;
  }

  /** A request of our own, with what a client would send; `jar` keeps its cookies. */
  async call(
    user: string | null,
    method: string,
    path: string,
    options: { query?: Record<string, unknown>; body?: unknown; jar?: string; headers?: Record<string, string> } = {},
  ): Promise<Replayed> {
    const query = new URLSearchParams({ format: 'json' });
    for (const [name, value] of Object.entries(options.query ?? {})) query.set(name, String(value));
    const headers: Record<string, string> = {
      accept: 'application/json',
      'ocs-apirequest': 'true',
      ...options.headers,
    };
    if (user !== null) headers.authorization = this.basic(user);
    const init: RequestInit = { method, headers };
    if (options.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(options.body);
    }
    return this.send(`/ocs/v2.php${path}?${query}`, init, options.jar, options.jar);
  }

  /** The data of an answer that has to be good. Throws an Error that quotes any other. */
  async data<Data>(user: string | null, method: string, path: string, options = {}): Promise<Data> {
    const answer = await this.call(user, method, `/apps/spreed/api${path}`, options);
    if (answer.status >= 400) throw new Error(`${method} ${path} answered ${answer.status} ${answer.text}`);
    return (answer.body as { ocs: { data: Data } } | undefined)?.ocs.data as Data;
  }

  /** The status of a call to Talk. */
  async status(user: string | null, method: string, path: string, options = {}): Promise<number> {
    return (await this.call(user, method, `/apps/spreed/api${path}`, options)).status;
  }

  /** The recorded request, once more. `jar` is where its cookies go when the recording sent none. */
  async replay({ request }: Recording, jar?: string, password?: string): Promise<Replayed> {
    const headers: Record<string, string> = { ...request.headers };
    const user = /^Basic <(\w+):/.exec(headers.Authorization ?? '')?.[1];
    if (user) headers.Authorization = this.basic(user, password);
    const cookieJar = /cookie jar "(\w+)"/.exec(headers.Cookie ?? '')?.[1];
    delete headers.Cookie;
    const init: RequestInit = { method: request.method, headers };
    if (request.form) init.body = new URLSearchParams(this.mapped(request.form)).toString();
    else if (typeof request.body === 'string') init.body = request.body;
    else if (request.body != null) init.body = JSON.stringify(this.mappedBody(request.body as object));
    const query = new URLSearchParams(this.mapped(request.query ?? {}));
    const path = request.path
      .split('/')
      .map((part, at, parts) => this.place(parts[at - 2] ?? '', parts[at - 1] ?? '', part))
      .join('/');
    return this.send(query.size > 0 ? `${path}?${query}` : path, init, cookieJar, cookieJar ?? jar);
  }

  /** The sandbox's own id for a recorded one, once an answer has shown both. */
  own(kind: 'token' | 'message' | 'attendee' | 'session' | 'time', recorded: unknown): string {
    return this.learned.get(`${kind} ${recorded}`) ?? String(recorded);
  }

  /** Walks both answers and remembers which of our ids stands for which recorded one. */
  learn(recorded: unknown, ours: unknown): void {
    if (Array.isArray(recorded) && Array.isArray(ours)) {
      recorded.forEach((item, at) => {
        this.learn(item, ours[at]);
      });
    } else if (isObject(recorded) && isObject(ours)) {
      if ('attendeeId' in recorded) this.keep('attendee', recorded.attendeeId, ours.attendeeId);
      if ('token' in recorded) this.keep('token', recorded.token, ours.token);
      if ('sessionId' in recorded) this.keep('session', recorded.sessionId, ours.sessionId);
      if ('message' in recorded && 'id' in recorded) this.keep('message', recorded.id, ours.id);
      for (const key of Object.keys(recorded)) this.learn(recorded[key], ours[key]);
    }
  }

  keep(kind: string, recorded: unknown, ours: unknown): void {
    if (recorded && ours && recorded !== '0') this.learned.set(`${kind} ${recorded}`, String(ours));
  }

  private place(before: string, parent: string, part: string): string {
    if (/^\d+$/.test(part) && (parent === 'reaction' || before === 'reaction' || before === 'chat'))
      return this.own('message', part);
    if (parent === 'ring') return this.own('attendee', part);
    return ['room', 'call', 'chat', 'reaction', 'bot', 'guest', 'signaling'].includes(parent)
      ? this.own('token', part)
      : part;
  }

  private mapped(values: Record<string, string | number>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        if (['lastKnownMessageId', 'replyTo', 'lastReadMessage'].includes(name))
          return [name, this.own('message', value)];
        if (name === 'attendeeId') return [name, this.own('attendee', value)];
        if (name === 'participant') return [name, this.own('session', value)];
        if (name === 'token') return [name, this.own('token', value)];
        if (name === 'modifiedSince') return [name, this.own('time', value)];
        // The recording asked for what is newer than an hour from then.
        if (name === 'notOlderThanTimestamp' && value) return [name, String(Math.floor(this.talk.now() / 1000) + 3600)];
        return [name, String(value)];
      }),
    );
  }

  private mappedBody(body: object): object {
    if (!('replyTo' in body)) return body;
    return { ...body, replyTo: Number(this.own('message', body.replyTo)) };
  }

  private async send(path: string, init: RequestInit, from?: string, into?: string): Promise<Replayed> {
    const jar = from === undefined ? undefined : this.jars.get(from);
    if (jar) {
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      init.headers = { ...init.headers, cookie };
    }
    const response = await fetch(this.talk.url + path, init);
    if (into !== undefined) {
      const kept = this.jars.get(into) ?? new Map<string, string>();
      this.jars.set(into, kept);
      for (const [name, value] of setCookies(response.headers)) kept.set(name, value);
    }
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') && text !== '';
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined };
  }

  private basic(user: string, password = this.talk.state.users[user]?.appPasswords[0]?.token ?? 'revoked'): string {
    return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
}

/** The names of the cookies that an answer sets, with one name for the instance cookie of any server. */
export function cookieNames(names: string[]): string[] {
  return names.map((name) => (/^oc[a-z0-9]{10,11}$/.test(name) ? 'instance' : name)).sort();
}

/** Name and value of every cookie that an answer sets. */
export function setCookies(headers: Headers): [string, string][] {
  return headers.getSetCookie().map((line) => {
    const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
    return [name, value];
  });
}

/** Whose value is another in every run or on every server; of these only the JSON type is compared. */
const volatile = new Set([
  'token',
  'timestamp',
  'lastPing',
  'lastActivity',
  'sessionId',
  'sessionIds',
  'attendeeId',
  'lastReadMessage',
  'lastCommonReadMessage',
  'callStartTime',
  'avatarVersion',
  'roomId',
  'roomToken',
  'url',
  'endpoint',
  'url_hash',
  'ticket',
  'helloAuthParams',
  'apppassword',
  'appPassword',
  'server',
  'poll',
  'login',
]);

/**
 * An answer with what cannot be equal replaced by its JSON type, so that two of them can be compared as they are. `loose` does so with every
 * value.
 */
export function comparable(value: unknown, loose: boolean, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => comparable(item, loose, key));
  if (isObject(value)) {
    // What the updates room says is each release's own, and the room list of the real server shows a bot by its raw name.
    const updates = value.type === 4 || value.actorId === 'changelog' ? ['unreadMessages', 'message'] : [];
    const last = key === 'lastMessage' && value.actorType === 'bots' ? ['actorDisplayName', 'referenceId'] : [];
    const types = new Set([...updates, ...last]);
    return Object.fromEntries(
      Object.keys(value)
        .sort()
        .map((name) => [name, comparable(value[name], loose || types.has(name), name)]),
    );
  }
  if (typeof value === 'string' && value.includes('(Duration ')) return value.replace(/Duration [\d:]+/, 'Duration');
  const hash = typeof value === 'string' && /^(bot-|guest\/)?[0-9a-f]{40}/.test(value);
  const number = key === 'id' && /^\d+$/.test(String(value));
  return loose || volatile.has(key) || hash || number ? `<${value === null ? 'null' : typeof value}>` : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
