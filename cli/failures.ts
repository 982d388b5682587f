/** What a command ends with. The numbers are part of the interface: scripts branch on them. */
export const exitCodes = {
  done: 0,
  /** The request was refused, or something failed permanently. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The key is missing, wrong, or lacks a scope. */
  forbidden: 3,
  /** A retry may succeed: no connection, rate limit, a vendor that is down. */
  retryable: 4,
  /** A write whose response was lost: check before you repeat it. */
  outcomeUnknown: 5,
} as const;

/** A command line that cannot be carried out; the message says what to write instead. */
export class UsageError extends Error {}

/** An answer of the API that is no success, with its problem document. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Readonly<Record<string, unknown>>;

  constructor(status: number, problem: Readonly<Record<string, unknown>>) {
    super(typeof problem.message === 'string' ? problem.message : `The API answered with ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** There was no answer of the API, and a repetition can do no harm. */
export class Unreachable extends Error {}

/** There was no answer to a write that may have been carried out. */
export class OutcomeUnknown extends Error {}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof Unreachable) return exitCodes.retryable;
  if (error instanceof OutcomeUnknown) return exitCodes.outcomeUnknown;
  if (!(error instanceof ApiError)) return exitCodes.failed;
  if (error.status === 401 || error.status === 403) return exitCodes.forbidden;
  if (error.problem.code === 'outcome_unknown') return exitCodes.outcomeUnknown;
  return error.problem.retryable === true ? exitCodes.retryable : exitCodes.failed;
}
