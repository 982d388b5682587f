import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { printable } from '../../lib/core/printable.ts';
import type { Api } from '../api.ts';
import { Unreachable } from '../failures.ts';
import { isRecord, messageOf, type Output, recordsOf } from '../output.ts';

export interface TailOptions {
  type?: string;
  connection?: string;
  automation?: string;
  subscription?: string;
  state?: string;
  /** Stop after this many lines. */
  limit?: number;
  signal: AbortSignal;
}

export type TailKind = 'events' | 'runs' | 'deliveries';

const pollMs = 1_000;
/** After a failure the pause doubles up to this. */
const maxPauseMs = 30_000;
const pageLength = 100;
/** How many lines are remembered so that none is shown twice. */
const maxRemembered = 5_000;

/** Follows what happens from now on, oldest first, and resumes after interruptions. Ends by its signal or its limit. */
export async function* follow(
  api: Api,
  kind: TailKind,
  options: TailOptions,
  note: (text: string) => void,
): AsyncGenerator<Record<string, unknown>> {
  const { signal } = options;
  const read = kind === 'events' ? newEvents(api, options) : changedItems(api, kind, options);
  let pause = pollMs;
  while (!signal.aborted) {
    try {
      yield* await read();
      pause = pollMs;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Unreachable) && !isTemporary(error)) throw error;
      note(`${messageOf(error)} Trying again in ${pause / 1000} s.`);
      pause = Math.min(maxPauseMs, pause * 2);
    }
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

/** `trunkline tail events|runs|deliveries` */
export async function tail(api: Api, output: Output, kind: TailKind, options: TailOptions): Promise<void> {
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  for await (const item of follow(api, kind, options, output.note)) {
    output.result(item, lineOf(kind, item));
    if (--left <= 0) return;
  }
}

/** Reads the log from the newest event at the start. */
function newEvents(api: Api, { type, connection, signal }: TailOptions) {
  let after: string | undefined;
  let isStarted = false;
  return async (): Promise<Record<string, unknown>[]> => {
    const filter = { type, connection, after, limit: isStarted ? pageLength : 1 };
    const events = recordsOf((await api.send('GET', '/v1/events', { query: filter, signal })).body);
    // Without a place to begin after, the log answers newest first.
    if (after === undefined) events.reverse();
    const isNew = isStarted;
    isStarted = true;
    const last = events.at(-1)?.id;
    if (typeof last === 'string') after = last;
    return isNew ? events : [];
  };
}

/** Reads the newest runs or deliveries and gives those whose state has changed since they were last seen. */
function changedItems(api: Api, kind: 'runs' | 'deliveries', { automation, subscription, state, signal }: TailOptions) {
  const seen = new Map<string, unknown>();
  let isFirst = true;
  return async (): Promise<Record<string, unknown>[]> => {
    const query = { limit: pageLength, automation, subscription, state };
    const page = async (before?: string) =>
      recordsOf((await api.send('GET', `/v1/${kind}`, { query: { ...query, before }, signal })).body);
    const items = await page();
    // After an interruption, more may be new than a page holds: it is read back to what is known.
    for (let last = items; !isFirst && last.length === pageLength && !last.some(({ id }) => seen.has(String(id))); ) {
      last = await page(String(last.at(-1)?.id));
      items.push(...last);
    }
    const changed = items.reverse().filter(({ id, state: now }) => seen.get(String(id)) !== now);
    for (const { id, state: now } of changed) {
      seen.delete(String(id));
      seen.set(String(id), now);
    }
    for (const id of seen.keys()) {
      if (seen.size <= maxRemembered) break;
      seen.delete(id);
    }
    const known = isFirst;
    isFirst = false;
    return known ? [] : changed;
  };
}

function isTemporary(error: unknown): boolean {
  return isRecord(error) && isRecord(error.problem) && error.problem.retryable === true;
}

function lineOf(kind: TailKind, item: Record<string, unknown>): string {
  const at = new Date(String(item.timestamp ?? item.endedAt ?? item.startedAt ?? item.createdAt ?? Date.now()));
  const time = styleText('dim', Number.isNaN(at.getTime()) ? '' : at.toLocaleTimeString());
  if (kind === 'events') {
    const place = `${String(item.vendor ?? '')}/${String(item.connection ?? '')}`;
    return `${time} ${styleText('cyan', String(item.type))} ${printable(`${place} ${JSON.stringify(item.data)}`)}`;
  }
  const state = String(item.state);
  const bad = /failed|partial|given_up|cancelled|retrying/.test(state);
  const reason = item.reason === undefined ? '' : ` ${String(item.reason)}`;
  const name = String(item.name ?? item.subscriptionId ?? '');
  return `${time} ${styleText(bad ? 'red' : 'green', state)} ${printable(`${name} ${String(item.id)}${reason}`)}`;
}
