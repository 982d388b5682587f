import { randomUUID } from 'node:crypto';
import { SendingPaused } from '../../api/pause/pause.ts';
import { invoke } from '../../connections/invoke.ts';
import { openInput, sealInput } from '../../connections/sealed-input.ts';
import type { Clock } from '../../core/clock.ts';
import { type DurableContext, StepInterrupted } from '../../core/durable.ts';
import { GatewayError } from '../../core/errors.ts';
import type { HttpClient } from '../../core/http/client.ts';
import type { Operation } from '../../core/operation.ts';
import { isReserved, monthEnd, reservedReason } from '../../core/quota.ts';
import { maskerOf, maskIn, redact, redactText } from '../../core/redaction/redact.ts';
import { wholeEvent } from '../../events/log.ts';
import { ExpressionFailure } from '../../expressions/pool.ts';
import { type CallStep, target, unlessOf } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { operationsPerItem } from './durable-operations.ts';
import { eachItem, type ItemWork, itemsOf } from './items.ts';
import { firstOccurred } from './occurred.ts';
import { operationIn, vendorIn } from './operations.ts';
import { pause } from './pause.ts';
import { isExpressionFailure, isLost, retryPolicy, secondsToNextAttempt } from './retry.ts';
import type { AutomationServices, RunContext, StepEnd } from './run-context.ts';
import type { StepError, StepState } from './runs.ts';
import { opened, sealed } from './sealed.ts';
import { inputHash, type StepPlace } from './step-records.ts';

/** The outcome of one attempt of a call; plain JSON, remembered by the execution. */
interface Attempt {
  state: StepState | 'cancelled';
  output?: unknown;
  /** The output of a secret read, encrypted, in place of `output`. */
  sealed?: string;
  error?: StepError;
  /** Seconds until the next attempt. */
  next?: number;
  /** True when nothing was attempted because sending is paused, or what is left of a quota is reserved. */
  paused?: true;
  /** Since when sending is paused, if it is. */
  pausedSince?: number;
  /** When the first attempt started, in epoch milliseconds. */
  firstAt: number;
}

export type ItemEnd = Pick<Attempt, 'state' | 'output' | 'error'>;

/** A long-running operation has the whole of an invocation, less a margin; others have the gateway's 25 s. */
const longCallMs = 13 * 60_000;
const callMs = 25_000;
/** An alarm has a shorter timeout: further attempts remain, and other recipients are waiting. */
const alarmCallMs = 10_000;
/** How often a step that waits for the next month checks whether the quota was raised. */
const quotaCheckMs = 12 * 60 * 60_000;
const maxSpreadMs = 5 * 60_000;

/**
 * Runs a step that calls an operation: once, or once for each item of a list. `attempted` is called when the first attempt is
 * over.
 */
export async function runCall(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: CallStep,
  attempted: () => void,
): Promise<StepEnd> {
  const name = run.nameOf(placed);
  const { vendor: vendorName, operation: operationName } = target(step);
  const operation = operationIn(run.vendors, vendorName, operationName);
  const place = run.place(placed, step.call);
  if (step.forEach === undefined) {
    const ended = await callUntilDone(run, context, step, operation, place, name, run.item, attempted);
    return finish(run, step, operation, [ended], { output: ended.output ?? null, ...errorOf(ended) });
  }

  const items = await itemsOf(run, context, placed, place, step.forEach);
  if ('error' in items) {
    const failed: ItemEnd = { state: 'failed', error: items.error };
    return finish(run, step, operation, [failed], { output: null, error: items.error });
  }
  const work = callItems(run, placed, step, attempted);
  const all = await eachItem(run, context, placed, items, work, attempted);
  const left = Array.from({ length: items.list.length - all.length }, () => null);
  const errors = [...all.map((each) => each.error ?? null), ...left];
  const [first] = errors.filter((error) => error !== null);
  return finish(run, step, operation, all, {
    output: [...all.map((each) => each.output ?? null), ...left],
    ...(first && { error: first, errors }),
  });
}

