import { createHash } from 'node:crypto';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { findEvent, wholeEvent } from '../../events/log.ts';
import { dedupeKeyOf } from '../../expressions/dedupe-key.ts';
import { evaluate } from '../../expressions/expression.ts';
import { unpackText } from '../../store/blobs.ts';
import { type Claim, claimKey, type HeldKey, holderOf } from './dedupe.ts';
import { mentions } from './dependencies.ts';
import { countRun, countSuppressed, tooMany } from './flood.ts';
import { memoryOf } from './memory.ts';
import { cancelRun } from './pause.ts';
import { type QuotaServices, quotasOf } from './quotas.ts';
import { isExpressionFailure } from './retry.ts';
import { authorize } from './rights.ts';
import { type RunFacts, refusalOf } from './run-context.ts';
import { definitionOfRun, findRun, type RunDefinition, type RunItem, type RunServices, type RunState } from './runs.ts';
import { firstInTurn, runsInTurn } from './turn.ts';

/** The result of the first durable step of a run; plain JSON, remembered by the execution. */
export type Beginning =
  | { go: false; state: RunState; reason: string; dedupeKey?: string; quotesMemory?: boolean; held?: HeldKey }
  /** `turn`: the run waits until that other run has ended. */
  | { go: true; facts: RunFacts; held?: HeldKey; turn?: string };

export type BeginServices = RunServices & QuotaServices;

/** Evaluates over what is known before the first step. */
type Evaluate = (template: string) => Promise<unknown>;

/** Everything before the first step: loading the run's event, and checking that the run applies and that its dedupe key is free. */
export async function beginRun(services: BeginServices, runId: string): Promise<Beginning> {
  const stored = await findRun(services.table, runId);
  if (stored?.state !== 'running')
    return { go: false, state: stored?.state ?? 'failed', reason: stored?.reason ?? 'The run is not known.' };
  const authorized = await authorize(services, stored);
  if ('problem' in authorized) return { go: false, state: 'failed', reason: authorized.problem };
  const { run, isOfDeleted } = authorized;
  if (isOfDeleted) return { go: false, state: 'cancelled', reason: 'Its automation was deleted.' };
  if (run.cancelRequested) return { go: false, state: 'cancelled', reason: run.reason ?? 'It was cancelled.' };
  services.log?.({ level: 'info', message: 'run started', ...runInLog(run) });
  const [event] = await Promise.all([eventOf(services, run), recordExecutionStart(services, run)]);
  if (event === undefined && (run.eventId !== undefined || run.event !== undefined))
    return { go: false, state: 'failed', reason: 'Its event is no longer kept.' };
  // The time of a run is that of its cause: an answer may arrive before the run that waits for it starts.
  const facts: RunFacts = {
    run,
    event: event ?? null,
    startedAt: run.createdAt,
    ref: refOf(run.eventId ?? runId),
  };
  try {
    const admitted = await admitRun(services, facts);
    return admitted.go ? admitted : { ...admitted, quotesMemory: quotesMemory(run) };
  } catch (error) {
    if (!isExpressionFailure(error)) throw error;
    const reason = `An expression failed: ${error.message}`;
    return { go: false, state: 'failed', reason, quotesMemory: quotesMemory(run) };
  }
}

/** Distinguishes a run that is carried out from one that still waits for a place, which the search for lost runs gives more time. */
async function recordExecutionStart({ table, clock }: RunServices, { pk, sk }: RunItem): Promise<void> {
  const values = { now: clock.now(), running: 'running' };
  const change = 'SET #executionStartedAt = if_not_exists(#executionStartedAt, :now)';
  await table.update({ pk, sk }, change, values, '#state = :running');
}

/** Whether the condition or the dedupe key of a run may quote what its automation remembers. */
export function quotesMemory(run: RunItem): boolean {
  const { if: condition, dedupe } = definitionOfRun(run);
  return mentions([condition, dedupe?.key], 'memo');
}

