import { dedupeKeyOf } from '../expressions/dedupe-key.ts';
import { evaluate } from '../expressions/expression.ts';
import { fingerprintOf, type Message } from './claim.ts';
import type { HookItem } from './hooks.ts';

const day = 86_400;
/** Evaluates the expression of a key. */
type Evaluate = typeof evaluate;

/** How long a message counts where the hook does not say, in seconds. */
export const defaultSeconds = { id: 7 * day, header: 7 * day, key: day, body: day, 'idempotency-key': day } as const;

/** What is known of a message before it is stored. */
export interface Received {
  headers: Readonly<Record<string, string | undefined>>;
  rawBody: Buffer;
  /** The sender's own id, where its verification gave one. */
  id?: string | undefined;
  /** The event that it becomes, without its id. */
  event: Record<string, unknown>;
}

/** The headers in which senders name their messages. */
const idHeaders = ['webhook-id', 'svix-id'] as const;

/**
 * How a repeated message is recognised: by what the hook sets, else by the sender's own id, else by an `Idempotency-Key`. A key
 * that cannot be evaluated, or not soon enough, does not lose the message; `problem` says why.
 */
export async function messageOf(
  hook: HookItem,
  received: Received,
  now: number,
  run: Evaluate = evaluate,
): Promise<{ message?: Message; problem?: string }> {
  const { dedupe = {} } = hook;
  const message = (by: keyof typeof defaultSeconds, value: string): { message: Message } => ({
    message: { owner: hook.id, by, value, seconds: dedupe.seconds ?? defaultSeconds[by] },
  });
  if (dedupe.body) return message('body', fingerprintOf(received.rawBody));
  if (dedupe.key !== undefined) {
    const { value, problem } = await keyOf(dedupe.key, received.event, { now, share: hook.id }, run);
    return value === undefined ? { ...byId(), ...(problem !== undefined && { problem }) } : message('key', value);
  }
  const header = dedupe.header && received.headers[dedupe.header.toLowerCase()];
  return header ? message('header', header) : byId();

  function byId() {
    const id = received.id ?? idHeaders.map((name) => received.headers[name]).find((value) => value);
    if (id) return message('id', id);
    const key = received.headers['idempotency-key'];
    if (!key) return {};
    const { message: found } = message('idempotency-key', key);
    return { message: { ...found, fingerprint: fingerprintOf(received.rawBody) } };
  }
}

/** Milliseconds that a message waits for its key: a busy expression pool must not keep it from being stored. */
const keyWaitMs = 3_000;

async function soon<T>(value: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${keyWaitMs} ms`)), keyWaitMs);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function keyOf(
  expression: string,
  event: Record<string, unknown>,
  around: { now: number; share: string },
  run: Evaluate,
): Promise<{ value?: string; problem?: string }> {
  try {
    const value = await soon(run(expression, { event }, { ...around, seed: 'dedupe' }));
    const key = dedupeKeyOf(value);
    return key === undefined ? { problem: 'The dedupe key found nothing.' } : { value: key };
  } catch (error) {
    return { problem: `The dedupe key failed: ${error instanceof Error ? error.message.slice(0, 300) : 'unknown'}` };
  }
}
