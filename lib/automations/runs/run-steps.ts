import type { DurableContext } from '../../core/durable.ts';
import type { PlacedStep } from '../steps.ts';
import type { RunContext } from './run-context.ts';

/** How a list of steps ended. */
export interface SequenceEnd {
  /** Why the run must stop. */
  stop?: string;
  cancelled: boolean;
}

/** Runs nested steps. */
export type RunSteps = (run: RunContext, context: DurableContext, steps: readonly PlacedStep[]) => Promise<SequenceEnd>;
