import { randomUUID } from 'node:crypto';
import { invoke, operationOf } from '../../connections/invoke.ts';
import { type DurableContext, StepInterrupted } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import type { Catalogue } from '../../core/vendor.ts';
import { evaluate } from '../../expressions/expression.ts';
import { type CallStep, target } from '../definition.ts';
import { type AutomationServices, type RunFrame, reuseKey, type StepEnd } from './run.ts';
import { findRun, recordStep, type StepError, type StepState } from './runs.ts';

/** How one item of a step ended; plain JSON, remembered by the execution. */
interface Ended {
  state: StepState | 'cancelled';
  output?: unknown;
  error?: StepError;
}

const maxItems = 500;
/** A step has the whole of an invocation, less a margin, for calls that take long; others have the gateway's 25 s. */
const longCall = 13 * 60_000;
const shortCall = 25_000;
/** Seconds before the next attempt of a read, and of a write that certainly did not reach its vendor. */
const delays = [2, 5, 15, 60, 180];

/** Runs a step that calls an operation: once, or once for each item of a list. */
export async function runCallStep(
  services: AutomationServices,
  vendors: Catalogue,
  context: DurableContext,
  frame: RunFrame,
  step: CallStep,
  at: number,
): Promise<StepEnd> {
  const { vendor: vendorName, operation: operationName } = target(step);
  const vendor = vendors[vendorName as keyof Catalogue];
  const operation = vendor && operationOf(vendor, operationName);
  const isWrite = operation !== undefined && operation.effect !== 'read';

  const runOne = async (inner: DurableContext, name: string, index: number, item: unknown): Promise<Ended> => {
    try {
      return await inner.step(name, (attempt) => callOnce(services, vendors, frame, step, at, index, item, attempt), {
        atMostOnce: isWrite,
        retry: (error, attempt) => nextAttempt(error, attempt, operation),
      });
    } catch (error) {
      const ended = failureOf(error);
      const state = ended.state === 'cancelled' ? 'failed' : ended.state;
      await inner.step(`${name} ended`, () =>
        recordStep(services, {
          ...stepBase(services, frame, step, at, index),
          state,
          ...(ended.error && { error: ended.error }),
          attempts: 1,
          endedAt: services.clock.now(),
        }),
      );
      return ended;
    }
  };

  if (step.forEach === undefined) {
    const ended = await runOne(context, step.name, 0, undefined);
    frame.bindings.steps[step.name] = { output: ended.output ?? null, ...(ended.error && { error: ended.error }) };
    return endOf(step, [ended], isWrite);
  }

  const items = await context.step(`${step.name} items`, () => itemsOf(frame, step));
  if ('error' in items) {
    frame.bindings.steps[step.name] = { output: null, error: items.error };
    return endOf(step, [{ state: 'failed', error: items.error }], isWrite);
  }
  const all: Ended[] = [];
  const wide = vendor?.concurrency.stepItems ?? 1;
  for (let from = 0; from < items.list.length; from += wide) {
    const part = items.list.slice(from, from + wide);
    const settled = await context.map(
      `${step.name} ${from}`,
      part,
      (inner, item, index) => runOne(inner, `${step.name}[${from + index}]`, from + index, item),
      { concurrency: wide },
    );
    all.push(...settled.map((each) => (each.done ? each.value : failureOf(each.error))));
    // Where the run must not go on after an error, no further item is begun either: 406, the licence is used up, stops the batch.
    if (step.onError !== 'continue' && all.some((each) => each.state !== 'succeeded' && each.state !== 'skipped'))
      break;
  }
  const left = items.list.length - all.length;
  frame.bindings.steps[step.name] = {
    output: [...all.map((each) => each.output ?? null), ...Array.from({ length: left }, () => null)],
    ...firstError(all),
  };
  return endOf(step, all, isWrite);
}