/** How the items of a call with `forEach` are carried out. */
export function callItems(
  run: RunContext,
  placed: PlacedStep,
  step: CallStep,
  attempted: () => void = () => undefined,
): ItemWork<ItemEnd> {
  const { vendor, operation: operationName } = target(step);
  const operation = operationIn(run.vendors, vendor, operationName);
  const place = run.place(placed, step.call);
  const name = run.nameOf(placed);
  return {
    concurrency: step.concurrency ?? vendorIn(run.vendors, vendor)?.concurrency.stepItems ?? 1,
    maxOperationsPerItem: operationsPerItem(placed, run.maxPerCall),
    work: (inner, item, index) =>
      callUntilDone(run, inner, step, operation, { ...place, index }, `${name}[${index}]`, item, attempted),
    isEnough: (ends) => ends.some((end) => isLast(step, end)),
  };
}

/** If the run must not continue after an error, no further item is started; nor after an error that ends the list. */
function isLast(step: CallStep, { state, error }: ItemEnd): boolean {
  if (state === 'cancelled') return true;
  if (state === 'succeeded' || state === 'skipped') return false;
  return step.onError !== 'continue' || (error !== undefined && step.stopOn?.includes(error.code) === true);
}

/**
 * One call with its retries. Each attempt is a separate durable step, so a replay knows its result while the next one is
 * pending.
 */
async function callUntilDone(
  run: RunContext,
  context: DurableContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  name: string,
  item: unknown,
  attempted: () => void,
): Promise<ItemEnd> {
  let firstAt: number | undefined;
  let uncounted = 0;
  for (let attempt = 1; ; attempt++) {
    const durableName = attempt === 1 ? name : `${name} attempt ${attempt}`;
    const number = attempt - uncounted;
    const ended = await tryOnce(run, context, step, operation, place, durableName, item, number, firstAt);
    attempted();
    if (ended.next === undefined) return ended;
    // While sending is paused, nothing is attempted and no time limit runs down.
    if (ended.paused) uncounted++;
    firstAt = ended.paused ? undefined : ended.firstAt;
    const cancelled = await pause(run, context, `${name} pause ${attempt}`, ended.next, ended.pausedSince);
    if (cancelled) return { ...ended, state: 'cancelled' };
  }
}

async function tryOnce(
  run: RunContext,
  context: DurableContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  name: string,
  item: unknown,
  attempt: number,
  firstAt: number | undefined,
): Promise<Attempt> {
  const isWrite = operation !== undefined && operation.effect !== 'read';
  const isHidden = step.secret === true && !isWrite;
  try {
    const { sealed: hidden, ...ended } = await context.step(
      name,
      async (): Promise<Attempt> => {
        const { output, ...rest } = await callOnce(run, step, operation, place, item, attempt, firstAt);
        return isHidden ? { ...rest, sealed: await sealed(run, output) } : { ...rest, output };
      },
      { atMostOnce: isWrite },
    );
    return hidden === undefined ? ended : { ...ended, output: await opened(run, hidden) };
  } catch (error) {
    // The attempt left no result: it was interrupted, or the execution could not store it.
    const ended = await context.step<Attempt | undefined>(`${name} ended`, () =>
      afterInterruption(run, step, operation, place, attempt, error),
    );
    // A run that an earlier version started has no stored value here.
    return ended ?? { ...failureOf(error, isWrite), firstAt: run.facts.startedAt };
  }
}

/**
 * One attempt: cancellation, condition, input, `unless`, the vendor. Its record is written before and after the request to the
 * vendor.
 */
