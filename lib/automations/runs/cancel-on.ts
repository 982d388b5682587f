import type { DurableContext } from '../../core/durable.ts';
import { type Awaited, cancelledBy } from '../definition.ts';
import { definitionOfRun } from './begin.ts';
import { hasOccurred } from './occurred.ts';
import { cancelRun } from './pause.ts';
import type { RunContext } from './run-context.ts';
import { register } from './wait.ts';

/** Longer than any run: what Lambda allows a durable execution. */
const maxRunSeconds = 31 * 86_400;

/**
 * Cancels a run when one of the events of its `cancelOn` comes, or has come since its cause. Resolves when it watches; the run then
 * begins its steps.
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
    const waited = inner.waitFor<unknown>(
      'cancel on',
      (callbackId) => register(run, awaited, until, callbackId),
      maxRunSeconds,
    );
    watching.resolve();
    if ((await waited).done) await inner.step('cancel on ends', () => cancelIfOccurred(run, awaited));
  });
  // The steps go on beside it: it ends with the run, and only what keeps it from watching matters to them.
  watch.then(watching.resolve, watching.reject);
  await watching.promise;
}

async function cancelIfOccurred(run: RunContext, awaited: readonly Awaited[]): Promise<boolean> {
  for (const each of awaited) {
    const found = await hasOccurred(run, each);
    if (!found) continue;
    await cancelRun(run.services, run.run, `${found.type} has come: ${found.id}.`);
    return true;
  }
  return false;
}
