import type { DurableContext } from '../../core/durable.ts';
import type { TrunklineEvent } from '../../core/event-type.ts';
import { type EventItem, findEvent, wholeEvent } from '../../events/log.ts';
import { scopesToRead } from '../../events/reading.ts';
import { registerWaiter, type WaitedEvent } from '../../events/waiters.ts';
import { type Awaited, awaitedBy, type WaitForStep, type WaitStep } from '../definition.ts';
import type { PlacedStep } from '../steps.ts';
import { firstOccurred, waitServices, wantedOf } from './occurred.ts';
import { type Cancelled, endOnCancel, pause } from './pause.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import type { StepPlace } from './step-records.ts';

/** Waits for a duration. */
export async function runWait(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: WaitStep,
): Promise<StepEnd> {
  const { name } = placed;
  const { seconds } = step.wait;
  if (run.sequential) {
    await context.wait(name, seconds);
    return run.finishStep({ name }, { output: null });
  }
  const operation = run.nameOf(placed);
  const place = run.place(placed, `wait ${seconds} s`);
  const started = await begin(run, context, operation, place, step, seconds);
  if ('end' in started) return run.finishStep({ name, cancelled: started.end === 'cancelled' }, { output: null });
  const cancelled = await pause(run, context, operation, seconds);
  await context.step(`${operation} ends`, async () => {
    await run.records.write(place, { state: 'succeeded' });
  });
  return run.finishStep({ name, cancelled }, { output: null });
}

/** Waits for an event that meets a condition; the step's output is that event, or null on timeout. */
export async function runWaitFor(
  run: RunContext,
  context: DurableContext,
  placed: PlacedStep,
  step: WaitForStep,
): Promise<StepEnd> {
  const { name } = placed;
  const operation = run.nameOf(placed);
  const { seconds } = step.waitFor;
  const wanted = awaitedBy(step);
  const place = run.place(placed, `waitFor ${wanted.map(({ event }) => event).join(' or ')}`);
  const started = await begin(run, context, operation, place, step, seconds);
  if ('end' in started) return run.finishStep({ name, cancelled: started.end === 'cancelled' }, { output: null });
  const until = started.startedAt + seconds * 1000;
  run.noteWait();
  const waited = await context.waitFor<WaitedEvent | Cancelled>(
    operation,
    (callbackId) => register(run, wanted, until, callbackId),
    seconds,
  );
  const cancelled = waited.done && 'cancelled' in waited.value;
  const event = await context.step(`${operation} ends`, async (): Promise<TrunklineEvent | null> => {
    const found = await (waited.done ? eventOfWait(run, waited.value) : finalCheck(run, step));
    const shown = found ? await wholeEvent(run.services.files, found) : null;
    const reads = found && scopesToRead(found);
    await run.records.write(place, { state: 'succeeded', output: shown, ...(reads && { reads }) });
    return shown;
  });
  return run.finishStep({ name, cancelled }, { output: event });
}

/** Registers one callback for the first of several events or for the cancellation of the run. */
export async function register(
  run: RunContext,
  wanted: readonly Awaited[],
  until: number,
  callbackId: string,
): Promise<void> {
  if (!run.sequential)
    await endOnCancel(
      run,
      callbackId,
      wanted.map(({ event }) => event),
    );
  for (const [alternative, awaited] of wanted.entries()) {
    const found = await registerWaiter(waitServices(run.services), {
      ...(await wantedOf(run, awaited, until)),
      callbackId,
      alternative,
    });
    if (found) return;
  }
}

/** The event that ended a wait; undefined if the run was cancelled. */
export async function eventOfWait(
  { services }: RunContext,
  value: WaitedEvent | Cancelled,
): Promise<EventItem | undefined> {
  return 'eventId' in value ? findEvent(services, value.eventId) : undefined;
}

/** Before a wait times out, polled sources are read now and the log is searched once more. */
async function finalCheck(run: RunContext, step: WaitForStep): Promise<EventItem | undefined> {
  const wanted = awaitedBy(step);
  await Promise.all(
    wanted.map(({ event, connection }) => run.services.pollNow?.(event, connection).catch(() => undefined)),
  );
  return (await firstOccurred(run, wanted))?.event;
}

/** Records the start of a wait, unless its condition does not hold or the run is cancelled. */
async function begin(
  run: RunContext,
  context: DurableContext,
  operation: string,
  place: StepPlace,
  step: WaitStep | WaitForStep,
  seconds: number,
): Promise<{ startedAt: number } | { end: 'skipped' | 'cancelled' }> {
  const started = await context.step<number | { startedAt: number } | { end: 'skipped' | 'cancelled' }>(
    `${operation} begins`,
    async () => {
      const now = run.services.clock.now();
      if (await run.isCancelled()) {
        await run.records.write(place, { state: 'skipped', reason: 'The run was cancelled.' });
        return { end: 'cancelled' };
      }
      const refusal = await run.refusal(step.if, place, now);
      if (refusal !== undefined) {
        await run.records.write(place, { state: 'skipped', reason: refusal });
        return { end: 'skipped' };
      }
      await run.records.write(place, {
        state: 'running',
        attempts: 1,
        input: { seconds },
        restsUntil: now + seconds * 1000,
      });
      return { startedAt: now };
    },
  );
  // An earlier version remembered only the time.
  return typeof started === 'number' ? { startedAt: started } : started;
}