async function callOnce(
  run: RunContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  item: unknown,
  attempt: number,
  firstStartedAt: number | undefined,
): Promise<Attempt> {
  const { services, records } = run;
  const startedAt = services.clock.now();
  const firstAt = firstStartedAt ?? startedAt;
  const asked = { yes: false };
  try {
    if (await run.isCancelled()) {
      await records.write(place, { state: 'skipped', reason: 'The run was cancelled.' });
      return { state: 'cancelled', firstAt };
    }
    const refusal = await run.refusal(step.if, place, firstAt, item);
    if (refusal !== undefined) return await skip(refusal);
    const rendered = (await run.render(step.input ?? {}, place, firstAt, item)) ?? {};
    // The definition's schema requires an object, and rendering preserves its shape.
    const plain = rendered as Record<string, unknown>;
    // From here on, the record and its hash included, a password is sealed; it is opened for the request.
    const input = operation ? await sealInput(services.secrets, target(step).vendor, operation, plain) : plain;
    const secret = step.secret === true;
    const kept =
      run.run.reuse === true &&
      (await run.keptOutput(place, inputHash(place.name, input, secret), JSON.stringify(redact(input))));
    if (kept) {
      await records.write(place, { state: 'succeeded', kept: true, input, secret, output: kept.output });
      return { state: 'succeeded', output: kept.output, firstAt };
    }
    await records.write(place, { state: 'running', attempts: attempt, input, secret });
    // If no process can evaluate a condition, the call is made rather than left out.
    const occurred = await firstOccurred(run, unlessOf(step), item).catch((error: unknown) => {
      if (error instanceof ExpressionFailure) return undefined;
      throw error;
    });
    if (occurred !== undefined) {
      const { event, awaited } = occurred;
      if (awaited.if) {
        const shown = await wholeEvent(services.files, event);
        await run.tellRefusal(awaited.if, place, { event: shown, item: item ?? null });
      }
      return await skip(`${event.type} has come: ${event.id}.`);
    }
    await requireQuota(run, step);
    const output = await askVendor(run, step, operation, place, input, asked);
    await recordSuccess(run, place, attempt, output, secret && operation?.effect === 'read');
    return { state: 'succeeded', output, firstAt };
  } catch (error) {
    const elapsedMs = services.clock.now() - firstAt;
    return fail(run, step, operation, place, attempt, { error, elapsedMs, asked: asked.yes, firstAt });
  }

  async function skip(reason: string): Promise<Attempt> {
    await records.write(place, { state: 'skipped', reason });
    return { state: 'skipped', firstAt };
  }
}

/** Throws `paused` while what is left of the connection's quota is reserved for alarms, and the run raises none. */
async function requireQuota({ run, services }: RunContext, step: CallStep): Promise<void> {
  // Runs of earlier versions do not say whether they raise an alarm; a rehearsal sends nothing.
  if (run.alarm !== false || services.overrides) return;
  const { vendor, connection } = target(step);
  const quota = await services.usage.quota(await services.connections.find(vendor, connection));
  if (!quota || !isReserved(quota)) return;
  const now = services.clock.now();
  // The runs that waited do not all continue in the same second.
  const waitMs = Math.min(monthEnd(now) - now, quotaCheckMs) + services.random.number() * maxSpreadMs;
  throw new GatewayError('paused', `quota: ${reservedReason(`${vendor}/${connection}`, 'The step continues', now)}`, {
    retryAfter: Math.ceil(waitMs / 1000),
  });
}

/** Sends the request; `asked` is set as soon as anything is sent to the vendor. */
async function askVendor(
  run: RunContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  input: Record<string, unknown>,
  asked: { yes: boolean },
): Promise<unknown> {
  const { services } = run;
  const { vendor: vendorName, connection, operation: operationName } = target(step);
  const vendor = vendorIn(run.vendors, vendorName);
  if (!vendor || !operation) throw new GatewayError('not_found', `There is no ${step.call}.`);
  // A long-running call is this step itself; it does not start another run.
  const { startRun: _, ...shared } = services;
  const { keyId, name, scopes } = run.run;
  const isSlow = operation.slow !== undefined;
  const defaultMs = isSlow ? longCallMs : operation.alarm ? alarmCallMs : callMs;
  const principal = { keyId, name, scopes, perMinute: Number.POSITIVE_INFINITY };
  const deadline = deadlineOf(services.clock, step.timeout === undefined ? defaultMs : step.timeout * 1000);
  const { input: whole, opened } = await openInput(services.secrets, vendorName, operation, input);
  const masker = maskerOf(opened);
  try {
    const answer = await (services.overrides?.invoke ?? invoke)(
      { ...shared, http: watched(services.http, asked) },
      vendor,
      { principal, connection, operation: operationName, input: whole },
      { requestId: randomUUID(), signal: deadline.signal, ...(isSlow && { progress: progressOf(run) }) },
      { runId: run.run.id, step, at: place.at, index: place.index },
    );
    return 'file' in answer ? await storedFile(services, run, place, answer.file) : maskIn(answer.body, masker);
  } catch (error) {
    if (error instanceof GatewayError) error.message = masker(error.message);
    throw error;
  } finally {
    deadline.cancel();
  }
}

