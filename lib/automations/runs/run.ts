import { createHash } from 'node:crypto';
import type { GatewayServices } from '../../connections/invoke.ts';
import type { DurableContext, RunStart } from '../../core/durable.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { findEvent, shownEvent } from '../../events/log.ts';
import { appendOwnEvent } from '../../events/own-events.ts';
import { evaluate } from '../../expressions/expression.ts';
import { type Definition, isCall, isWaitFor, nameOf } from '../definition.ts';
import { runCallStep } from './call.ts';
import { claimKey, endClaim } from './dedupe.ts';
import { countRun, tooMany } from './flood.ts';
import {
  callsOwner,
  endRun,
  findRun,
  outputOf,
  type RunItem,
  type RunServices,
  type RunState,
  type StepItem,
  stepsOf,
} from './runs.ts';
import { runWaitFor } from './wait.ts';

export interface AutomationServices extends RunServices, GatewayServices {
  vendorNames: readonly string[];
}

/** What the steps of a run see and share. */
export interface RunFrame {
  run: RunItem;
  steps: Definition['do'];
  bindings: {
    event: TrunklineEvent | null;
    steps: Record<string, { output: unknown; error?: { code: string; message: string } }>;
    run: { id: string; ref: string; startedAt: string; event: TrunklineEvent | null };
  };
  /** Of the run that is replayed: what succeeded, by step and item. */
  reuse: Record<string, unknown>;
  /** Epoch milliseconds of the run's beginning. */
  startedAt: number;
}

/** How a step ended, for the run as a whole. */
export interface StepEnd {
  failed: boolean;
  /** Whether a vendor has, or may have, carried out a write. */
  wrote: boolean;
  /** Set where the run must stop here. */
  stop?: string;
  cancelled?: boolean;
}

/** How the claim of a dedupe key ends: only what wrote something counts within the window. */
interface DedupeEnd {
  key: string;
  seconds: number;
  wrote: boolean;
}

type Beginning =
  | { go: false; state: RunState; reason: string; dedupeKey?: string; dedupe?: DedupeEnd }
  | {
      go: true;
      frame: Omit<RunFrame, 'steps'> & { steps: Definition['do'] };
      dedupe?: { key: string; seconds: number; busy: boolean };
    };

/** The beginning of a wait for the turn of a dedupe key, in seconds; it doubles up to a minute. */
const firstTurn = 2;

/** Carries out one run, step by step. May be run again from the top at any time: what a step gave is remembered. */
export async function runAutomation(
  services: AutomationServices,
  vendors: Catalogue,
  context: DurableContext,
  { runId }: RunStart,
): Promise<{ state: RunState }> {
  const beginning = await context.step('begin', () => begin(services, runId));
  if (!beginning.go) return finish(services, context, runId, beginning);
  const { frame } = beginning;
  const dedupe = beginning.dedupe;
  if (dedupe?.busy) {
    const refused = await waitForTurn(services, context, frame.run, dedupe.key);
    if (refused) return finish(services, context, runId, { ...refused, dedupeKey: dedupe.key });
  }

  let failed = false;
  let wrote = false;
  let stop: string | undefined;
  let cancelled = false;
  let good = 0;
  for (const [at, step] of frame.steps.entries()) {
    if (stop !== undefined || cancelled) break;
    if ('wait' in step) {
      await context.wait(nameOf(step, at), step.wait.seconds);
      continue;
    }
    const end: StepEnd = isCall(step)
      ? await runCallStep(services, vendors, context, frame, step, at)
      : isWaitFor(step)
        ? await runWaitFor(services, context, frame, step, at)
        : { failed: false, wrote: false };
    failed ||= end.failed;
    wrote ||= end.wrote;
    cancelled ||= end.cancelled ?? false;
    if (!end.failed) good++;
    stop = end.stop;
  }
  const state: RunState = cancelled
    ? 'cancelled'
    : !failed
      ? 'succeeded'
      : good > 0 && stop === undefined
        ? 'partial'
        : 'failed';
  return finish(services, context, runId, {
    state,
    ...(stop !== undefined && { reason: stop }),
    ...(dedupe && { dedupe: { key: dedupe.key, seconds: dedupe.seconds, wrote }, dedupeKey: dedupe.key }),
  });
}