/** One attempt of one call: condition, input, the vendor, the step log. */
async function callOnce(
  services: AutomationServices,
  vendors: Catalogue,
  frame: RunFrame,
  step: CallStep,
  at: number,
  index: number,
  item: unknown,
  attempt: number,
): Promise<Ended> {
  const base = stepBase(services, frame, step, at, index);
  const kept = frame.reuse[reuseKey({ name: step.name, index })];
  if (kept !== undefined) {
    await recordStep(services, {
      ...base,
      state: 'succeeded',
      kept: true,
      attempts: 0,
      output: kept,
      endedAt: base.startedAt,
    });
    return { state: 'succeeded', output: kept };
  }
  if ((await findRun(services.table, frame.run.id))?.cancelRequested) return { state: 'cancelled' };

  const bindings = { ...seenBy(frame, [step.if, step.input]), item: item ?? null };
  const options = { now: frame.startedAt, seed: `${frame.run.id}/${step.name}/${index}` };
  if (step.if !== undefined && (await evaluate(step.if, bindings, options)) !== true) {
    await recordStep(services, { ...base, state: 'skipped', attempts: attempt, endedAt: services.clock.now() });
    return { state: 'skipped' };
  }
  const input = ((await evaluate(step.input ?? {}, bindings, options)) ?? {}) as Record<string, unknown>;
  await recordStep(services, { ...base, state: 'running', attempts: attempt, input });
  const { vendor: vendorName, connection, operation } = target(step);
  const vendor = vendors[vendorName as keyof Catalogue];
  if (!vendor) throw new GatewayError('not_found', `There is no vendor ${vendorName}.`);
  const { startRun: _, ...kit } = services as AutomationServices & { startRun?: unknown };
  const slow = operationOf(vendor, operation).slow !== undefined;
  try {
    const answer = await invoke(
      kit,
      vendor,
      {
        principal: {
          keyId: frame.run.keyId,
          name: frame.run.name,
          scopes: frame.run.scopes,
          perMinute: Number.POSITIVE_INFINITY,
        },
        connection,
        operation,
        input,
      },
      {
        requestId: randomUUID(),
        signal: AbortSignal.timeout(slow ? longCall : shortCall),
        ...(slow && { progress: progressOf(services, frame) }),
      },
    );
    const output = 'file' in answer ? await storedFile(services, frame, at, index, answer.file) : answer.body;
    await recordStep(services, {
      ...base,
      state: 'succeeded',
      attempts: attempt,
      input,
      output,
      endedAt: services.clock.now(),
    });
    return { state: 'succeeded', output };
  } catch (error) {
    const ended = failureOf(error);
    await recordStep(services, {
      ...base,
      ...ended,
      state: ended.state === 'cancelled' ? 'failed' : ended.state,
      attempts: attempt,
      input,
      endedAt: services.clock.now(),
    });
    throw error;
  }
}

/** What an expression may see, without the outputs that it does not name: they can be long, and each evaluation is handed its own copy. */
function seenBy(frame: RunFrame, template: unknown): RunFrame['bindings'] {
  const text = JSON.stringify(template) ?? '';
  const whole = /steps\s*(?:\[|\)|\*|~>)|\$each|\$keys|\$lookup|\$spread/.test(text);
  const { steps } = frame.bindings;
  return {
    ...frame.bindings,
    steps: whole ? steps : Object.fromEntries(Object.entries(steps).filter(([name]) => text.includes(name))),
  };
}

/** Writes how far a transfer has come into the run, once a second at most. */
function progressOf(services: AutomationServices, frame: RunFrame): (done: number, total: number) => Promise<void> {
  let last = 0;
  return async (done, total) => {
    const now = services.clock.now();
    if (now - last < 1_000 && done < total) return;
    last = now;
    const { pk, sk } = frame.run;
    await services.table.update({ pk, sk }, 'SET #progress = :progress', { progress: { done, total } });
  };
}