/** A signal that aborts after a timeout, unless it is cancelled first. */
function deadlineOf(clock: Clock, ms: number): { signal: AbortSignal; cancel: () => void } {
  const late = new AbortController();
  const done = new AbortController();
  const expire = () => late.abort(new DOMException('The time of this attempt is up.', 'TimeoutError'));
  void clock.sleep(ms, done.signal).then(expire, () => undefined);
  return { signal: late.signal, cancel: () => done.abort() };
}

/** The vendor has carried the request out: a database error at this point must not turn it into a failure. */
async function recordSuccess(
  run: RunContext,
  place: StepPlace,
  attempts: number,
  output: unknown,
  withheld: boolean,
): Promise<void> {
  try {
    const shown = withheld ? { withheld } : { output: output ?? null };
    await run.records.write(place, { state: 'succeeded', attempts, ...shown });
  } catch (error) {
    run.services.log?.({
      level: 'error',
      message: 'step record not written',
      run: run.run.id,
      step: place.name,
      reason: String(error),
    });
  }
}

async function fail(
  run: RunContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  attempt: number,
  failed: { error: unknown; elapsedMs: number; asked: boolean; firstAt: number },
): Promise<Attempt> {
  const { firstAt, ...rest } = failed;
  if (failed.error instanceof GatewayError && failed.error.code === 'paused') {
    return waitForResumption(run, place, attempt, failed.error, firstAt);
  }
  const { state, error } = failureOf(failed.error, failed.asked && operation?.effect !== 'read');
  const policy = retryPolicy(step, operation ?? {});
  const next = operation && secondsToNextAttempt({ ...rest, attempt }, policy, operation);
  await run.records
    .write(place, {
      attempts: attempt,
      ...(error && { error }),
      ...(next === undefined ? { state } : { state: 'running', nextAttemptAt: run.services.clock.now() + next * 1000 }),
    })
    .catch((cause: unknown) => {
      run.services.log?.({
        level: 'error',
        message: 'step record not written',
        run: run.run.id,
        step: place.name,
        reason: String(cause),
      });
    });
  return { state, ...(error && { error }), ...(next !== undefined && { next }), firstAt };
}

/** Sending is paused, or the quota is reserved: the step is tried again later, and the run counts as waiting. */
async function waitForResumption(
  run: RunContext,
  place: StepPlace,
  attempt: number,
  refusal: GatewayError,
  firstAt: number,
): Promise<Attempt> {
  const { services, records } = run;
  const { code, message, status, retryable, retryAfter = 60 } = refusal;
  const now = services.clock.now();
  // A run of an earlier version has no wait that an event could end.
  const sending = refusal instanceof SendingPaused && !run.sequential ? refusal.pause : undefined;
  const next = sending ? services.pause.waitSeconds(sending) : retryAfter;
  const until = now + next * 1000;
  const error = { code, message, status, retryable };
  await records.write(place, { state: 'running', attempts: attempt - 1, error, nextAttemptAt: until });
  const { pk, sk } = run.run;
  const waiting = { reason: message, until };
  await services.table.update({ pk, sk }, 'SET #pausedAt = :now, #waiting = :waiting', { now, waiting });
  return {
    state: 'running',
    error,
    next,
    paused: true,
    firstAt,
    ...(sending && { pausedSince: sending.since }),
  };
}

