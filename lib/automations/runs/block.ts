import type { DurableContext } from '../../core/durable.ts';
import type { RunContext, StepEnd } from './run-context.ts';
import type { StepChange, StepPlace } from './step-records.ts';

/** Begins a step that contains others. False if its condition keeps it from being carried out. */
export async function beginBlock(
  run: RunContext,
  context: DurableContext,
  place: StepPlace,
  condition: string | undefined,
): Promise<boolean> {
  const refusal = await context.step(`${place.name} begins`, async () => {
    const reason = await run.refusal(condition, place, run.services.clock.now());
    await run.records.write(
      place,
      reason === undefined ? { state: 'running', attempts: 1 } : { state: 'skipped', reason },
    );
    return reason ?? null;
  });
  return refusal === null;
}

/** Records the end of a step that contains others. */
export async function endBlock(
  run: RunContext,
  context: DurableContext,
  place: StepPlace,
  change: Pick<StepChange, 'state' | 'attempts' | 'error'>,
): Promise<void> {
  await context.step(`${place.name} ends`, async () => {
    await run.records.write(place, change);
  });
}

/** What the steps within a step contribute to its end. */
export function sumOf(ends: readonly StepEnd[]): Pick<StepEnd, 'succeeded' | 'wrote' | 'silent'> {
  return {
    succeeded: ends.reduce((sum, end) => sum + end.succeeded, 0),
    wrote: ends.some(({ wrote }) => wrote),
    silent: ends.some(({ silent }) => silent),
  };
}
