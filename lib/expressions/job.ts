import type { Literals } from './literals.ts';

/** A request to the evaluating process; everything in it is JSON. */
export type ExpressionJob =
  | { readonly task: 'validate'; readonly template: unknown }
  | { readonly task: 'literals'; readonly template: string }
  | {
      readonly task: 'evaluate';
      readonly template: unknown;
      readonly bindings: Readonly<Record<string, unknown>>;
      /** Epoch milliseconds that `$now()` and `$millis()` return. */
      readonly now: number;
      /** The same seed gives the same `$random()` and `$shuffle()`. */
      readonly seed: string;
      readonly timeMs: number;
      readonly maxBytes: number;
      /** The addresses that `$link(name)` returns, by name. */
      readonly links?: Readonly<Record<string, string>>;
    };

/** Its responses, after one `ready` at startup. An absent `json` is JSONata's "nothing". */
export type ExpressionReply =
  | { readonly ready: true }
  | { readonly json?: string }
  | ExpressionInspection
  | Readonly<Literals>
  | { readonly failure: ExpressionProblem & { readonly kind: ExpressionFailureKind } };

/** `memory` and `crashed` end the evaluating process, `timeout` may. */
export type ExpressionFailureKind = 'syntax' | 'evaluation' | 'timeout' | 'memory' | 'too-large' | 'crashed';

/** What is known about the expressions of a template without evaluating them. */
export interface ExpressionInspection {
  readonly problems: readonly ExpressionProblem[];
  /** Every `steps.NAME` with the pointer of its expression. */
  readonly steps: readonly { readonly pointer: string; readonly name: string }[];
  /** Every path that starts at a binding, such as `event.data.body.severity`, once. */
  readonly paths: readonly string[];
}

/** An error in one expression. */
export interface ExpressionProblem {
  /** JSON pointer of the expression in its template; empty when the template is the expression, or when it is not known. */
  readonly pointer: string;
  readonly message: string;
  /** JSONata's error code, such as `S0202`. */
  readonly code?: string;
  /** Offset in the expression. */
  readonly position?: number;
}