/** Determines what follows an interrupted attempt. Its record shows whether a request can have reached the vendor. */
async function afterInterruption(
  run: RunContext,
  step: CallStep,
  operation: Operation | undefined,
  place: StepPlace,
  attempt: number,
  thrown: unknown,
): Promise<Attempt> {
  const record = await run.records.read(place);
  const now = run.services.clock.now();
  const firstAt = record?.startedAt ?? now;
  if (record?.state === 'succeeded') {
    return { state: 'succeeded', firstAt, ...(record.output !== undefined && { output: JSON.parse(record.output) }) };
  }
  const asked = (record?.attempts ?? 0) >= attempt;
  const error =
    asked && thrown instanceof StepInterrupted
      ? new GatewayError(
          'outcome_unknown',
          'The step was interrupted, and it is not known whether the vendor carried it out. Check before you replay it.',
          { outcome: 'unknown' },
        )
      : thrown;
  return fail(run, step, operation, place, attempt, { error, elapsedMs: now - firstAt, asked, firstAt });
}

/** The same client; also notes that a request was sent. */
function watched(http: HttpClient, asked: { yes: boolean }): HttpClient {
  const noting =
    <Args extends unknown[], Result>(send: (...args: Args) => Result) =>
    (...args: Args): Result => {
      asked.yes = true;
      return send(...args);
    };
  return { ...http, request: noting(http.request.bind(http)), stream: noting(http.stream.bind(http)) };
}

/** Writes the progress of a transfer into the run, at most once a second. */
function progressOf(run: RunContext): (done: number, total: number) => Promise<void> {
  const { services } = run;
  let last = 0;
  return async (done, total) => {
    const now = services.clock.now();
    if (now - last < 1_000 && done < total) return;
    last = now;
    const { pk, sk } = run.run;
    await services.table.update({ pk, sk }, 'SET #progress = :progress', { progress: { done, total } });
  };
}

/** A file that a step received is stored beside the run; later steps see its location. */
async function storedFile(
  services: AutomationServices,
  run: RunContext,
  { at, index }: StepPlace,
  file: { stream: Parameters<AutomationServices['files']['put']>[1]; type: string; name?: string },
): Promise<unknown> {
  const key = `runs/${run.run.id}/${at}/${index}.file`;
  await services.files.put(key, file.stream, file.type);
  return {
    url: await services.files.link(key, 24 * 60 * 60, file.name),
    type: file.type,
    ...(file.name !== undefined && { name: file.name }),
  };
}

function failureOf(error: unknown, asked: boolean): { state: 'failed' | 'unknown'; error: StepError } {
  const state = isLost(error, asked) ? 'unknown' : 'failed';
  if (error instanceof GatewayError) {
    const { code, message, status, retryable } = error;
    return { state, error: { code, message, status, retryable } };
  }
  const message = redactText(error instanceof Error ? error.message : String(error));
  return isExpressionFailure(error)
    ? { state, error: { code: 'invalid_input', message: `An expression failed: ${message}` } }
    : { state, error: { code: 'internal', message } };
}

function errorOf({ error }: ItemEnd): { error?: StepError } {
  return error ? { error } : {};
}

function finish(
  run: RunContext,
  step: CallStep,
  operation: Operation | undefined,
  all: readonly ItemEnd[],
  result: Parameters<RunContext['finishStep']>[1],
): StepEnd {
  const bad = all.filter(({ state }) => state === 'failed' || state === 'unknown');
  const good = all.filter(({ state }) => state === 'succeeded');
  const [first] = bad;
  const words = first && `Step ${step.name}: ${first.error?.message ?? 'failed'}`;
  const reason = bad.length > 1 ? `${words} (and ${bad.length - 1} more)` : words;
  const isWrite = operation !== undefined && operation.effect !== 'read';
  const stop = step.onError === 'continue' ? undefined : reason;
  const end = {
    name: step.name,
    cancelled: all.some(({ state }) => state === 'cancelled'),
    succeeded: good.length,
    wrote: isWrite && good.length > 0,
    ...(operation?.alarm && bad.length > 0 && { silent: true }),
    ...(reason !== undefined && { reason }),
    ...(first?.error && { code: first.error.code }),
    ...(stop !== undefined && { stop }),
  };
  return run.finishStep(end, result);
}
