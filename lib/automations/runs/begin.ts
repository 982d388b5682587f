import { createHash } from 'node:crypto';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { findEvent, shownEvent } from '../../events/log.ts';
import { dedupeKeyOf } from '../../expressions/dedupe-key.ts';
import { evaluate } from '../../expressions/expression.ts';
import type { Definition } from '../definition.ts';
import { claimKey } from './dedupe.ts';
import { countRun, tooMany } from './flood.ts';
import { type RunFacts, refusalOf } from './run-context.ts';
import { findRun, type RunItem, type RunServices, type RunState } from './runs.ts';

/** A dedupe key that a run holds. */
export interface HeldKey {
  key: string;
  seconds: number;
}

/** What the first durable step of a run works out; plain JSON, remembered by the execution. */
export type Beginning =
  | { go: false; state: RunState; reason: string; dedupeKey?: string; held?: HeldKey }
  | { go: true; facts: RunFacts; held?: HeldKey };

/** What a run is started with. */
export type RunDefinition = Pick<Definition, 'do'> & Partial<Pick<Definition, 'if' | 'dedupe' | 'maxPerMinute'>>;

/** Everything before the first step: the run's event, whether it is meant, and whether its dedupe key is free. */
export async function beginRun(services: RunServices, runId: string): Promise<Beginning> {
  const run = await findRun(services.table, runId);
  if (run?.state !== 'running')
    return { go: false, state: run?.state ?? 'failed', reason: run?.reason ?? 'The run is not known.' };
  if (run.cancelRequested) return { go: false, state: 'cancelled', reason: run.reason ?? 'It was cancelled.' };
  services.log?.({ level: 'info', message: 'run started', ...runInLog(run) });
  const event = await eventOf(services, run);
  if (event === undefined && (run.eventId !== undefined || run.event !== undefined))
    return { go: false, state: 'failed', reason: 'Its event is no longer kept.' };
  // The time of a run is that of its cause: an answer may be quicker than the run that waits for it.
  const facts: RunFacts = {
    run,
    event: event ?? null,
    startedAt: run.createdAt,
    ref: refOf(run.eventId ?? runId),
  };
  try {
    return await admitRun(services, facts);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ExpressionFailure') throw error;
    return { go: false, state: 'failed', reason: `An expression failed: ${error.message}` };
  }
}

async function admitRun(services: RunServices, facts: RunFacts): Promise<Beginning> {
  const { run } = facts;
  const definition = definitionOfRun(run);
  const { event, startedAt, ref } = facts;
  const shown = { id: run.id, ref, startedAt: new Date(startedAt).toISOString(), event };
  const bindings = { event, steps: {}, run: shown };
  const options = { now: services.clock.now(), seed: run.id };
  if (definition.if !== undefined) {
    const refusal = refusalOf(await evaluate(definition.if, bindings, options));
    if (refusal !== undefined) return { go: false, state: 'skipped', reason: refusal };
  }
  // A replay was asked for by a person: what it repeats is neither one too many nor a duplicate.
  if (run.replayOf !== undefined) return { go: true, facts };
  const found = definition.dedupe && dedupeKeyOf(await evaluate(definition.dedupe.key, bindings, options));
  const held =
    found !== undefined && definition.dedupe ? { key: found, seconds: definition.dedupe.seconds } : undefined;
  if (held) {
    const claim = await claimKey(services, run.owner, held.key, run);
    if (!claim.mine) {
      const reason = `Suppressed as a duplicate of ${claim.takenBy}.`;
      return { go: false, state: 'suppressed', reason, dedupeKey: held.key };
    }
  }
  const max = definition.maxPerMinute;
  if (max !== undefined && (await countRun(services, run.owner, 'acting')) > max) {
    // The key is given back: the next event with it may act when there is room again.
    const reason = tooMany(max);
    return { go: false, state: 'suppressed', reason, ...(held && { held, dedupeKey: held.key }) };
  }
  return { go: true, facts, ...(held && { held }) };
}

export function definitionOfRun(run: RunItem): RunDefinition {
  // Written when the run was made, from a definition that its schema had accepted.
  return JSON.parse(run.definition) as RunDefinition;
}

/** The event that a run is about; undefined where there is none, or none any more. */
export async function eventOf(services: RunServices, run: RunItem): Promise<TrunklineEvent | undefined> {
  // Written by `startRun`.
  if (run.event !== undefined) return JSON.parse(run.event) as TrunklineEvent;
  if (run.eventId === undefined) return undefined;
  const item = await findEvent(services, run.eventId);
  return item && shownEvent(services.files, item);
}

/** What the log says of a run wherever it is named. */
export function runInLog({ id, name, owner, eventId, source }: RunItem): Record<string, unknown> {
  return {
    run: id,
    automation: name,
    automationId: owner,
    ...(eventId !== undefined && { event: eventId }),
    ...source,
  };
}

/** Four hexadecimal digits that people can read out: `7F3A`. */
export function refOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 4).toUpperCase();
}
