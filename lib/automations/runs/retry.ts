import { GatewayError } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import { ExpressionFailure } from '../../expressions/pool.ts';
import type { CallStep } from '../definition.ts';

/** How a call is repeated. */
export interface RetryPolicy {
  attempts: number;
  /** Seconds before the attempt after the n-th, from 1; the last one stays. */
  delays: readonly number[];
  /** No attempt begins later than this after the first, in milliseconds. */
  withinMs: number;
}

const ordinary: RetryPolicy = { attempts: 6, delays: [2, 5, 15, 60, 180], withinMs: Number.POSITIVE_INFINITY };
/** What raises an alarm is tried for half a minute and then reported: somebody must still be able to do something else. */
const alarm: RetryPolicy = { attempts: 20, delays: [1, 2, 4], withinMs: 30_000 };

export function retryPolicy(step: Pick<CallStep, 'retry'>, operation: Pick<Operation, 'alarm'>): RetryPolicy {
  if (step.retry) {
    const { attempts, seconds } = step.retry;
    return { attempts, delays: [seconds], withinMs: Number.POSITIVE_INFINITY };
  }
  return operation.alarm ? alarm : ordinary;
}

/** One attempt that failed. */
export interface FailedAttempt {
  error: unknown;
  /** From 1. */
  attempt: number;
  /** Since the first attempt began, in milliseconds. */
  elapsedMs: number;
  /** Whether any request has gone out to the vendor; false means that it certainly did nothing. */
  asked: boolean;
}

/**
 * Seconds until the next attempt, or undefined where there is none. A write goes again only when it certainly did not reach the
 * vendor; the one exception is an operation that says so itself: an SOS whose answer was lost.
 */
export function secondsToNextAttempt(
  failed: FailedAttempt,
  policy: RetryPolicy,
  operation: Pick<Operation, 'effect' | 'repeatWhenLost'>,
): number | undefined {
  const { error, attempt, elapsedMs, asked } = failed;
  const lost = operation.repeatWhenLost;
  if (lost && isLost(error, asked)) {
    const pause = Math.floor(lost.seconds / lost.attempts);
    return attempt < lost.attempts && elapsedMs + pause * 1000 <= lost.seconds * 1000 ? pause : undefined;
  }
  if (!mayRepeat(error, asked, operation.effect) || attempt >= policy.attempts) return undefined;
  const asks = error instanceof GatewayError ? (error.retryAfter ?? 0) : 0;
  const seconds = Math.max(policy.delays[Math.min(attempt, policy.delays.length) - 1] ?? 1, asks);
  return elapsedMs + seconds * 1000 <= policy.withinMs ? seconds : undefined;
}

/** True when nobody can know whether the vendor carried the request out. */
export function isLost(error: unknown, asked: boolean): boolean {
  if (error instanceof GatewayError) return error.outcome === 'unknown';
  return asked && !isExpressionFailure(error);
}

function mayRepeat(error: unknown, asked: boolean, effect: Operation['effect']): boolean {
  if (error instanceof GatewayError) return error.retryable && (effect === 'read' || error.outcome === 'no');
  // A database that did not answer, before the vendor was asked for anything.
  return !isExpressionFailure(error) && (effect === 'read' || !asked);
}

/** An expression that fails however often it is evaluated; where no process could evaluate it, it is tried again. */
export function isExpressionFailure(error: unknown): error is ExpressionFailure {
  return error instanceof ExpressionFailure && error.kind !== 'crashed';
}
