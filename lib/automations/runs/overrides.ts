import type { GatewayServices, Invocation, InvokeAnswer } from '../../connections/invoke.ts';
import type { CallScope } from '../../connections/vendor-calls.ts';
import type { Vendor } from '../../core/vendor.ts';
import type { EvaluateOptions } from '../../expressions/expression.ts';
import type { CallStep } from '../definition.ts';

/** The step of a run, or one item of it. */
export interface StepCall {
  runId: string;
  step: CallStep;
  at: number;
  index: number;
}

/** A condition that kept a run or one of its steps from being carried out. */
export interface UnmetCondition {
  runId: string;
  /** The step and its item; absent for the run as a whole. */
  place?: { at: number; index: number };
  condition: string;
  /** What the condition was evaluated over. */
  bindings: Readonly<Record<string, unknown>>;
}

/** How a run evaluates and calls. A rehearsal is the same run with other hands, over a table and a clock of its own. */
export interface RunOverrides {
  /** The scopes of whoever reads the result: waits find only events that these may read as well. */
  readonly scopes: readonly string[];
  evaluate(template: unknown, bindings: Readonly<Record<string, unknown>>, options: EvaluateOptions): Promise<unknown>;
  /** Performs the call of a step. */
  invoke(
    services: GatewayServices,
    vendor: Vendor,
    invocation: Invocation,
    scope: CallScope,
    stepCall: StepCall,
  ): Promise<InvokeAnswer>;
  /** Called when a condition keeps something from being carried out. */
  conditionNotMet(condition: UnmetCondition): Promise<void>;
}
