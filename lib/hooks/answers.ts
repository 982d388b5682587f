import type { JsonAnswer } from '../api/idempotency.ts';
import type { HttpRequest } from '../api/request.ts';
import { GatewayError, problemOf } from '../core/errors.ts';
import type { RunProgress, RunResult } from './wait.ts';

/** The response for a stored message whose runs were waited for: 200, 202 while a run is in progress, or 424 if one failed fully or partially. */
export function resultAnswer(
  eventId: string | undefined,
  runs: readonly RunProgress[],
  headers: Record<string, string>,
  request: HttpRequest,
): JsonAnswer {
  const body = { eventId, runs };
  const going = runs.find(({ state }) => state === 'running');
  if (going) return { status: 202, headers: { ...headers, location: `/v1/runs/${going.id}` }, body };
  const failed = runs.find((run): run is RunResult => run.state === 'failed' || run.state === 'partial');
  if (!failed) return { status: 200, headers, body };
  const error = new GatewayError(
    'run_failed',
    `The message was stored, and its run ${failed.id} ${failed.state === 'partial' ? 'failed in part' : 'failed'}. ${failed.reason ?? ''}`.trim(),
  );
  return problemAnswer(error, request, headers, body);
}

/** Some senders send user and password only after a challenge. */
export function basicChallenge(error: GatewayError, request: HttpRequest): JsonAnswer {
  return problemAnswer(error, request, { 'www-authenticate': 'Basic realm="hook", charset="UTF-8"' });
}

function problemAnswer(
  error: GatewayError,
  request: HttpRequest,
  headers: Record<string, string>,
  more: object = {},
): JsonAnswer {
  return {
    status: error.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: { ...problemOf(error, request.requestId), ...more },
  };
}
