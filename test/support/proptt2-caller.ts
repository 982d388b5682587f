import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { type Proptt2Sandbox, type Proptt2SandboxOptions, startProptt2Sandbox } from '../../sandbox/proptt2/index.ts';
import type { JournalEntry, SandboxOptions } from '../../sandbox/sandbox-server.ts';

/** One answer, its body parsed when it is JSON. */
export interface Answer {
  status: number;
  type: string;
  text: string;
  json: Record<string, unknown>;
}

/** What a call sends in addition to the session: a JSON body or the very bytes, more query, or a whole query string. */
export interface Sending {
  body?: unknown;
  bytes?: string | Buffer;
  query?: string;
  wholeQuery?: string;
}

/** A caller that does by hand what the document says, against a sandbox that closes with the test. */
export class Proptt2Caller {
  readonly sandbox: Proptt2Sandbox;
  id = 'owner@company.com';
  hid = 1;
  skey = '';

  constructor(sandbox: Proptt2Sandbox) {
    this.sandbox = sandbox;
  }

  /** Starts a sandbox whose clock is stopped, and logs in. */
  static async start(options: SandboxOptions & Proptt2SandboxOptions = {}): Promise<Proptt2Caller> {
    const sandbox = await startProptt2Sandbox({ now: () => Date.UTC(2026, 0, 15, 12), ...options });
    onTestFinished(() => sandbox.close());
    const caller = new Proptt2Caller(sandbox);
    await caller.login();
    return caller;
  }

  async login(interactionKey = 'bb00cc'): Promise<Answer> {
    const answer = await this.auth(await this.rand(), interactionKey);
    this.skey = String(answer.json.sessionkey ?? '');
    return answer;
  }

  async rand(): Promise<string> {
    const answer = await this.post('/server', { id: this.id, hid: this.hid });
    return String(answer.json.Rand);
  }

  auth(rand: string, interactionKey = 'bb00cc'): Promise<Answer> {
    const authKey = createHash('sha512').update(`${rand}-${interactionKey}`).digest('hex');
    return this.post('/auth', { id: this.id, hid: this.hid, authKey });
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.call('POST', path, { body, wholeQuery: '' });
  }

  async call(method: string, path: string, { body, bytes, query, wholeQuery }: Sending = {}): Promise<Answer> {
    const session = `id=${encodeURIComponent(this.id)}&hid=${this.hid}&skey=${encodeURIComponent(this.skey)}`;
    const search = wholeQuery ?? (query === undefined ? session : `${session}&${query}`);
    const response = await fetch(`${this.sandbox.url}/openapi/1${path}${search === '' ? '' : `?${search}`}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...(bytes === undefined ? {} : { body: new Uint8Array(Buffer.from(bytes)) }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      type,
      text,
      json: text !== '' && type.startsWith('application/json') ? JSON.parse(text) : {},
    };
  }

  /** A control over HTTP. */
  async control(method: string, name: string, input?: object): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${this.sandbox.url}/__sandbox/${name}`, {
      method,
      ...(input === undefined ? {} : { body: JSON.stringify(input) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** The newest request as the vendor saw it. */
  last(): JournalEntry {
    const entry = this.sandbox.journal.at(-1);
    if (!entry) throw new Error('Nothing was asked');
    return entry;
  }
}
