import type { DurableContext } from '../../core/durable.ts';
import type { EventItem } from '../../events/log.ts';
import type { WaitedEvent } from '../../events/waiters.ts';
import { type Awaited, cancelledBy } from '../definition.ts';
import { firstOccurred } from './occurred.ts';
import { type Cancelled, cancelRun } from './pause.ts';
import type { RunContext } from './run-context.ts';
import { definitionOfRun } from './runs.ts';
import { eventOfWait, register } from './wait.ts';

/** Longer than any run: Lambda's limit for a durable execution. */
const maxRunSeconds = 31 * 86_400;

/**
 * Cancels a run when one of the events of its `cancelOn` arrives, or has arrived since its cause. Resolves once it is watching;
 * the run then starts its steps.
 */
export async function watchForCancel(run: RunContext, context: DurableContext): Promise<void> {
  const awaited = cancelledBy(definitionOfRun(run.run));
  if (awaited.length === 0) return;
  run.noteWait();
  const watching = Promise.withResolvers<void>();
  const watch = context.branch('cancel on', async (inner) => {
    const isOver = await inner.step('cancel on begins', () => cancelIfOccurred(run, awaited));
    if (isOver) return;
    const until = run.facts.startedAt + maxRunSeconds * 1000;
    const waiting = inner.waitFor<WaitedEvent | Cancelled>(
      'cancel on',
      (callbackId) => register(run, awaited, until, callbackId),
      maxRunSeconds,
    );
    watching.resolve();
    const waited = await waiting;
    if (waited.done)
      await inner.step('cancel on ends', async () => cancelFor(run, await eventOfWait(run, waited.value)));
  });
  // The steps run in parallel with it: it ends with the run, and the steps only depend on errors that prevent it from watching.
  watch.then(watching.resolve, watching.reject);
  await watching.promise;
}

async function cancelIfOccurred(run: RunContext, awaited: readonly Awaited[]): Promise<boolean> {
  const found = await firstOccurred(run, awaited);
  await cancelFor(run, found?.event);
  return found !== undefined;
}

async function cancelFor({ services, run }: RunContext, event: EventItem | undefined): Promise<void> {
  if (event) await cancelRun(services, run, `${event.type} has come: ${event.id}.`);
}
