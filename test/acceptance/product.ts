import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { services } from '../../lib/aws/services.ts';
import { systemClock } from '../../lib/aws/system.ts';
import { keys } from '../../lib/store/items.ts';
import type { Demo } from '../../local/demo.ts';
import { type Product, startProduct } from '../../local/product.ts';
import { unlikePublished } from '../support/published-events.ts';
import { type Denial, enforceRights } from '../support/rights.ts';

/** A run as the API shows it. */
export interface ShownRun {
  id: string;
  name: string;
  createdAt: string;
  state: string;
  reason?: string;
  eventId?: string;
  steps: {
    name: string;
    state: string;
    call?: string;
    attempts: number;
    kept?: boolean;
    index: number;
    input?: unknown;
    output?: unknown;
    error?: { code: string; message: string };
  }[];
}

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

/** The whole product with its stand-in vendors, driven through HTTP as a user would; its clock ticks by hand. */
export interface Bench {
  product: Product;
  /** Where it keeps its data. */
  directory: string;
  demo: Demo;
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  /** Polls every event source of a connection now, whether or not it is due. */
  poll(vendor: string, connection: string): Promise<void>;
  /** Lets time pass for what waits: a timer, or the next attempt of a call. Only for waits; everything else goes by the system's clock. */
  passTime(seconds: number): void;
  /** Runs something with the rights of a function, as an attacker who took over its code could. */
  as<T>(functionName: string, run: () => T): T;
  /** The refused requests so far, which are then forgotten; any that remain fail the test when the bench closes. */
  takeDenials(): Denial[];
  /** The runs of an automation once so many have ended; throws when they have not within a hundred seconds. */
  runs(automation: string, count: number): Promise<ShownRun[]>;
  close(): Promise<void>;
}

/** Every event of a test must match its description in `GET /v1/event-types`. */
async function strayEvents(call: Bench['call']): Promise<string[]> {
  const unlike: string[] = [];
  for (let before = ''; ; ) {
    const { status, body } = await call<{ id: string }[]>('GET', `/v1/events?limit=500${before}`);
    if (status !== 200) throw new Error(`The events cannot be listed: ${JSON.stringify(body)}`);
    unlike.push(...unlikePublished(body));
    const last = body.at(-1);
    if (body.length < 500 || !last) return unlike;
    before = `&before=${last.id}`;
  }
}

/** Starts a product in a folder and stops it again, in a separate process. */
function startOnce(directory: string): void {
  const product = pathToFileURL(join(import.meta.dirname, '../../local/product.ts'));
  const options = JSON.stringify({ directory, port: 0, sandbox: true, clock: false });
  const script = `const { startProduct } = await import('${product}');
    await (await startProduct(${options})).close();
    process.exit(0);`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Starts a product in a separate folder; `again` makes it the second start there. */
export async function startBench({ again = false } = {}): Promise<Bench> {
  process.env.TRUNKLINE_ALLOW_PRIVATE_TARGETS = 'on';
  const directory = mkdtempSync(join(tmpdir(), 'trunkline-acceptance-'));
  if (again) startOnce(directory);
  const rights = enforceRights();
  let passedMs = 0;
  const waitClock = { ...systemClock, now: () => systemClock.now() + passedMs };
  const product = await startProduct({
    directory,
    port: 0,
    sandbox: true,
    clock: false,
    waitClock,
    wrapInvocation: rights.enforceFor,
  });
  const passTime = (seconds: number) => {
    passedMs += seconds * 1000;
    product.wake();
  };
  rights.guardFiles(services().files);
  const { demo } = product;
  if (!demo) throw new Error('The demo did not start');

  const call = async <T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> => {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await fetch(`${product.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${product.adminKey}`,
        ...(text !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(text !== undefined && { body: text }),
    });
    const read = await answer.text();
    const json = /json/.test(answer.headers.get('content-type') ?? '');
    // A test names the type that it expects and checks the contents.
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(read) : read) as T };
  };

  const read = new Map<string, Promise<ShownRun>>();
  /** A run with its steps, read once for each state that the list shows. */
  const wholeRun = (listed: ShownRun): Promise<ShownRun> => {
    const state = JSON.stringify(listed);
    const known = read.get(state) ?? call<ShownRun>('GET', `/v1/runs/${listed.id}`).then(({ body }) => body);
    read.set(state, known);
    return known;
  };

  return {
    product,
    directory,
    demo,
    call,
    poll: async (vendor, connection) => {
      const { table } = services();
      for (const item of await table.queryAll({ pk: keys.polls(vendor, connection) })) {
        if (item.dueAt !== undefined) await table.update({ pk: item.pk, sk: item.sk }, 'SET #dueAt = :now', { now: 0 });
      }
      await product.tick('poll-events');
    },
    passTime,
    as: rights.enforceFor,
    takeDenials: () => rights.denials.splice(0),
    runs: async (automation, count) => {
      const deadline = Date.now() + 100_000;
      for (;;) {
        const askedAt = performance.now();
        const { body } = await call<ShownRun[]>('GET', `/v1/runs?automation=${automation}&limit=200`);
        const ended = body.filter((run) => run.state !== 'running');
        if (ended.length >= count && ended.length === body.length) return Promise.all(ended.map(wholeRun));
        if (Date.now() > deadline)
          throw new Error(`Of ${count} runs ${ended.length} have ended and ${body.length - ended.length} run`);
        passTime(1);
        // A list that is slow to read is read less often, because the runs need the time themselves.
        const pauseMs = Math.max(150, 4 * (performance.now() - askedAt));
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    },
    close: async () => {
      const unlike = await strayEvents(call);
      await product.close();
      rights.stop();
      if (unlike.length > 0) throw new Error(`Events that differ from their published types: ${unlike.join('\n')}`);
      if (rights.denials.length > 0) throw new Error(`Requests that AWS refuses: ${JSON.stringify(rights.denials)}`);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