/** A file that a step was answered with lies beside the run; later steps see where. */
async function storedFile(
  services: AutomationServices,
  frame: RunFrame,
  at: number,
  index: number,
  file: { stream: Parameters<AutomationServices['files']['put']>[1]; type: string; name?: string },
): Promise<unknown> {
  const key = `runs/${frame.run.id}/${at}/${index}.file`;
  await services.files.put(key, file.stream, file.type);
  return {
    url: await services.files.link(key, 24 * 60 * 60, file.name),
    type: file.type,
    ...(file.name !== undefined && { name: file.name }),
  };
}

function stepBase(services: AutomationServices, frame: RunFrame, step: CallStep, at: number, index: number) {
  return { runId: frame.run.id, at, index, name: step.name, call: step.call, startedAt: services.clock.now() };
}

async function itemsOf(frame: RunFrame, step: CallStep): Promise<{ list: unknown[] } | { error: StepError }> {
  try {
    const value = await evaluate(step.forEach, seenBy(frame, step.forEach), {
      now: frame.startedAt,
      seed: `${frame.run.id}/${step.name}`,
    });
    const list = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
    if (list.length <= maxItems) return { list };
    return {
      error: { code: 'invalid_input', message: `forEach gave ${list.length} items; at most ${maxItems} are allowed.` },
    };
  } catch (error) {
    return { error: failureOf(error).error ?? { code: 'internal', message: 'forEach failed.' } };
  }
}

/**
 * When an attempt is followed by another, in seconds. A write goes again only when it certainly did not reach the vendor; the one
 * exception is an operation that says so itself: an SOS whose answer was lost, at most three times within thirty seconds.
 */
function nextAttempt(error: unknown, attempt: number, operation: Operation | undefined): number | undefined {
  if (!(error instanceof GatewayError)) return undefined;
  const lost = operation?.repeatWhenLost;
  if (error.code === 'outcome_unknown') {
    return lost && attempt < lost.attempts ? Math.floor(lost.seconds / lost.attempts) : undefined;
  }
  const safe = operation?.effect === 'read' ? error.retryable : error.retryable && error.outcome === 'no';
  if (!safe) return undefined;
  const delay = delays[attempt - 1];
  return delay === undefined ? undefined : Math.max(delay, error.retryAfter ?? 0);
}

function failureOf(error: unknown): Ended {
  if (error instanceof StepInterrupted) {
    const message =
      'The step was cut off in the middle; whether the vendor carried it out is not known. Look before you replay it.';
    return { state: 'unknown', error: { code: 'outcome_unknown', message, status: 504, retryable: false } };
  }
  if (error instanceof GatewayError) {
    const { code, message, status, retryable } = error;
    return { state: error.outcome === 'unknown' ? 'unknown' : 'failed', error: { code, message, status, retryable } };
  }
  const name = error instanceof Error ? error.name : '';
  const message = error instanceof Error ? error.message : String(error);
  const known = name === 'ExpressionFailure';
  return {
    state: 'failed',
    error: {
      code: known ? 'invalid_input' : 'internal',
      message: known ? `An expression failed: ${message}` : message,
    },
  };
}

function endOf(step: CallStep, all: readonly Ended[], isWrite: boolean): StepEnd {
  const bad = all.filter((each) => each.state === 'failed' || each.state === 'unknown');
  const cancelled = all.some((each) => each.state === 'cancelled');
  const wrote = isWrite && all.some((each) => each.state === 'succeeded' || each.state === 'unknown');
  const [first] = bad;
  const stop =
    first && step.onError !== 'continue' ? `Step ${step.name}: ${first.error?.message ?? 'failed'}` : undefined;
  return { failed: bad.length > 0, wrote, cancelled, ...(stop !== undefined && { stop }) };
}

function firstError(all: readonly Ended[]): { error?: StepError } {
  const found = all.find((each) => each.error)?.error;
  return found ? { error: found } : {};
}
