import { AsyncLocalStorage } from 'node:async_hooks';

/** How much of the shared expression processes the expressions of one request may use. */
export interface EvaluationBudget {
  /** Whose evaluations these are; different shares take turns. */
  readonly share: string;
  /** The time that is left for evaluating, in milliseconds. Waiting does not count. */
  leftMs: number;
  /** Ends what still waits, such as when the client is gone. */
  readonly signal?: AbortSignal | undefined;
}

const current = new AsyncLocalStorage<EvaluationBudget>();

/** Runs something under a budget: it applies to every expression that is evaluated inside. */
export function withEvaluationBudget<T>(budget: EvaluationBudget, run: () => T): T {
  return current.run(budget, run);
}

/** The budget that applies here; undefined where there is none, as in a run. */
export function evaluationBudget(): EvaluationBudget | undefined {
  return current.getStore();
}