async function admitRun(services: BeginServices, facts: RunFacts): Promise<Beginning> {
  const { run } = facts;
  const definition = definitionOfRun(run);
  const { event, startedAt, ref } = facts;
  const shown = { id: run.id, ref, startedAt: new Date(startedAt).toISOString(), event };
  const read = [definition.if, definition.dedupe?.key];
  const bindings = {
    event,
    steps: {},
    run: shown,
    ...(mentions(read, 'memo') && { memo: await memoryOf(services, run.owner) }),
    ...(mentions(read, 'quota') && { quota: await quotasOf(services, run) }),
  };
  const options = { now: services.clock.now(), seed: run.id, share: run.owner };
  const evaluateNow: Evaluate = (template) => (services.overrides?.evaluate ?? evaluate)(template, bindings, options);
  if (definition.if !== undefined) {
    // What an automation remembers may be known to fewer readers than the event.
    const refusal = refusalOf(await evaluateNow(definition.if), mentions(definition.if, 'memo'));
    if (refusal !== undefined) {
      await services.overrides?.conditionNotMet({ runId: run.id, condition: definition.if, bindings });
      return { go: false, state: 'skipped', reason: refusal };
    }
  }
  // A person requested the replay: what it repeats is neither over the cap nor a duplicate.
  if (run.replayOf !== undefined) return { go: true, facts };
  const held = await keyOf(definition, evaluateNow);
  const ahead = held && modeOf(definition) === 'queue' ? await aheadOf(services, run, held.key) : undefined;
  const claim: Claim | undefined =
    ahead === undefined
      ? held && (await claimKey(services, run.owner, held.key, run, run.createdAt))
      : { mine: false, takenBy: ahead, isGoing: true };
  let turn: string | undefined;
  if (held && claim && !claim.mine) {
    const dedupeKey = definition.dedupe && { dedupeKey: held.key };
    if (!claim.isGoing || modeOf(definition) === 'single') {
      if (definition.dedupe)
        await services.overrides?.conditionNotMet({ runId: run.id, condition: definition.dedupe.key, bindings });
      const words = definition.dedupe ? 'Suppressed as a duplicate of' : 'Suppressed: another run was in progress,';
      return { go: false, state: 'suppressed', reason: `${words} ${claim.takenBy}.`, ...dedupeKey };
    }
    turn = claim.takenBy;
  }
  if (held && modeOf(definition) === 'restart') await restart(services, run, held.key, turn);
  const max = definition.maxPerMinute;
  // A run that waited for another with its dedupe key is not counted again.
  const counts = turn === undefined || definition.dedupe === undefined;
  if (max !== undefined && counts && (await countRun(services, run.owner, 'acting')) > max) {
    // The key is released: the next event with it may act when there is capacity again.
    const reason = tooMany(max);
    await countSuppressed(services, run);
    return { go: false, state: 'suppressed', reason, ...(held && { held, dedupeKey: held.key }) };
  }
  return { go: true, facts, ...(held && { held }), ...(turn !== undefined && { turn }) };
}

/** The run that waits for a key already, and that another must not overtake; none for the run that holds the key. */
async function aheadOf(services: RunServices, run: RunItem, key: string): Promise<string | undefined> {
  const first = await firstInTurn(services, run.owner, key);
  if (first === undefined || first.runId === run.id) return undefined;
  // If this step is repeated after a crash, it may have claimed the key the first time.
  return (await holderOf(services.table, run.owner, key)) === run.id ? undefined : first.runId;
}

/** Cancels the run with a key and those that wait for it: the newest replaces them. */
async function restart(services: RunServices, run: RunItem, key: string, going: string | undefined): Promise<void> {
  for (const id of [...(await runsInTurn(services.table, run.owner, key)), going]) {
    const other = id === undefined || id === run.id ? undefined : await findRun(services.table, id);
    if (other) await cancelRun(services, other, `Restarted by ${run.id}.`);
  }
}

/** The key that a run must hold: that of its `dedupe`, or one for the whole automation if its runs must not overlap. */
async function keyOf(definition: RunDefinition, evaluateNow: Evaluate): Promise<HeldKey | undefined> {
  const { dedupe } = definition;
  const key = dedupe && dedupeKeyOf(await evaluateNow(dedupe.key));
  const mode = modeOf(definition);
  const waits = mode === 'queue' || mode === 'restart';
  if (dedupe && key !== undefined) return { key, seconds: dedupe.seconds, waits };
  // Without a window, a run that has ended does not prevent another from starting.
  return dedupe || mode === 'parallel' ? undefined : { key: '', seconds: -1, waits: true };
}

function modeOf({ mode, dedupe }: RunDefinition): NonNullable<RunDefinition['mode']> {
  return dedupe && (mode === undefined || mode === 'parallel') ? 'single' : (mode ?? 'parallel');
}

/** The event of a run; undefined if there is none, or if it no longer exists. */
export async function eventOf(services: RunServices, run: RunItem): Promise<TrunklineEvent | undefined> {
  // Written by `startRun`.
  if (run.event !== undefined) return JSON.parse(unpackText(run.event)) as TrunklineEvent;
  if (run.eventId === undefined) return undefined;
  const item = await findEvent(services, run.eventId);
  return item && wholeEvent(services.files, item);
}

/** The log fields that identify a run. */
export function runInLog({ id, name, owner, eventId, source }: RunItem): Record<string, unknown> {
  return {
    run: id,
    automation: name,
    automationId: owner,
    ...(eventId !== undefined && { event: eventId }),
    ...source,
  };
}

/** Four hexadecimal digits that can be read out: `7F3A`. */
export function refOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 4).toUpperCase();
}
