import type { GatewayServices, Invocation, InvokeAnswer } from '../../connections/invoke.ts';
import type { CallScope } from '../../connections/vendor-calls.ts';
import type { Vendor } from '../../core/vendor.ts';
import type { EvaluateOptions } from '../../expressions/expression.ts';
import type { CallStep } from '../definition.ts';

/** The call of one step, or of one of its items. */
export interface StepCall {
  runId: string;
  step: CallStep;
  at: number;
  index: number;
}

/** A condition that did not hold, so that a run or one of its steps is not carried out. */
export interface UnmetCondition {
  runId: string;
  /** The step and its item; absent for the run as a whole. */
  place?: { at: number; index: number };
  condition: string;
  /** What the condition was evaluated over. */
  bindings: Readonly<Record<string, unknown>>;
}

/** What a rehearsal does in place of a run's own evaluations and calls. Its table and its clock are separate as well. */
export interface RunOverrides {
  /** The scopes of the key that reads the result: waits find only events that these scopes allow as well. */
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
  /** Called when a condition does not hold. */
  conditionNotMet(condition: UnmetCondition): Promise<void>;
}
