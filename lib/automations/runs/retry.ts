import { GatewayError } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import { isStoppedBefore } from '../../core/vendor-failure.ts';
import { ExpressionFailure } from '../../expressions/pool.ts';
import type { CallStep } from '../definition.ts';

/** How a call is retried. */
export interface RetryPolicy {
  attempts: number;
  /** Seconds before the attempt after the n-th, from 1; the last value repeats. */
  delays: readonly number[];
  /** No attempt starts later than this after the first, in milliseconds. */
  withinMs: number;
}

const ordinary: RetryPolicy = { attempts: 6, delays: [2, 5, 15, 60, 180], withinMs: Number.POSITIVE_INFINITY };
/**
 * A call that raises an alarm is retried for half a minute and then reported: somebody must still have time to do something else.
 */
const alarm: RetryPolicy = { attempts: 50, delays: [1, 2, 4], withinMs: 30_000 };

/**
 * The same while Trunkline's own database fails and nothing was sent to the vendor: a report would need the database, too, and
 * throttling ends after minutes.
 */
const ownTroubleMs = 180_000;

export function retryPolicy(step: Pick<CallStep, 'retry'>, operation: Pick<Operation, 'alarm'>): RetryPolicy {
  if (step.retry) {
    const { attempts, seconds } = step.retry;
    return { attempts, delays: [seconds], withinMs: Number.POSITIVE_INFINITY };
  }
  return operation.alarm ? alarm : ordinary;
}

/** The most attempts that a policy allows, within the longer of its times. */
export function maxAttempts({ attempts, delays, withinMs }: RetryPolicy): number {
  let most = 1;
  for (let elapsedMs = 0; most < attempts; most++) {
    elapsedMs += (delays[Math.min(most, delays.length) - 1] ?? 1) * 1000;
    if (elapsedMs > Math.max(withinMs, ownTroubleMs)) break;
  }
  return most;
}

/** A failed attempt. */
export interface FailedAttempt {
  error: unknown;
  /** From 1. */
  attempt: number;
  /** Since the start of the first attempt, in milliseconds. */
  elapsedMs: number;
  /** Whether any request has been sent to the vendor; false means that it certainly did nothing. */
  asked: boolean;
}

/**
 * Seconds until the next attempt; undefined if there is none. A write is retried only if it certainly did not reach the vendor.
 * The only exception is an operation that declares it: an SOS whose answer was lost.
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
  const withinMs = isOwnTrouble(error, asked) ? Math.max(policy.withinMs, ownTroubleMs) : policy.withinMs;
  if (!mayRepeat(error, asked, operation.effect) || attempt >= policy.attempts) return undefined;
  const asks = error instanceof GatewayError ? (error.retryAfter ?? 0) : 0;
  const seconds = Math.max(policy.delays[Math.min(attempt, policy.delays.length) - 1] ?? 1, asks);
  return elapsedMs + seconds * 1000 <= withinMs ? seconds : undefined;
}

/** True when it is unknown whether the vendor carried the request out. */
export function isLost(error: unknown, asked: boolean): boolean {
  if (error instanceof GatewayError) return error.outcome === 'unknown';
  return asked && !isExpressionFailure(error);
}

function mayRepeat(error: unknown, asked: boolean, effect: Operation['effect']): boolean {
  if (error instanceof GatewayError) return error.retryable && (effect === 'read' || error.outcome === 'no');
  // A database that did not respond before any request was sent to the vendor.
  return !isExpressionFailure(error) && (effect === 'read' || !asked);
}

/** True if the attempt failed or took its time before anything was sent to the vendor. */
function isOwnTrouble(error: unknown, asked: boolean): boolean {
  if (error instanceof GatewayError) return isStoppedBefore(error.cause);
  return !asked && !isExpressionFailure(error);
}

/** An expression that fails on every evaluation; if no process could evaluate it, it is retried. */
export function isExpressionFailure(error: unknown): error is ExpressionFailure {
  return error instanceof ExpressionFailure && error.isFinal;
}