/** Everything before the first step, in one: what is run, whether it is meant, and whether its dedupe key is free. */
async function begin(services: AutomationServices, runId: string): Promise<Beginning> {
  const run = await findRun(services.table, runId);
  if (run?.state !== 'running')
    return { go: false, state: run?.state ?? 'failed', reason: run?.reason ?? 'The run is not known.' };
  const definition = JSON.parse(run.definition) as Pick<Definition, 'do' | 'if' | 'dedupe' | 'maxPerMinute'>;
  const event = await eventOf(services, run);
  if (event === undefined && (run.eventId !== undefined || run.event !== undefined)) {
    return { go: false, state: 'failed', reason: 'Its event is not kept any more.' };
  }
  const startedAt = services.clock.now();
  const bindings: RunFrame['bindings'] = {
    event: event ?? null,
    steps: {},
    run: {
      id: runId,
      ref: refOf(run.eventId ?? runId),
      startedAt: new Date(startedAt).toISOString(),
      event: event ?? null,
    },
  };
  const options = { now: startedAt, seed: runId };
  const reuse = run.reuse && run.replayOf !== undefined ? await succeeded(services, run.replayOf) : {};
  const frame = { run, steps: definition.do, bindings, reuse, startedAt };
  try {
    if (definition.if !== undefined && (await evaluate(definition.if, bindings, options)) !== true) {
      return { go: false, state: 'skipped', reason: 'Its condition does not hold.' };
    }
    // A replay was asked for by a person: what it repeats is neither one too many nor swallowed as a duplicate.
    if (run.replayOf !== undefined) return { go: true, frame };
    const full = async () => {
      const most = definition.maxPerMinute;
      return most !== undefined && (await countRun(services, run.owner, 'acting')) > most ? tooMany(most) : undefined;
    };
    const key = definition.dedupe && (await evaluate(definition.dedupe.key, bindings, options));
    if (!definition.dedupe || key === undefined || key === null) {
      const reason = await full();
      return reason === undefined ? { go: true, frame } : { go: false, state: 'suppressed', reason };
    }
    const text = typeof key === 'string' ? key : JSON.stringify(key);
    const claim = await claimKey(services, run.owner, text, runId);
    if (claim !== 'mine' && claim.state === 'done') {
      return {
        go: false,
        state: 'suppressed',
        reason: `Swallowed as a duplicate by ${claim.takenBy}.`,
        dedupeKey: text,
      };
    }
    const dedupe = { key: text, seconds: definition.dedupe.seconds };
    const reason = await full();
    if (reason === undefined) return { go: true, frame, dedupe: { ...dedupe, busy: claim !== 'mine' } };
    // The next one with the same key may act when there is room again.
    const end = claim === 'mine' && { dedupe: { ...dedupe, wrote: false } };
    return { go: false, state: 'suppressed', reason, dedupeKey: text, ...end };
  } catch (error) {
    return {
      go: false,
      state: 'failed',
      reason: `An expression failed: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/** Runs with equal keys go one after another: waits until the run before has ended, and ends here if it made a write. */
async function waitForTurn(
  services: AutomationServices,
  context: DurableContext,
  run: RunItem,
  key: string,
): Promise<{ state: RunState; reason: string } | undefined> {
  for (let round = 0; ; round++) {
    await context.wait(`turn ${round}`, Math.min(60, firstTurn * 2 ** Math.min(round, 6)));
    const claim = await context.step(`claim ${round}`, () => claimKey(services, run.owner, key, run.id));
    if (claim === 'mine') return undefined;
    if (claim.state === 'done') return { state: 'suppressed', reason: `Swallowed as a duplicate by ${claim.takenBy}.` };
  }
}

async function finish(
  services: AutomationServices,
  context: DurableContext,
  runId: string,
  end: {
    state: RunState;
    reason?: string;
    dedupeKey?: string;
    dedupe?: DedupeEnd;
  },
): Promise<{ state: RunState }> {
  await context.step('end', async () => {
    const run = await findRun(services.table, runId);
    if (!run) return;
    if (end.dedupe) await endClaim(services, run.owner, end.dedupe.key, runId, end.dedupe);
    await endRun(services, run, end.state, end.reason, end.dedupeKey);
    // An automation that hears of failed runs and fails itself tells nobody: it would hear of itself.
    const loops = run.eventId !== undefined && (await eventOf(services, run))?.type === 'trunkline.run.failed';
    if ((end.state !== 'failed' && end.state !== 'partial') || loops) return;
    await appendOwnEvent(services, {
      type: 'trunkline.run.failed',
      id: runId,
      data: {
        runId,
        ...(run.owner !== callsOwner && { automationId: run.owner }),
        automation: run.name,
        ...(run.eventId !== undefined && { eventId: run.eventId }),
        state: end.state,
        reason: end.reason ?? 'A step failed; see the run.',
      },
    });
  });
  return { state: end.state };
}

async function eventOf(services: AutomationServices, run: RunItem): Promise<TrunklineEvent | undefined> {
  if (run.event !== undefined) return JSON.parse(run.event) as TrunklineEvent;
  if (run.eventId === undefined) return undefined;
  const item = await findEvent(services, run.eventId);
  return item && shownEvent(services.files, item);
}

/** What the steps of a run gave that succeeded, by step and item. */
async function succeeded(services: AutomationServices, runId: string): Promise<Record<string, unknown>> {
  const steps = (await stepsOf(services.table, runId)).filter((step) => step.state === 'succeeded');
  const entries = await Promise.all(
    steps.map(async (step) => [reuseKey(step), (await outputOf(services.files, step)) ?? null] as const),
  );
  return Object.fromEntries(entries);
}

export const reuseKey = (step: Pick<StepItem, 'name' | 'index'>): string => `${step.name}#${step.index}`;

/** Four hexadecimal digits that people can read out: `7F3A`. */
function refOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 4).toUpperCase();
}
